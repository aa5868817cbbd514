"""Hamiltonian Monte Carlo with trajectories of one length (Neal 2011, Handbook of MCMC, chapter 5), by NumPyro's kernel."""

from numpyro.infer import HMC

from posterity.inference.hamiltonian import hamiltonian, mass
from posterity.inference.result import Result
from posterity.inference.run import ALONE, Run
from posterity.model.model import Model


def fit(model: Model, settings: dict, seed: int, names: tuple[str, ...], run: Run = ALONE) -> Result:
    """
    Sample the posterior by HMC.

    `settings` are those of `hmc` in the schema. Raises UserError if the density is not finite at a start.
    """

    def kernel(**over):
        return HMC(
            **over,
            target_accept_prob=settings["target_accept"],
            trajectory_length=settings["trajectory_length"],
            dense_mass=mass(model, settings),
        )

    return hamiltonian(model, settings, seed, names, run, kernel)
