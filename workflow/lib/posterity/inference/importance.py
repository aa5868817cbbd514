"""Draw again by importance."""

import numpy as np

from posterity.errors import UserError


def resample_draws(
    sites: dict, log_weights: np.ndarray, draws: int, rng: np.random.Generator
) -> dict:
    """
    Draw again, by Pareto smoothed importance weights (Vehtari et al. 2024, JMLR 25, 72), with low variance (systematic).

    Takes values of shape (1, pool, ...) and weights (pool,). Returns the parts of a result: `posterior`, `weighted` and
    `log_weights` (not smoothed).
    """
    from posterity.stats.importance import (
        smooth_log_weights,  # ArviZ takes half a second, for those who ask
    )

    usable = np.where(np.isfinite(log_weights), log_weights, -np.inf)
    kept = np.flatnonzero(np.isfinite(usable))
    if len(kept) < draws // 100 + 1:
        raise UserError(
            "resample: hardly any draw of the approximation has a finite density under the model; take nuts"
        )
    weights = np.exp(smooth_log_weights(usable[kept]))
    places = np.searchsorted(
        np.cumsum(weights / weights.sum()), (rng.uniform() + np.arange(draws)) / draws
    )
    chosen = rng.permutation(kept[np.minimum(places, len(kept) - 1)])
    return {
        "posterior": {name: values[:, chosen] for name, values in sites.items()},
        "weighted": sites,
        "log_weights": usable[None],
    }
