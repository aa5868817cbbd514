"""
Metropolis-Hastings with Barker's proposal, which uses the gradient, by NumPyro's kernel.

Livingstone & Zanella 2022, J. R. Stat. Soc. B 84, 496.
"""

from collections.abc import Callable
from dataclasses import replace

import jax.numpy as jnp
from numpyro.infer import BarkerMH

from posterity.inference.chains import sample_chains
from posterity.inference.hamiltonian import parse_dense_mass
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream

BARKER_FIELDS: dict[str, Callable] = {
    "acceptance_rate": lambda state: state.accept_prob,
    "potential_energy": lambda state: state.potential_energy,
    "step_size": lambda state: state.adapt_state.step_size,
    "gradients": lambda state: jnp.ones((), int),
}


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Sample the posterior by Barker's Metropolis-Hastings.

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of `barker` in the schema.
    stream : Stream
        Random stream of the fit.
    options : RunOptions
        Checkpoint, progress and recorded sites.

    Returns
    -------
    FitResult
        Draws and statistics of the chains.

    Raises
    ------
    UserError
        If the density is not finite at the start of a chain.
    """
    target_accept = settings["target_accept"]
    dense_mass = parse_dense_mass(model, settings)

    def make_kernel(function: Callable, init_strategy: Callable) -> BarkerMH:
        return BarkerMH(
            function,
            target_accept_prob=target_accept,
            dense_mass=dense_mass,
            init_strategy=init_strategy,
        )

    result, fields = sample_chains(
        model, settings, stream, options, make_kernel, BARKER_FIELDS, evaluations="gradients"
    )
    fields.pop("gradients")
    potential = fields.pop("potential_energy")
    return replace(result, statistics=fields | {"lp": -potential})
