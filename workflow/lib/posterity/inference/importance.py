"""Importance resampling."""

import numpy as np

from posterity.errors import UserError


def resample_draws(
    sites: dict[str, np.ndarray], log_weights: np.ndarray, draws: int, rng: np.random.Generator
) -> dict:
    """
    Resample draws by Pareto smoothed importance weights (Vehtari et al. 2024, JMLR 25, 72).

    The resampling is systematic, which has a low variance.

    Parameters
    ----------
    sites : dict of str to array, shape (1, pool, ...)
        Values of each site.
    log_weights : array, shape (pool,)
        Log density under the model minus that under the approximation, in nats.
    draws : int
        Number of draws to return.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        Fields of a `FitResult`: `posterior`, `weighted`, and `log_weights`, which are not smoothed.

    Raises
    ------
    UserError
        If fewer than one in a hundred draws has a finite weight.
    """
    # Imported here, since ArviZ takes half a second and most methods do not resample.
    from posterity.stats.importance import smooth_log_weights

    usable = np.where(np.isfinite(log_weights), log_weights, -np.inf)
    finite = np.flatnonzero(np.isfinite(usable))
    if len(finite) < draws // 100 + 1:
        raise UserError(
            "resample: hardly any draw of the approximation has a finite density under the model. "
            "Use nuts."
        )
    weights = np.exp(smooth_log_weights(usable[finite]))
    cumulated = np.cumsum(weights / weights.sum())
    positions = np.searchsorted(cumulated, (rng.uniform() + np.arange(draws)) / draws)
    chosen = rng.permutation(finite[np.minimum(positions, len(finite) - 1)])
    return {
        "posterior": {name: values[:, chosen] for name, values in sites.items()},
        "weighted": sites,
        "log_weights": usable[None],
    }
