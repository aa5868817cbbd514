"""Hamiltonian Monte Carlo with trajectories of one length (Neal 2011, Handbook of MCMC, chapter 5), by NumPyro's kernel."""

from numpyro.infer import HMC

from posterity.inference.hamiltonian import parse_dense_mass, sample_hamiltonian
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Sample the posterior by HMC.

    `settings` are those of `hmc` in the schema. Raises UserError if the density is not finite at a start.
    """

    def kernel(**over):
        return HMC(
            **over,
            target_accept_prob=settings["target_accept"],
            trajectory_length=settings["trajectory_length"],
            dense_mass=parse_dense_mass(model, settings),
        )

    return sample_hamiltonian(model, settings, stream, options, kernel)
