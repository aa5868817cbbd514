"""Nested sampling (Skilling 2006, Bayesian Analysis 1, 833) with slices (Neal 2003, Annals of Statistics 31, 705), by blackjax."""

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro.infer.util import initialize_model, potential_energy, unconstrain_fn
from scipy.special import logsumexp

from posterity.errors import UserError
from posterity.inference.chains import ChainSharding
from posterity.inference.initial_values import nonfinite_start_error
from posterity.inference.result import FitResult
from posterity.inference.run import ChunkedProgram, RunOptions, StoppingRule, run_chunks
from posterity.model.handlers import MaskObserved
from posterity.model.model import BoundModel, trace_conditioned, trace_predictive
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import Stream

MAX_STEPS = 5000  # steps; each takes a tenth of the volume away
DELETED_FRACTION = 10  # of the live points, one part dies in each step
SIMULATED_VOLUMES = 200  # simulated sequences of prior volumes, from which the error of ln Z comes


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Compute the evidence, and draws of the posterior, by several independent runs.

    `settings` are those of `nested` in the schema. Points live in unconstrained space under the prior's density there, so that
    every prior that can be drawn from will do. ln Z is that of the mean of the runs' evidences; its error follows from the unknown
    volumes (Higson et al. 2018, Bayesian Analysis 13, 873, section 2), or from how the runs differ, where that is more. The runs
    are merged by their evidences. Raises UserError for a model without likelihood, or with improper priors.
    """
    if model.improper_sites:
        raise UserError(
            f"{model.file}: nested: the prior of {', '.join(model.improper_sites)} is improper, so that there is no evidence"
        )
    observed = _list_observed_sites(model)
    if not observed:
        raise UserError(
            f"{model.file}: nested: the model has no likelihood, so that its evidence is 1; write the density as numpyro.factor "
            "under a prior"
        )
    size = sum(int(np.prod(model.sites[name].shape)) for name in model.site_names("latent"))
    live = settings["live_points"]
    dying, inner = live // DELETED_FRACTION, settings["steps"] or max(12, 4 * size)
    recorded = [*model.site_names("latent"), *model.site_names("deterministic")]
    numbers = sum(int(np.prod(model.sites[name].shape)) for name in recorded)
    chunk = int(max(1, min(MAX_STEPS, 32e6 // (8 * numbers * dying * settings["runs"]))))
    places = ChainSharding(settings["runs"], ensemble=False)

    def pieces(traced):
        info = initialize_model(
            jax.random.PRNGKey(0), model.full_data, dynamic_args=True, model_kwargs=traced
        )
        constrain = info.postprocess_fn(**traced)

        def log_likelihood(position):
            sites = constrain(position)
            found = trace_conditioned(model, {name: sites[name] for name in position}, traced)
            total = sum((_log_prob(found[name]) for name in observed), jnp.zeros(()))
            return jnp.where(jnp.isnan(total), -jnp.inf, total)

        def log_prior(position):
            total = -potential_energy(MaskObserved(model.full_data, observed), (), traced, position)
            return jnp.where(jnp.isnan(total), -jnp.inf, total)

        algorithm = blackjax.nss(log_prior, log_likelihood, num_inner_steps=inner, num_delete=dying)
        return algorithm, constrain

    def start(key, traced):
        algorithm, _ = pieces(traced)
        key, of_points = jax.random.split(key)

        def point(key):
            drawn = trace_predictive(model, key, {}, traced)
            latent = {name: drawn[name]["value"] for name in model.site_names("latent")}
            return unconstrain_fn(model.full_data, (), traced, latent)

        return algorithm.init(jax.lax.map(point, jax.random.split(of_points, live))), key

    def advance(state, traced, count):
        algorithm, constrain = pieces(traced)

        def taken(particles, integrator):
            left = integrator.logZ_live - jnp.logaddexp(integrator.logZ, integrator.logZ_live)
            return particles.position, {".log_likelihood": particles.loglikelihood, ".left": left}

        example = jax.eval_shape(algorithm.step, jnp.zeros(2, jnp.uint32), state[0])
        shapes = jax.eval_shape(lambda one: taken(one[1].particles, one[0].integrator), example)
        kept = jax.tree.map(lambda one: jnp.zeros((chunk, *one.shape), one.dtype), shapes)

        def step(index, carry):
            (inside, key), kept = carry
            key, now = jax.random.split(key)
            inside, info = algorithm.step(now, inside)
            kept = jax.tree.map(
                lambda all, one: all.at[index].set(one),
                kept,
                taken(info.particles, inside.integrator),
            )
            return (inside, key), kept

        state, (positions, others) = jax.lax.fori_loop(0, count, step, (state, kept))
        sites = jax.lax.map(lambda each: _only(jax.vmap(constrain)(each), recorded), positions)
        return state, sites | others

    def remaining(state, traced):
        _, constrain = pieces(traced)
        particles = state[0].particles
        return _only(jax.vmap(constrain)(particles.position), recorded), particles.loglikelihood

    def plan():
        begun = jax.jit(places.over(start, 1)).trace(keys, model.traced_arguments)
        state = _placed(begun.out_info, places)
        going = jax.jit(places.over(advance, 2)).trace(state, model.traced_arguments, 0)
        return [
            begun,
            going,
            jax.jit(places.over(remaining, 1)).trace(state, model.traced_arguments),
        ], begun.out_info

    keys = stream.keys("run", settings["runs"])
    made_from = ["nested", model.fingerprint, live, inner, chunk, places.count]
    programs = load_or_compile(
        (keys, model.traced_arguments), made_from, plan, places.count, quick=(0, 2)
    )
    begin, go, end = programs.run

    def first():
        state = begin(keys, model.traced_arguments)
        if not np.isfinite(state[0].particles.loglikelihood).any():
            raise nonfinite_start_error(model)
        return state

    work = ChunkedProgram(
        start=first,
        advance=lambda state, count, recording: go(state, model.traced_arguments, count),
        like=_placed(programs.notes, places),
        warmup=0,
        draws=MAX_STEPS,
        size=chunk,
        unit="steps",
        chains=settings["runs"],
        rule=StoppingRule(
            name="remaining evidence",
            next=lambda done: (done // 10 + 1) * 10,
            reached=lambda records: bool(
                (records[".left"][:, -1] < np.log(-np.expm1(-settings["dlogz"]))).all()
            ),
        ),
    )
    driven = run_chunks(work, options)
    if driven.stopped == "draws":
        raise UserError(
            f"{model.name}: nested: after {MAX_STEPS} steps there is still evidence left; is the likelihood bounded?"
        )
    last, last_likelihood = end(driven.state, model.traced_arguments)
    order = np.argsort(np.asarray(last_likelihood), axis=1, kind="stable")

    def all_points(dead, living):
        flat = dead.reshape(dead.shape[0], -1, *dead.shape[3:])
        living = np.take_along_axis(
            np.asarray(living), order.reshape(*order.shape, *[1] * (living.ndim - 2)), axis=1
        )
        return np.concatenate([flat, living], axis=1)

    likelihood = all_points(driven.records[".log_likelihood"], last_likelihood)
    sites = {name: all_points(driven.records[name], last[name]) for name in recorded}
    log_z, error, each, log_weights = compute_evidence(
        likelihood, live, dying, stream.generator("volumes")
    )
    rng = stream.generator("resample")
    cumulated = np.cumsum(np.exp(log_weights.ravel()))
    chosen = np.searchsorted(
        cumulated / cumulated[-1],
        (rng.uniform() + np.arange(settings["draws"])) / settings["draws"],
    )
    chosen = rng.permutation(chosen)
    return FitResult(
        sampling="independent",
        gradient_evaluations=0,
        compile_seconds=programs.seconds,
        run_seconds=driven.seconds,
        posterior={
            name: values.reshape(-1, *values.shape[2:])[chosen][None]
            for name, values in sites.items()
        },
        weighted=sites,
        log_weights=log_weights,
        evidence=xr.Dataset(
            {
                "ln_z": ((), log_z, {"long_name": "ln Z", "units": "nats"}),
                "ln_z_error": ((), error, {"long_name": "standard error of ln Z", "units": "nats"}),
                "ln_z_of_run": ("run", each, {"long_name": "ln Z of each run", "units": "nats"}),
            }
        ),
        stopped=driven.stopped,
    )


def compute_evidence(
    log_likelihood: np.ndarray, live: int, dying: int, rng: np.random.Generator
) -> tuple:
    """
    Compute the evidence from the likelihoods of points in the order of their death, shape (run, point).

    In each step `dying` of `live` points go, one after another; at the end all that live. The volumes between them are simulated.
    Points of no likelihood go first, and are as if none came in their place, since new ones are drawn where there is some.
    Returns ln Z, its error, ln Z of each run, and the normalised log weights of the points, shape (run, point).
    """
    runs, points = log_likelihood.shape
    steps = (points - live) // dying
    alive = np.concatenate(
        [np.tile(np.arange(live, live - dying, -1), steps), np.arange(live, 0, -1)]
    )
    alive = np.tile(alive, (runs, 1))
    for one in range(
        runs
    ):  # what the first points show to be impossible is no volume that new points were drawn from
        impossible = int(np.isneginf(log_likelihood[one, : steps * dying]).sum())
        alive[one, :impossible] = live - np.arange(impossible)
    log_z, weights = np.zeros((runs, SIMULATED_VOLUMES)), np.zeros((runs, points))
    for one in range(runs):
        volume = np.cumsum(
            -rng.standard_exponential((SIMULATED_VOLUMES, points)) / alive[one], axis=1
        )
        before = np.concatenate([np.zeros((SIMULATED_VOLUMES, 1)), volume[:, :-1]], axis=1)
        log = before + np.log(-np.expm1(volume - before)) + log_likelihood[one]
        log_z[one] = logsumexp(log, axis=1)
        weights[one] = logsumexp(log - log_z[one][:, None], axis=0) - np.log(SIMULATED_VOLUMES)
    each = log_z.mean(1)
    within = np.sqrt(np.mean(log_z.var(1, ddof=1)) / runs)
    between = each.std(ddof=1) / np.sqrt(runs) if runs > 1 else 0.0
    shares = each - logsumexp(each)
    return logsumexp(each) - np.log(runs), max(within, between), each, weights + shares[:, None]


def _list_observed_sites(model: BoundModel) -> list[str]:
    """List the observed sites, terms by numpyro.factor among them."""
    found = []

    def run(traced):
        sites = trace_conditioned(model, {}, traced)
        found.extend(
            name for name, site in sites.items() if site["type"] == "sample" and site["is_observed"]
        )
        return 0

    jax.eval_shape(run, model.traced_arguments)
    return found


def _log_prob(site: dict):
    return jnp.sum(
        (1.0 if site["scale"] is None else site["scale"]) * site["fn"].log_prob(site["value"])
    )


def _only(sites: dict, names: list[str]) -> dict:
    return {name: sites[name] for name in names}


def _placed(shapes, places: ChainSharding):
    return jax.tree.map(
        lambda one: jax.ShapeDtypeStruct(one.shape, one.dtype, sharding=places.sharding), shapes
    )
