"""
Hamiltonian Monte Carlo with trajectories of one length, by NumPyro's kernel.

Neal 2011, Handbook of Markov Chain Monte Carlo, chapter 5.
"""

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

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of `hmc` in the schema.
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
    trajectory_length = settings["trajectory_length"]
    dense_mass = parse_dense_mass(model, settings)

    def make_kernel(**target):
        return HMC(
            **target,
            trajectory_length=trajectory_length,
            dense_mass=dense_mass,
        )

    return sample_hamiltonian(model, settings, stream, options, make_kernel)
