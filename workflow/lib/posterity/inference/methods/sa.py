"""Sample adaptive MCMC (Zhu 2019, NeurIPS 32), which needs no gradient, by NumPyro's kernel."""

from dataclasses import replace

import numpy as np
from numpyro.infer import SA

from posterity.inference.chains import sample_chains
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream

MIN_ADAPT_POINTS = 50  # points; with NumPyro's 2 for each latent number sds of a Gaussian in two dimensions came out 5 % too small
FIELDS = {
    "acceptance_rate": lambda state: state.accept_prob,
    "potential_energy": lambda state: state.potential_energy,
}


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Sample the posterior by SA.

    `settings` are those of `sa` in the schema. Raises UserError if the density is not finite at a start.
    """

    size = sum(int(np.prod(model.sites[name].shape)) for name in model.site_names("latent"))
    points = settings["adapt_points"] or max(MIN_ADAPT_POINTS, 5 * size)

    def kernel(function, start):
        return SA(
            function,
            adapt_state_size=points,
            dense_mass=settings["dense_mass"],
            init_strategy=start,
        )

    result, fields = sample_chains(model, settings, stream, options, kernel, FIELDS)
    return replace(result, statistics=fields | {"lp": -fields.pop("potential_energy")})
