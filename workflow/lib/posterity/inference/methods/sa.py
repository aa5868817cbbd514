"""Sample adaptive MCMC (Zhu 2019, NeurIPS 32), which needs no gradient, by NumPyro's kernel."""

from collections.abc import Callable
from dataclasses import replace

from numpyro.infer import SA

from posterity.inference.chains import sample_chains
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream

# With NumPyro's default, 2 points for each latent scalar, the standard deviations of a Gaussian in
# two dimensions come out 5 % too small.
MIN_ADAPT_POINTS = 50
ADAPT_POINTS_PER_SCALAR = 5
SA_FIELDS: dict[str, Callable] = {
    "acceptance_rate": lambda state: state.accept_prob,
    "potential_energy": lambda state: state.potential_energy,
}


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Sample the posterior by SA.

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of `sa` in the schema.
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
    default_points = max(MIN_ADAPT_POINTS, ADAPT_POINTS_PER_SCALAR * model.latent_size)
    adapt_points = settings["adapt_points"] or default_points
    dense_mass = settings["dense_mass"]

    def make_kernel(function: Callable, init_strategy: Callable) -> SA:
        return SA(
            function,
            adapt_state_size=adapt_points,
            dense_mass=dense_mass,
            init_strategy=init_strategy,
        )

    result, fields = sample_chains(model, settings, stream, options, make_kernel, SA_FIELDS)
    potential = fields.pop("potential_energy")
    return replace(result, statistics=fields | {"lp": -potential})
