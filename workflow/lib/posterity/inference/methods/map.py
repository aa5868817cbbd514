"""The maximum of the posterior density of the model's own parameters."""

from numpyro.infer.util import log_density

from posterity.inference.optimise import find_maximum
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Find the point of largest posterior density.

    It is the density of the model's own parameters (no Jacobian of a transformation to unconstrained space), so that the point
    does not depend on how the optimiser walks; it does depend on how the model is parametrised, as every maximum of a density.

    `settings` are those of `map` in the schema. Raises UserError if no start has a finite density.
    """

    def objective(info, constrain, traced):
        def loss(position):
            sites = constrain(position)
            return -log_density(
                model.full_data, (), traced, {name: sites[name] for name in position}
            )[0]

        return loss

    found = find_maximum(model, settings, stream, objective)
    return FitResult(
        sampling="point", point=found.sites, optimisation=found.reached, **found.effort
    )
