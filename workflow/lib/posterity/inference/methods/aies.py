"""
Affine-invariant ensemble sampling, by NumPyro's kernel.

Goodman & Weare 2010, CAMCoS 5, 65; Foreman-Mackey et al. 2013, PASP 125, 306.
"""

from collections.abc import Callable
from dataclasses import replace

from numpyro.infer import AIES

from posterity.inference.chains import check_walkers, sample_chains
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream

AIES_MOVES = {"differential": AIES.DEMove, "stretch": AIES.StretchMove}
AIES_FIELDS: dict[str, Callable] = {
    "acceptance_rate": lambda state: state.inner_state.accept_prob,
}


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Sample the posterior by an ensemble of walkers, which are the chains.

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of `aies` in the schema.
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
        If the number of walkers is odd or too small.
    """
    check_walkers(model, settings)
    shares = settings["moves"]

    def make_kernel(function: Callable, init_strategy: Callable) -> AIES:
        moves = {AIES_MOVES[move](): share for move, share in shares.items()}
        return AIES(function, moves=moves, init_strategy=init_strategy)

    result, fields = sample_chains(
        model, settings, stream, options, make_kernel, AIES_FIELDS, ensemble=True
    )
    return replace(result, statistics=fields)
