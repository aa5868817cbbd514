"""The No-U-Turn sampler (Hoffman & Gelman 2014, JMLR 15, 1593), by NumPyro's kernel."""

from numpyro.infer import NUTS

from posterity.inference.hamiltonian import depth, hamiltonian, mass
from posterity.inference.result import Result
from posterity.inference.run import ALONE, Run
from posterity.model.model import Model


def fit(model: Model, settings: dict, seed: int, names: tuple[str, ...], run: Run = ALONE) -> Result:
    """
    Sample the posterior by NUTS.

    `settings` are those of `nuts` in the schema. Raises UserError if the density is not finite at a start.
    """

    def kernel(**over):
        return NUTS(
            **over,
            target_accept_prob=settings["target_accept"],
            max_tree_depth=settings["max_tree_depth"],
            dense_mass=mass(model, settings),
        )

    result = hamiltonian(model, settings, seed, names, run, kernel)
    result.statistics["tree_depth"] = depth(result.statistics["n_steps"])
    return result
