"""Metropolis-Hastings with Barker's proposal, which uses the gradient (Livingstone & Zanella 2022, J. R. Stat. Soc. B 84, 496)."""

from dataclasses import replace

import jax.numpy as jnp
from numpyro.infer import BarkerMH

from posterity.inference.chains import sample_chains
from posterity.inference.hamiltonian import parse_dense_mass
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream

FIELDS = {
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

    `settings` are those of `barker` in the schema. Raises UserError if the density is not finite at a start.
    """

    def kernel(function, start):
        return BarkerMH(
            function,
            target_accept_prob=settings["target_accept"],
            dense_mass=parse_dense_mass(model, settings),
            init_strategy=start,
        )

    result, fields = sample_chains(
        model, settings, stream, options, kernel, FIELDS, evaluations="gradients"
    )
    fields.pop("gradients")
    return replace(result, statistics=fields | {"lp": -fields.pop("potential_energy")})
