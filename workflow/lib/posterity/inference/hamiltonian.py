"""What HMC and NUTS share: a kernel over one vector, mass matrices, and statistics."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from numpyro.infer.util import ParamInfo, initialize_model

from posterity.errors import UserError, hint
from posterity.inference.chains import sample_chains
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream

HMC_FIELDS: dict[str, Callable] = {
    "diverging": lambda state: state.diverging,
    "energy": lambda state: state.energy,
    "num_steps": lambda state: state.num_steps,
    "acceptance_rate": lambda state: state.accept_prob,
    "potential_energy": lambda state: state.potential_energy,
    "step_size": lambda state: state.adapt_state.step_size,
}
RETRY_TARGET_ACCEPT = 0.95


def sample_hamiltonian(
    model: BoundModel,
    settings: dict,
    stream: Stream,
    options: RunOptions,
    make_kernel: Callable,
) -> FitResult:
    """
    Sample the posterior by HMC or NUTS, and once more with smaller steps if draws diverge.

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of the method.
    stream : Stream
        Random stream of the fit.
    options : RunOptions
        Checkpoint, progress and recorded sites.
    make_kernel : Callable
        Returns NumPyro's kernel from `target_accept_prob`, and from a `model` with an
        `init_strategy`, or a `potential_fn`.

    Returns
    -------
    FitResult
        The statistics have the names of ArviZ's schema.
    """
    retry = _plan_retry(settings)
    first = _sample_once(model, settings, stream, options, make_kernel, retry is not None)
    if retry is None or not first.statistics["diverging"].any():
        return _record_runs([first], first, settings["target_accept"])
    minutes = settings["stop_when"].get("minutes")
    if minutes is not None:
        remaining = minutes - first.run_seconds / 60
        if remaining < minutes / 2:  # the repetition takes longer
            return _record_runs([first], first, settings["target_accept"])
        retry["stop_when"] = settings["stop_when"] | {"minutes": remaining}
    options.on_progress(_describe_retry(first, retry["target_accept"]))
    repeated = (settings | retry, stream.child("retry"), options.for_phase("retry"))
    second = _sample_once(model, *repeated, make_kernel)
    is_worse = _compute_share(second) > _compute_share(first)
    kept, target = (first, settings) if is_worse else (second, retry)
    return _record_runs([first, second], kept, target["target_accept"])


def _sample_once(
    model: BoundModel,
    settings: dict,
    stream: Stream,
    options: RunOptions,
    make_kernel: Callable,
    may_repeat: bool = False,
) -> FitResult:
    """Sample the posterior once; the checkpoint of a run that is repeated keeps its end."""
    make_tuned = partial(make_kernel, target_accept_prob=settings["target_accept"])
    # The blocks of a mass matrix name sites, so that their kernel needs one array for each site.
    has_blocks = not isinstance(parse_dense_mass(model, settings), bool)

    def kernel(function: Callable, init_strategy: Callable):
        if has_blocks:
            return make_tuned(model=function, init_strategy=init_strategy)
        return RavelledKernel(function, init_strategy, make_tuned)

    result, fields = sample_chains(
        model,
        settings,
        stream,
        options,
        kernel,
        HMC_FIELDS,
        evaluations="num_steps",
        repeated_if="diverging" if may_repeat else "",
    )
    potential = fields.pop("potential_energy")
    steps = fields.pop("num_steps")
    return replace(result, statistics=fields | {"lp": -potential, "n_steps": steps})


def _plan_retry(settings: dict) -> dict | None:
    """Return the settings that a repetition changes; None if a fit is not repeated."""
    retry = settings["retry"]
    if not retry:
        return None
    target = retry["target_accept"] if isinstance(retry, dict) else RETRY_TARGET_ACCEPT
    return {"target_accept": target} if target > settings["target_accept"] else None


def _compute_share(result: FitResult) -> float:
    """Return the share of draws that diverged."""
    return float(result.statistics["diverging"].mean())


def _describe_retry(first: FitResult, target: float) -> str:
    """Return the progress message at the start of a repetition."""
    diverging = first.statistics["diverging"]
    return (
        f"{int(diverging.sum())} of {diverging.size} draws diverged: the fit runs once more with "
        f"target_accept {target}"
    )


def _record_runs(runs: list[FitResult], kept: FitResult, target: float) -> FitResult:
    """Return the result of the run that is kept, with what all runs took."""
    attributes: dict = {"retried": len(runs) - 1, "target_accept": target}
    if len(runs) > 1:
        attributes |= {
            "divergences_of_runs": json.dumps(
                [int(run.statistics["diverging"].sum()) for run in runs]
            ),
            "gradient_evaluations_of_runs": json.dumps([run.gradient_evaluations for run in runs]),
            "seconds_of_runs": json.dumps([run.run_seconds for run in runs]),
        }
    return replace(
        kept,
        gradient_evaluations=sum(run.gradient_evaluations for run in runs),
        compile_seconds=sum(run.compile_seconds for run in runs),
        run_seconds=sum(run.run_seconds for run in runs),
        attributes=kept.attributes | attributes,
    )


class RavelledKernel:
    """
    A kernel over one vector of all latent values, with the methods of NumPyro's kernels.

    A tree of NUTS holds a dozen positions, momenta and gradients. One array for each site in each
    of them makes programs slower to compile and leapfrog steps slower to run
    (benchmarks/README.md).

    Attributes
    ----------
    model : Callable
        The NumPyro model.
    init_strategy : Callable
        NumPyro's strategy for initial values.
    make_kernel : Callable
        Returns NumPyro's kernel from a `potential_fn`.
    kernel
        NumPyro's kernel over the vector, after `init`.
    unravel : Callable
        Maps the vector to one unconstrained array for each site, after `init`.
    constrain : Callable
        Maps these to the values of sites, after `init`.
    """

    def __init__(self, function: Callable, init_strategy: Callable, make_kernel: Callable):
        self.model = function
        self.init_strategy = init_strategy
        self.make_kernel = make_kernel

    def init(self, key, warmup: int, position: dict | None, arguments: tuple, traced: dict):
        """
        Return the first state.

        Parameters
        ----------
        key : array, shape (2,)
            Raw JAX key.
        warmup : int
            Iterations of the warm-up.
        position : dict of str to array, optional
            Unconstrained values of each site. The strategy chooses them if there are none.
        arguments : tuple
            Unused; part of NumPyro's signature.
        traced : dict of str to array
            Traced arguments of the model.

        Returns
        -------
        The state of NumPyro's kernel.
        """
        init_key, key = jax.random.split(key)
        info = initialize_model(
            init_key,
            self.model,
            init_strategy=self.init_strategy,
            dynamic_args=True,
            model_kwargs=traced,
        )
        start = info.param_info
        vector, self.unravel = ravel_pytree(start.z if position is None else position)
        potential = info.potential_fn(**traced)
        self.kernel = self.make_kernel(potential_fn=lambda z: potential(self.unravel(z)))
        self.constrain = info.postprocess_fn(**traced)
        if position is not None:
            return self.kernel.init(key, warmup, vector, (), {})
        # The energy and the gradient are known here, and need no second evaluation.
        gradient, _ = ravel_pytree(start.z_grad)
        known = ParamInfo(vector, start.potential_energy, gradient)
        return self.kernel.init(key, warmup, known, (), {})

    def sample(self, state, arguments: tuple, traced: dict):
        """Return the state after one step."""
        return self.kernel.sample(state, (), {})

    def postprocess_fn(self, arguments: tuple, traced: dict) -> Callable:
        """Return the function from the vector to the values of sites."""
        return lambda z: self.constrain(self.unravel(z))


def parse_dense_mass(model: BoundModel, settings: dict) -> bool | list[tuple[str, ...]]:
    """
    Return the setting `dense_mass`: true, false, or groups of sites with one dense block each.

    Raises UserError for an unknown site, for a site in two blocks, and for a reparametrised site.
    """
    blocks = settings["dense_mass"]
    if isinstance(blocks, bool):
        return blocks
    latent = model.continuous_latents
    seen: set[str] = set()
    for site in [site for block in blocks for site in block]:
        if site not in latent:
            raise UserError(
                f"dense_mass: model {model.name} has no latent site '{site}': {hint(site, latent)}"
            )
        if site in seen:
            raise UserError(f"dense_mass: the site '{site}' is in two blocks. Name it once.")
        if site in settings.get("reparam", {}):
            raise UserError(
                f"dense_mass: the site '{site}' is reparametrised, and has other coordinates. "
                "Remove it from the block."
            )
        seen.add(site)
    return [tuple(block) for block in blocks]


def compute_tree_depth(steps: np.ndarray) -> np.ndarray:
    """Return the tree depth of trajectories from their numbers of leapfrog steps."""
    return np.log2(np.maximum(steps, 1)).astype(int) + 1
