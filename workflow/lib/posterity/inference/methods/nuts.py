"""The No-U-Turn sampler (Hoffman & Gelman 2014, JMLR 15, 1593), by NumPyro's kernel."""

from numpyro.infer import NUTS

from posterity.inference.hamiltonian import compute_tree_depth, parse_dense_mass, sample_hamiltonian
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Sample the posterior by NUTS.

    `settings` are those of `nuts` in the schema. Raises UserError if the density is not finite at a start.
    """

    def kernel(**over):
        return NUTS(
            **over,
            target_accept_prob=settings["target_accept"],
            max_tree_depth=settings["max_tree_depth"],
            dense_mass=parse_dense_mass(model, settings),
        )

    result = sample_hamiltonian(model, settings, stream, options, kernel)
    result.statistics["tree_depth"] = compute_tree_depth(result.statistics["n_steps"])
    return result
