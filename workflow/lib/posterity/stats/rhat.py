"""
R-hat of chains, and how large it may be by chance.

Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021, Bayesian Analysis 16, 667. For many short
chains: Margossian et al. 2024, Bayesian Analysis, doi:10.1214/24-BA1453.
"""

import numpy as np
from numpy.typing import NDArray

from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.ranks import RankScores, score_ranks

MANY_CHAINS = 16  # more chains than this are compared in groups
SUPERCHAINS = 4
# Above it a half of a chain has fewer than about five effective draws.
MAX_RHAT_OF_SHORT_CHAINS = 1.1
MIN_NOISY_RHAT = 1.005  # below it, no threshold is near and the noise does not matter
MIN_ESS = 400  # and at least so many per chain:
MIN_ESS_PER_CHAIN = 100
FALSE_ALARM_RATE = 0.01  # of all scalars of a fit together
RHATS_PER_SCALAR = 2  # of the values and of their distances from the median


def compute_rhat(
    draws: NDArray[np.float64], scores: RankScores | None = None
) -> NDArray[np.float64]:
    """
    Return the R-hat of scalars from draws of shape (scalar, chain, draw).

    `scores` are those of `score_ranks`, if they are known. R-hat is rank-normalised and split. More
    than 16 chains are compared in four groups of consecutive chains by the nested R-hat, since the
    mean of a short chain is noisy even if it has converged.

    Nested R-hat assumes that the chains of a group ("superchain") share one starting point. The
    methods of this project start each chain at its own point (of the walkers of an ensemble, too).
    Groups of chains that never move then have similar means, and nested R-hat cannot see it. So
    the ordinary R-hat of all chains takes its place where it exceeds 1.1: by then a half of a
    chain has fewer than five effective draws.
    """
    array_stats = import_array_stats()
    split = [
        np.asarray(array_stats.rhat(part, method="split")) for part in scores or score_ranks(draws)
    ]
    r_hat = np.maximum(*split)
    chains = draws.shape[1]
    if chains <= MANY_CHAINS:
        return r_hat
    size = chains // SUPERCHAINS
    groups = np.repeat(np.arange(SUPERCHAINS), size)
    # As for single chains, the first and the second half of a group are compared, too.
    half = draws.shape[2] // 2
    kept = draws[:, : len(groups)]
    halves = np.concatenate([kept[..., :half], kept[..., half : 2 * half]], axis=1)
    ids = np.concatenate([groups, groups + SUPERCHAINS])
    nested = np.asarray(array_stats.rhat_nested(halves, ids))
    return np.where(r_hat > MAX_RHAT_OF_SHORT_CHAINS, r_hat, nested)


def compute_within_chain_ess(scores: RankScores) -> NDArray[np.float64]:
    """
    Return the effective sample size of scalars by the autocorrelation within chains alone.

    The usual size decreases if chains disagree, which would excuse the disagreement. The result is
    the smaller one of the ranks and of the ranks of the distance from the median, which the two
    R-hats use, from the halves of chains.
    """
    scalars, chains, length = scores.values.shape
    half = length // 2
    sizes = []
    for part in scores:
        ess = import_array_stats().ess(part.reshape(-1, 1, half), method="identity")
        steps = half / np.asarray(ess).reshape(scalars, 2 * chains)  # draws per effective draw
        sizes.append(2 * chains * half / steps.mean(1))
    return np.asarray(np.minimum(*sizes))


def count_compared_chains(chains: int) -> int:
    """Return how many parts of chains R-hat compares: the halves of chains, or of groups."""
    # A single chain is compared as two.
    return 2 * (SUPERCHAINS if chains > MANY_CHAINS else max(chains, 2))


def compute_ess_scale(chains: int) -> float:
    """Return the factor of the smallest ESS: 1 up to four chains, then 100 draws per chain."""
    return max(1.0, chains * MIN_ESS_PER_CHAIN / MIN_ESS) if chains <= MANY_CHAINS else 1.0


def compute_rhat_limit(
    ess: NDArray[np.float64], draws: int, chains: int, scalars: int
) -> NDArray[np.float64]:
    """
    Return how large the R-hat of converged chains may be by chance.

    The means of M halves of chains, of N draws in all with an effective size ESS, have the variance
    sd^2 M / ESS. So R-hat^2 - 1 is about M (F / ESS - 1 / N), where (M - 1) F has a chi-squared
    distribution of M - 1 degrees of freedom (Vehtari et al. 2021, section 3; for groups of chains
    M F / ESS, Margossian et al. 2024, section 3). The limit takes the quantile of F beyond which
    one of all scalars lies in 1 % of converged fits, for both R-hats of each.

    An ESS below 400, or below 100 per chain, counts as that: chains that hardly move cannot excuse
    themselves. In simulations of converged AR(1) chains with an ESS of at least this size (1, 20
    and 400 scalars; 2, 4 and 8 chains), 0 to 1 % of fits exceed the limit with one scalar and 0 to
    3 % with 20 at an ESS of 450; the fixed 1.01 is exceeded by 30 % and 100 %. One of four chains
    that is 0.4 sd off exceeds it in all fits, as it exceeds 1.01.

    Parameters
    ----------
    ess : array, shape (scalar,)
        Effective sizes (see `compute_within_chain_ess`).
    draws, chains : int
        Number of draws of all chains, and of chains.
    scalars : int
        Number of scalars that are judged together.
    """
    from scipy.special import gammaincinv

    compared = count_compared_chains(chains)
    freedom = compared - 1
    tail = FALSE_ALARM_RATE / (RHATS_PER_SCALAR * max(scalars, 1))
    quantile = 2 * gammaincinv(freedom / 2, 1 - tail) / freedom
    size = np.maximum(np.nan_to_num(ess, nan=np.inf), MIN_ESS * compute_ess_scale(chains))
    bias = 0.0 if chains > MANY_CHAINS else compared / draws
    return np.asarray(np.sqrt(np.maximum(1.0, 1 + compared * quantile / size - bias)))
