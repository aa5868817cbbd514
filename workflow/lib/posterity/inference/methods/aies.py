"""Affine-invariant ensemble sampling (Goodman & Weare 2010, CAMCoS 5, 65; Foreman-Mackey et al. 2013, PASP 125, 306)"""

from dataclasses import replace

from numpyro.infer import AIES

from posterity.inference.chains import check_walkers, sample_chains
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream

MOVES = {"differential": AIES.DEMove, "stretch": AIES.StretchMove}


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Sample the posterior by an ensemble of walkers, which are the chains.

    `settings` are those of `aies` in the schema. Raises UserError for a number of walkers that cannot be.
    """
    check_walkers(model, settings)

    def kernel(function, start):
        moves = {MOVES[move](): share for move, share in settings["moves"].items()}
        return AIES(function, moves=moves, init_strategy=start)

    fields = {"acceptance_rate": lambda state: state.inner_state.accept_prob}
    result, found = sample_chains(model, settings, stream, options, kernel, fields, ensemble=True)
    return replace(result, statistics=found)
