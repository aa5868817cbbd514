"""What HMC and NUTS share: a kernel over one vector, mass matrices, and statistics."""

from collections.abc import Callable
from dataclasses import replace

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


def sample_hamiltonian(
    model: BoundModel,
    settings: dict,
    stream: Stream,
    options: RunOptions,
    make_kernel: Callable,
) -> FitResult:
    """
    Sample the posterior by HMC or NUTS.

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
        Returns NumPyro's kernel from a `model` with an `init_strategy`, or from a `potential_fn`.

    Returns
    -------
    FitResult
        The statistics have the names of ArviZ's schema.
    """
    # The blocks of a mass matrix name sites, so that their kernel needs one array for each site.
    has_blocks = not isinstance(parse_dense_mass(model, settings), bool)

    def kernel(function: Callable, init_strategy: Callable):
        if has_blocks:
            return make_kernel(model=function, init_strategy=init_strategy)
        return RavelledKernel(function, init_strategy, make_kernel)

    result, fields = sample_chains(
        model, settings, stream, options, kernel, HMC_FIELDS, evaluations="num_steps"
    )
    potential = fields.pop("potential_energy")
    steps = fields.pop("num_steps")
    return replace(result, statistics=fields | {"lp": -potential, "n_steps": steps})


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
