"""What HMC and NUTS share: the kernel over one vector, mass matrices, and statistics."""

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

HMC_FIELDS = {
    "diverging": lambda state: state.diverging,
    "energy": lambda state: state.energy,
    "num_steps": lambda state: state.num_steps,
    "acceptance_rate": lambda state: state.accept_prob,
    "potential_energy": lambda state: state.potential_energy,
    "step_size": lambda state: state.adapt_state.step_size,
}


def sample_hamiltonian(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions, kernel: Callable
) -> FitResult:
    """
    Sample by HMC or NUTS; the statistics have the names of ArviZ's schema.

    `kernel` makes the kernel over a model with an `init_strategy`, or over a `potential_fn`.
    """
    blocks = not isinstance(parse_dense_mass(model, settings), bool)  # they are named by site

    def made(function, start):
        return (
            kernel(model=function, init_strategy=start)
            if blocks
            else RavelledKernel(function, start, kernel)
        )

    result, fields = sample_chains(
        model, settings, stream, options, made, HMC_FIELDS, evaluations="num_steps"
    )
    potential, steps = fields.pop("potential_energy"), fields.pop("num_steps")
    return replace(result, statistics=fields | {"lp": -potential, "n_steps": steps})


class RavelledKernel:
    """
    A kernel over one vector of all latent values, with the methods of NumPyro's.

    A tree of NUTS holds a dozen positions, momenta and gradients; with an array for each site in each of them, programs take longer
    to compile, and leapfrogs to run (benchmarks/README.md).
    """

    def __init__(self, function: Callable, start: Callable, kernel: Callable):
        self.model, self.start, self.make = function, start, kernel

    def init(self, key, warmup: int, position, arguments: tuple, traced: dict):
        """Begin at a position, one array for each site, or where the strategy says."""
        begin, key = jax.random.split(key)
        found = initialize_model(
            begin, self.model, init_strategy=self.start, dynamic_args=True, model_kwargs=traced
        )
        known = position is None
        flat, self.apart = ravel_pytree(found.param_info.z if known else position)
        potential = found.potential_fn(**traced)
        self.kernel = self.make(potential_fn=lambda z: potential(self.apart(z)))
        self.constrain = found.postprocess_fn(**traced)
        begun = ParamInfo(
            flat, found.param_info.potential_energy, ravel_pytree(found.param_info.z_grad)[0]
        )
        return self.kernel.init(key, warmup, begun if known else flat, (), {})

    def sample(self, state, arguments: tuple, traced: dict):
        """Take one step."""
        return self.kernel.sample(state, (), {})

    def postprocess_fn(self, arguments: tuple, traced: dict) -> Callable:
        """Give the function from the vector to the values of sites."""
        return lambda z: self.constrain(self.apart(z))


def parse_dense_mass(model: BoundModel, settings: dict) -> bool | list[tuple[str, ...]]:
    """
    Read `dense_mass`: true, false, or the groups of sites that have a dense block each.

    Raises UserError for unknown sites, for one that stands twice, and for one whose coordinates are others (`reparam`).
    """
    blocks = settings["dense_mass"]
    if isinstance(blocks, bool):
        return blocks
    seen, latent = (
        set(),
        [name for name in model.site_names("latent") if name not in model.discrete_latents],
    )
    for site in [site for block in blocks for site in block]:
        if site not in latent:
            raise UserError(
                f"dense_mass: model {model.name} has no latent site '{site}': {hint(site, latent)}"
            )
        if site in seen:
            raise UserError(f"dense_mass: the site '{site}' stands in two blocks; name it once")
        if site in settings.get("reparam", {}):
            raise UserError(
                f"dense_mass: the site '{site}' is reparametrised, so that its coordinates are others; leave it out"
            )
        seen.add(site)
    return [tuple(block) for block in blocks]


def compute_tree_depth(steps: np.ndarray) -> np.ndarray:
    """The depth of the tree of a trajectory of so many leapfrogs."""
    return np.log2(np.maximum(steps, 1)).astype(int) + 1
