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

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of `nuts` in the schema.
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
    max_tree_depth = settings["max_tree_depth"]
    dense_mass = parse_dense_mass(model, settings)

    def make_kernel(**target):
        return NUTS(
            **target,
            max_tree_depth=max_tree_depth,
            dense_mass=dense_mass,
        )

    result = sample_hamiltonian(model, settings, stream, options, make_kernel)
    result.statistics["tree_depth"] = compute_tree_depth(result.statistics["n_steps"])
    return result
