"""
Ensemble slice sampling, by NumPyro's kernel.

Karamanis & Beutler 2021, Statistics and Computing 31, 61.
"""

from collections.abc import Callable

import jax.numpy as jnp
from numpyro.infer import ESS

from posterity.inference.chains import check_walkers, sample_chains
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream

ESS_MOVES = {
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

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of `ess` in the schema.
    stream : Stream
        Random stream of the fit.
    options : RunOptions
        Checkpoint, progress and recorded sites.

    Returns
    -------
    FitResult
        Draws of the chains; the kernel has no statistics.

    Raises
    ------
    UserError
        If the number of walkers is odd or too small.
    """
    check_walkers(model, settings)
    shares = settings["moves"]

    def make_kernel(function: Callable, init_strategy: Callable) -> ESS:
        moves = {ESS_MOVES[move](): share for move, share in shares.items()}
        # `randomize_split` would move a stuck walker through all chains, unseen by R-hat.
        return FrozenScaleESS(
            function, moves=moves, init_strategy=init_strategy, randomize_split=False
        )

    result, _ = sample_chains(model, settings, stream, options, make_kernel, {}, ensemble=True)
    return result


class FrozenScaleESS(ESS):
    """NumPyro's kernel, but with a scale of the slices that adapts in the warm-up only."""

    def sample(self, state, model_args, model_kwargs):
        """Return the state after one step."""
        before = state.inner_state
        after = super().sample(state, model_args, model_kwargs)
        scale = jnp.where(before.i < self._num_warmup, after.inner_state.mu, before.mu)
        return after._replace(inner_state=after.inner_state._replace(mu=scale))
