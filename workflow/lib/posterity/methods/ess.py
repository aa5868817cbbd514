"""Ensemble slice sampling (Karamanis & Beutler 2021, Statistics and Computing 31, 61), by NumPyro's kernel."""

from dataclasses import replace

from numpyro.infer import ESS

from posterity.driving import ALONE, Run
from posterity.methods import Result
from posterity.methods.ensembles import walkers
from posterity.methods.kernels import chains
from posterity.model import Model

MOVES = {"differential": ESS.DifferentialMove, "random": ESS.RandomMove, "gaussian": ESS.GaussianMove, "kde": ESS.KDEMove}


def fit(model: Model, settings: dict, seed: int, names: tuple[str, ...], run: Run = ALONE) -> Result:
    """
    Sample the posterior by an ensemble of walkers, which are the chains.

    `settings` are those of `ess` in the schema. Raises UserError for a number of walkers that cannot be.
    """
    walkers(model, settings)

    def kernel(function, start):
        moves = {MOVES[move](): share for move, share in settings["moves"].items()}
        # With `randomize_split` a walker that is stuck wanders through all chains, and their R-hat is that of chains that agree.
        return ESS(function, moves=moves, init_strategy=start, randomize_split=False)

    fields = {
        "expansions": lambda state: state.inner_state.n_expansions,
        "contractions": lambda state: state.inner_state.n_contractions,
    }
    result, found = chains(model, settings, seed, names, run, kernel, fields, ensemble=True)
    return replace(result, statistics=found)
