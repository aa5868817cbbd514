"""Ensemble slice sampling (Karamanis & Beutler 2021, Statistics and Computing 31, 61), by NumPyro's kernel."""

import jax.numpy as jnp
from numpyro.infer import ESS

from posterity.inference.chains import check_walkers, sample_chains
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream

MOVES = {
    "differential": ESS.DifferentialMove,
    "random": ESS.RandomMove,
    "gaussian": ESS.GaussianMove,
    "kde": ESS.KDEMove,
}


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Sample the posterior by an ensemble of walkers, which are the chains.

    `settings` are those of `ess` in the schema. Raises UserError for a number of walkers that cannot be.
    """
    check_walkers(model, settings)

    def kernel(function, start):
        moves = {MOVES[move](): share for move, share in settings["moves"].items()}
        # With `randomize_split` a walker that is stuck wanders through all chains, and their R-hat is that of chains that agree.
        return FrozenScaleESS(function, moves=moves, init_strategy=start, randomize_split=False)

    return sample_chains(model, settings, stream, options, kernel, {}, ensemble=True)[0]


class FrozenScaleESS(ESS):
    """The kernel with a scale of slices that is learnt in the warm-up only; NumPyro's goes on learning while it draws."""

    def sample(self, state, model_args, model_kwargs):
        """Take one step."""
        after, before = super().sample(state, model_args, model_kwargs), state.inner_state
        scale = jnp.where(before.i < self._num_warmup, after.inner_state.mu, before.mu)
        return after._replace(inner_state=after.inner_state._replace(mu=scale))
