"""
Nested sampling with slices, by blackjax.

Skilling 2006, Bayesian Analysis 1, 833; Neal 2003, Annals of Statistics 31, 705.
"""

from typing import Any, NamedTuple

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro.infer.util import initialize_model, potential_energy, unconstrain_fn
from scipy.special import logsumexp

from posterity.errors import UserError
from posterity.inference.program import (
    ChainSharding,
    ChunkedProgram,
    Loop,
    compute_chunk_size,
    count_numbers,
)
from posterity.inference.records import DrawBuffer
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions, RunResult, run_chunks
from posterity.inference.stopping import StoppingRule
from posterity.model.handlers import MaskObserved
from posterity.model.model import BoundModel, trace_conditioned, trace_predictive
from posterity.runtime.rng import Stream

MAX_STEPS = 5000  # steps; each removes a tenth of the prior volume
DELETION_DIVISOR = 10  # each step deletes the live points over this
CHECK_STEPS = 10  # steps between two checks of the remaining evidence
MIN_SLICES = 12  # slices for a new point
SLICES_PER_NUMBER = 4  # slices for a new point for each latent number
SIMULATED_VOLUMES = 200  # simulated sequences of prior volumes, from which the error of ln Z comes


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Compute the evidence, and draws of the posterior, by several independent runs.

    Points live in unconstrained space, so that any prior that can be sampled will do. ln Z is the
    logarithm of the mean evidence of the runs. Its error follows from the unknown volumes (Higson
    et al. 2018, Bayesian Analysis 13, 873, section 2), or from the scatter of the runs if that is
    larger. The evidences weight the runs.

    Parameters
    ----------
    model : BoundModel
        The model, with a likelihood and proper priors.
    settings : dict
        The settings of `nested` in the schema.
    stream : Stream
        Randomness of the fit.
    options : RunOptions
        Checkpoint and progress callback.

    Returns
    -------
    FitResult
        Independent draws of shape (1, draw, ...), the weighted points of shape (run, point, ...),
        and ln Z in nats.

    Raises
    ------
    UserError
        If the model has no likelihood or an improper prior, or if a run does not end after
        MAX_STEPS steps.
    """
    program = NestedProgram(model, settings, stream, _list_observed_sites(model))
    program.compile()
    run = run_chunks(program, options)
    if run.stopped == "draws":
        raise UserError(
            f"{model.name}: nested: the live points still hold evidence after {MAX_STEPS} steps. "
            "Check that the likelihood is bounded."
        )
    points, log_likelihood = merge_points(program, run)
    evidence = compute_evidence(
        log_likelihood, program.live_points, program.deleted_points, stream.generator("volumes")
    )
    chosen = resample_points(evidence.log_weights, settings["draws"], stream.generator("resample"))
    return FitResult(
        sampling="independent",
        gradient_evaluations=0,
        compile_seconds=program.programs.seconds,
        run_seconds=run.seconds,
        posterior=take_points(points, chosen),
        weighted=points,
        log_weights=evidence.log_weights,
        evidence=evidence.to_dataset(),
        stopped=run.stopped,
    )


class NestedProgram(ChunkedProgram):
    """
    Independent runs of nested sampling.

    The state has blackjax's state and a key. A step deletes the live points of lowest likelihood,
    which are its record, and replaces them. The record `.remaining` is the logarithm of the
    evidence's share that the live points hold.
    """

    unit = "steps"
    low_effort = (0, 2)

    def __init__(self, model: BoundModel, settings: dict, stream: Stream, observed: list[str]):
        latent = model.site_names("latent")
        self.sites = [*latent, *model.site_names("deterministic")]
        self.observed = observed
        self.live_points = settings["live_points"]
        self.deleted_points = self.live_points // DELETION_DIVISOR
        self.slices = settings["steps"] or max(
            MIN_SLICES, SLICES_PER_NUMBER * count_numbers(model, latent)
        )
        runs = settings["runs"]
        numbers = count_numbers(model, self.sites) * self.deleted_points * runs
        super().__init__(
            model, stream.keys("run", runs), MAX_STEPS, compute_chunk_size(MAX_STEPS, numbers)
        )
        self.chains = runs
        self.sharding = ChainSharding(runs)
        self.stopping_rule = _make_evidence_rule(settings["dlogz"])

    @property
    def cache_key(self) -> list:
        """The model, the numbers of points and slices, and the shape of a chunk."""
        counts = [self.live_points, self.slices, self.chunk_size, self.device_count]
        return ["nested", self.model.fingerprint, *counts]

    def init(self, inputs: jax.Array, traced: dict) -> tuple[Any, jax.Array]:
        """Draw the live points from the prior; the check is their log likelihood."""
        algorithm, _ = self._make_algorithm(traced)
        key, points_key = jax.random.split(inputs)

        def draw_point(key):
            sites = trace_predictive(self.model, key, {}, traced)
            latent = {name: sites[name]["value"] for name in self.model.site_names("latent")}
            return unconstrain_fn(self.model.full_data, (), traced, latent)

        points = jax.lax.map(draw_point, jax.random.split(points_key, self.live_points))
        state = algorithm.init(points)
        return (state, key), state.particles.loglikelihood

    def is_valid_start(self, check: np.ndarray) -> bool:
        """Return whether some live point has a finite likelihood."""
        return bool(np.isfinite(check).any())

    def make_loop(self, traced: dict, parameters: tuple) -> Loop:
        """Return a step of all slices, and the map of the deleted points to the sites."""
        algorithm, constrain = self._make_algorithm(traced)

        def step(carry):
            state, key = carry
            key, step_key = jax.random.split(key)
            state, info = algorithm.step(step_key, state)
            live, dead = state.integrator.logZ_live, state.integrator.logZ
            fields = {
                ".log_likelihood": info.particles.loglikelihood,
                ".remaining": live - jnp.logaddexp(dead, live),
            }
            return (state, key), (info.particles.position, fields)

        def extract(records):
            positions, fields = records
            sites = jax.lax.map(
                lambda deleted: self._select_sites(jax.vmap(constrain)(deleted)), positions
            )
            return sites | fields

        return Loop(step, extract)

    def extract_state(self, state: Any, traced: dict) -> Any:
        """Return the live points by site, and their log likelihood."""
        _, constrain = self._make_algorithm(traced)
        particles = state[0].particles
        return self._select_sites(jax.vmap(constrain)(particles.position)), particles.loglikelihood

    def _make_algorithm(self, traced: dict) -> tuple:
        """Return blackjax's algorithm for prior and likelihood, and the map to the sites."""
        info = initialize_model(
            jax.random.PRNGKey(0), self.model.full_data, dynamic_args=True, model_kwargs=traced
        )
        constrain = info.postprocess_fn(**traced)
        prior = MaskObserved(self.model.full_data, self.observed)

        def compute_log_likelihood(position):
            sites = constrain(position)
            latent = {name: sites[name] for name in position}
            conditioned = trace_conditioned(self.model, latent, traced)
            terms = (_log_prob(conditioned[name]) for name in self.observed)
            total = sum(terms, jnp.zeros(()))
            return jnp.where(jnp.isnan(total), -jnp.inf, total)

        def compute_log_prior(position):
            total = -potential_energy(prior, (), traced, position)
            return jnp.where(jnp.isnan(total), -jnp.inf, total)

        algorithm = blackjax.nss(
            compute_log_prior,
            compute_log_likelihood,
            num_inner_steps=self.slices,
            num_delete=self.deleted_points,
        )
        return algorithm, constrain

    def _select_sites(self, sites: dict) -> dict:
        return {name: sites[name] for name in self.sites}


class Evidence(NamedTuple):
    """
    The evidence of several runs.

    Attributes
    ----------
    log_z, error : float
        ln Z and its standard error, in nats.
    log_z_of_runs : np.ndarray
        ln Z of each run, shape (run,), in nats.
    log_weights : np.ndarray
        Normalised log weights of the points, shape (run, point).
    """

    log_z: float
    error: float
    log_z_of_runs: np.ndarray
    log_weights: np.ndarray

    def to_dataset(self) -> xr.Dataset:
        """Return ln Z, its error, and ln Z of each run."""
        columns = {
            "ln_z": ((), self.log_z, "ln Z"),
            "ln_z_error": ((), self.error, "standard error of ln Z"),
            "ln_z_of_run": ("run", self.log_z_of_runs, "ln Z of each run"),
        }
        return xr.Dataset(
            {
                name: (dims, values, {"long_name": label, "units": "nats"})
                for name, (dims, values, label) in columns.items()
            }
        )


def merge_points(
    program: NestedProgram, run: RunResult
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """
    Return all points of each run by site, shape (run, point, ...), and their log likelihood.

    They are in the order of their death: the deleted points, then the last live points by
    increasing likelihood.
    """
    live, live_likelihood = program.run_extract_state(run.state)
    order = np.argsort(np.asarray(live_likelihood), axis=1, kind="stable")

    def merge(deleted, live):
        flat = deleted.reshape(deleted.shape[0], -1, *deleted.shape[3:])
        index = order.reshape(*order.shape, *[1] * (live.ndim - 2))
        return np.concatenate([flat, np.take_along_axis(np.asarray(live), index, axis=1)], axis=1)

    points = {name: merge(run.records[name], live[name]) for name in program.sites}
    return points, merge(run.records[".log_likelihood"], live_likelihood)


def resample_points(log_weights: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return the indices of `draws` points of equal weight (systematic resampling), shuffled."""
    cumulative = np.cumsum(np.exp(log_weights.ravel()))
    levels = (rng.uniform() + np.arange(draws)) / draws
    return rng.permutation(np.searchsorted(cumulative / cumulative[-1], levels))


def take_points(points: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    """Return the chosen points of all runs by site, shape (1, draw, ...)."""
    flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in points.items()}
    return {name: values[chosen][None] for name, values in flat.items()}


def compute_evidence(
    log_likelihood: np.ndarray, live_points: int, deleted_points: int, rng: np.random.Generator
) -> Evidence:
    """
    Compute the evidence from the likelihoods of the points.

    The prior volumes between the points are unknown and are simulated. Points of zero likelihood
    die first. New points are drawn where the likelihood is positive, so that nothing replaces them.

    Parameters
    ----------
    log_likelihood : np.ndarray
        Log likelihood of the points in the order of their death, shape (run, point).
    live_points, deleted_points : int
        Number of live points, and of those that a step deletes one after another.
    rng : np.random.Generator
        Randomness of the volumes.

    Returns
    -------
    Evidence
        ln Z with its error, and the weights of the points.
    """
    runs, points = log_likelihood.shape
    alive = _count_alive(log_likelihood, live_points, deleted_points)
    log_z = np.zeros((runs, SIMULATED_VOLUMES))
    weights = np.zeros((runs, points))
    for run in range(runs):
        shrinkage = -rng.standard_exponential((SIMULATED_VOLUMES, points)) / alive[run]
        log_volume = np.cumsum(shrinkage, axis=1)
        earlier = np.concatenate([np.zeros((SIMULATED_VOLUMES, 1)), log_volume[:, :-1]], axis=1)
        log_mass = earlier + np.log(-np.expm1(log_volume - earlier)) + log_likelihood[run]
        log_z[run] = logsumexp(log_mass, axis=1)
        shares = log_mass - log_z[run][:, None]
        weights[run] = logsumexp(shares, axis=0) - np.log(SIMULATED_VOLUMES)
    mean = log_z.mean(1)
    within = np.sqrt(np.mean(log_z.var(1, ddof=1)) / runs)
    between = mean.std(ddof=1) / np.sqrt(runs) if runs > 1 else 0.0
    run_weights = mean - logsumexp(mean)
    return Evidence(
        log_z=logsumexp(mean) - np.log(runs),
        error=max(within, between),
        log_z_of_runs=mean,
        log_weights=weights + run_weights[:, None],
    )


def _count_alive(log_likelihood: np.ndarray, live_points: int, deleted_points: int) -> np.ndarray:
    """Return the number of points that are alive at the death of each point, shape (run, point)."""
    runs, points = log_likelihood.shape
    steps = (points - live_points) // deleted_points
    in_step = np.arange(live_points, live_points - deleted_points, -1)
    at_end = np.arange(live_points, 0, -1)
    alive = np.tile(np.concatenate([np.tile(in_step, steps), at_end]), (runs, 1))
    for run in range(runs):
        impossible = int(np.isneginf(log_likelihood[run, : steps * deleted_points]).sum())
        # New points are not drawn from the volume that the first points show to be impossible.
        alive[run, :impossible] = live_points - np.arange(impossible)
    return alive


def _make_evidence_rule(dlogz: float) -> StoppingRule:
    """Return the rule that ends all runs once the live points hold too little evidence."""
    limit = np.log(-np.expm1(-dlogz))

    def is_reached(records: DrawBuffer) -> bool:
        return bool((records[".remaining"][:, -1] < limit).all())

    return StoppingRule(
        name="remaining evidence",
        next_check=lambda steps: (steps // CHECK_STEPS + 1) * CHECK_STEPS,
        is_reached=is_reached,
    )


def _list_observed_sites(model: BoundModel) -> list[str]:
    """
    List the observed sites and the terms by numpyro.factor.

    Raises UserError if there are none, or if a prior is improper: there is no evidence to compute.
    """
    place = f"{model.file}: nested"
    if model.improper_sites:
        raise UserError(
            f"{place}: the prior of {', '.join(model.improper_sites)} is improper, so that there "
            "is no evidence. Give it a proper prior, or choose another method."
        )
    observed: list[str] = []

    def collect(traced):
        sites = trace_conditioned(model, {}, traced)
        observed.extend(
            name for name, site in sites.items() if site["type"] == "sample" and site["is_observed"]
        )
        return 0

    jax.eval_shape(collect, model.traced_arguments)
    if not observed:
        raise UserError(
            f"{place}: the model has no likelihood, so that its evidence is 1. "
            "Write the density as numpyro.factor under a prior."
        )
    return observed


def _log_prob(site: dict) -> jax.Array:
    """Return the log density of a site at its value, scaled if the site is."""
    scale = 1.0 if site["scale"] is None else site["scale"]
    return jnp.sum(scale * site["fn"].log_prob(site["value"]))
