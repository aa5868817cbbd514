"""Hamiltonian Monte Carlo with trajectories of one length (Neal 2011, Handbook of MCMC, chapter 5), by NumPyro's kernel."""

from dataclasses import replace

import numpy as np
from numpyro.infer import HMC

from posterity.driving import ALONE, Run
from posterity.errors import UserError, hint
from posterity.methods import Result
from posterity.methods.kernels import chains
from posterity.model import Model

FIELDS = {
    "diverging": lambda state: state.diverging,
    "energy": lambda state: state.energy,
    "num_steps": lambda state: state.num_steps,
    "acceptance_rate": lambda state: state.accept_prob,
    "potential_energy": lambda state: state.potential_energy,
    "step_size": lambda state: state.adapt_state.step_size,
}


def fit(model: Model, settings: dict, seed: int, names: tuple[str, ...], run: Run = ALONE) -> Result:
    """
    Sample the posterior by HMC.

    `settings` are those of `hmc` in the schema. Raises UserError if the density is not finite at a start.
    """

    def kernel(function, start):
        return HMC(
            function,
            target_accept_prob=settings["target_accept"],
            trajectory_length=settings["trajectory_length"],
            dense_mass=mass(model, settings),
            init_strategy=start,
        )

    return hamiltonian(model, settings, seed, names, run, kernel)


def hamiltonian(model: Model, settings: dict, seed: int, names: tuple[str, ...], run: Run, kernel) -> Result:
    """Sample by HMC or NUTS; the statistics have the names of ArviZ's schema."""
    result, fields = chains(model, settings, seed, names, run, kernel, FIELDS, evaluations="num_steps")
    potential, steps = fields.pop("potential_energy"), fields.pop("num_steps")
    return replace(result, statistics=fields | {"lp": -potential, "n_steps": steps})


def mass(model: Model, settings: dict) -> bool | list[tuple[str, ...]]:
    """
    Read `dense_mass`: true, false, or the groups of sites that have a dense block each.

    Raises UserError for unknown sites, for one that stands twice, and for one whose coordinates are others (`reparam`).
    """
    blocks = settings["dense_mass"]
    if isinstance(blocks, bool):
        return blocks
    seen, latent = set(), [name for name in model.names("latent") if name not in model.summed]
    for site in [site for block in blocks for site in block]:
        if site not in latent:
            raise UserError(f"dense_mass: model {model.name} has no latent site '{site}': {hint(site, latent)}")
        if site in seen:
            raise UserError(f"dense_mass: the site '{site}' stands in two blocks; name it once")
        if site in settings.get("reparam", {}):
            raise UserError(f"dense_mass: the site '{site}' is reparametrised, so that its coordinates are others; leave it out")
        seen.add(site)
    return [tuple(block) for block in blocks]


def depth(steps: np.ndarray) -> np.ndarray:
    """The depth of the tree of a trajectory of so many leapfrogs."""
    return np.log2(np.maximum(steps, 1)).astype(int) + 1
