"""Compare fits of one model by their posteriors."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import NamedTuple, Self, TypedDict

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import norm

from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.summary import flatten_scalars

FloatArray = NDArray[np.float64]
LabelArray = NDArray[np.object_]

QUANTILES = (0.1, 0.5, 0.9)  # at which the ESS of a distribution function is computed
FAMILY_LEVEL = 0.01  # probability that any scalar of a pair of equal fits seems to differ
EFFECT_SIZES = {0.1: "negligible", 0.5: "visible"}  # upper limits in sd; beyond them: large
BLOCK_SCALARS = 50  # scalars whose distances are computed at once: bounds the memory


@dataclass(frozen=True)
class FitMeans:
    """Labels and means of scalars, shape (scalar,); of a point estimate the values."""

    labels: LabelArray
    mean: FloatArray

    def select(self, positions: NDArray[np.int64]) -> Self:
        """Return the scalars at these positions."""
        arrays = {column.name: getattr(self, column.name) for column in fields(self)}
        return replace(self, **{name: values[positions] for name, values in arrays.items()})


@dataclass(frozen=True)
class FitMoments(FitMeans):
    """
    What the comparison needs of the draws of one fit.

    Attributes
    ----------
    draws : array, shape (scalar, draw)
        Sorted draws of all chains.
    sd, mcse, mcse_sd : array, shape (scalar,)
        Standard deviations, and the Monte Carlo errors of means and standard deviations.
    noise : array, shape (scalar, quantile)
        1/ESS at `QUANTILES`.
    """

    draws: FloatArray
    sd: FloatArray
    mcse: FloatArray
    mcse_sd: FloatArray
    noise: FloatArray


class FitDifferences(NamedTuple):
    """The differences of a pair of fits, by scalar; the variables of `compare_fits`."""

    fit_a: LabelArray
    fit_b: LabelArray
    parameter: LabelArray
    difference: FloatArray
    difference_error: FloatArray
    ratio: FloatArray
    ratio_error: FloatArray
    wasserstein: FloatArray
    wasserstein_error: FloatArray


class PairSummary(TypedDict):
    """
    Whether a pair of fits agrees.

    `agree` is None if there are too few draws to judge. `size` is the effect size of the largest
    difference; empty if the fits agree.
    """

    fit_a: str
    fit_b: str
    agree: bool | None
    size: str
    message: str


def compare_fits(
    posteriors: Mapping[str, xr.Dataset], points: Mapping[str, xr.Dataset], limit: int
) -> xr.Dataset:
    """
    Compare fits of one model: each pair (a, b) in the given order.

    Parameters
    ----------
    posteriors : dict
        Draws of each fit by site, dimensions (chain, draw, ...).
    points : dict
        Point estimates by site. The function does not compare two of them.
    limit : int
        The largest number of scalars per site; of a larger site, evenly spaced ones.

    Returns
    -------
    xarray.Dataset
        Over `row`, for scalars of both fits that change in a, in units of sd_a:

        - fit_a, fit_b, parameter
        - difference = (mean_b - mean_a) / sd_a, and difference_error, from the Monte Carlo errors
          of both means
        - ratio = sd_b / sd_a, and ratio_error, from the errors of both sds (delta method)
        - wasserstein = integral |F_a - F_b| dx / sd_a, and wasserstein_error, its average for
          samples of equal distributions; see `compute_wasserstein`

        A point estimate b has its value in place of mean_b, and neither ratio nor distance (NaN).
        The errors neglect the noise of sd_a as a unit.
    """
    moments = {
        name: _compute_moments(*flatten_scalars(posterior, limit))
        for name, posterior in posteriors.items()
    }
    estimates = {
        name: _read_point(*flatten_scalars(point.expand_dims(chain=1, draw=1), limit))
        for name, point in points.items()
    }
    parts = [
        _compare_pair((a, b), moments[a], moments.get(b) or estimates[b])
        for a, b in combinations([*moments, *estimates], 2)
        if a in moments
    ]
    names = FitDifferences._fields
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    columns = columns or [np.zeros(0)] * len(names)
    return xr.Dataset({name: ("row", column) for name, column in zip(names, columns, strict=True)})


def _compute_moments(labels: list[str], draws: FloatArray) -> FitMoments:
    """Return the moments of each scalar from draws of shape (scalar, chain, draw)."""
    pooled = np.sort(draws.reshape(len(labels), draws.shape[1] * draws.shape[2]), axis=1)
    array_stats = import_array_stats()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of scalars that do not change
        noise = [
            1 / np.asarray(array_stats.ess(draws, method="quantile", prob=quantile))
            for quantile in QUANTILES
        ]
        return FitMoments(
            labels=np.array(labels, dtype=object),
            mean=pooled.mean(1),
            draws=pooled,
            sd=pooled.std(1, ddof=1),
            mcse=np.asarray(array_stats.mcse(draws, method="mean")),
            mcse_sd=np.asarray(array_stats.mcse(draws, method="sd")),
            noise=np.stack(noise, axis=1),
        )


def _read_point(labels: list[str], values: FloatArray) -> FitMeans:
    """Return the values of a point estimate, shape (scalar, 1, 1)."""
    return FitMeans(np.array(labels, dtype=object), values[:, 0, 0])


def _compare_pair(names: tuple[str, str], a: FitMoments, b: FitMeans) -> FitDifferences:
    """Return the differences of the scalars that both fits have and that change in a."""
    position_in_b = {label: position for position, label in enumerate(b.labels)}
    is_changing = np.ptp(a.draws, axis=1) != 0
    common = [
        position
        for position, label in enumerate(a.labels)
        if label in position_in_b and is_changing[position]
    ]
    a = a.select(np.array(common, dtype=int))
    b = b.select(np.array([position_in_b[label] for label in a.labels], dtype=int))
    count = len(a.labels)
    fit_a, fit_b = (np.array([name] * count, dtype=object) for name in names)
    with np.errstate(all="ignore"):
        difference = (b.mean - a.mean) / a.sd
        if not isinstance(b, FitMoments):
            unknown = [np.full(count, np.nan)] * 4
            return FitDifferences(fit_a, fit_b, a.labels, difference, a.mcse / a.sd, *unknown)
        ratio = b.sd / a.sd
        distance, expected = _compute_distances(a, b)
        return FitDifferences(
            fit_a=fit_a,
            fit_b=fit_b,
            parameter=a.labels,
            difference=difference,
            difference_error=np.hypot(a.mcse, b.mcse) / a.sd,
            ratio=ratio,
            ratio_error=np.hypot(ratio * a.mcse_sd, b.mcse_sd) / a.sd,
            wasserstein=distance / a.sd,
            wasserstein_error=expected / a.sd,
        )


def _compute_distances(a: FitMoments, b: FitMoments) -> tuple[FloatArray, FloatArray]:
    """Return the distance of each scalar and its expectation, block by block."""
    blocks = [
        slice(begin, begin + BLOCK_SCALARS) for begin in range(0, len(a.labels), BLOCK_SCALARS)
    ]
    noise = a.noise + b.noise
    parts = [compute_wasserstein(a.draws[block], b.draws[block], noise[block]) for block in blocks]
    distance, expected = np.concatenate([np.zeros((2, 0)), *parts], axis=1)
    return distance, expected


def compute_wasserstein(
    a: FloatArray, b: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """
    Compute the 1-Wasserstein distance of sorted samples, and its expectation for equal ones.

    The distance is integral |Q_a - Q_b| du, exact for samples of unequal sizes (Vallender 1974,
    Theory Probab Appl 18, 784). Samples of equal distributions have on average the distance
    integral sqrt(2/pi F (1 - F) (1/n_a + 1/n_b)) dx, with F of the pooled draws (del Barrio, Gine &
    Matran 1999, Annals of Probability 27, 1009). n is the ESS of F itself: 1/n is interpolated in F
    between the quantiles. The bulk ESS is that of odd functions: if chains alternate, as those of
    NUTS do, it is too large for the tails.

    Parameters
    ----------
    a, b : array, shape (scalar, draw)
        Sorted draws.
    noise : array, shape (scalar, quantile)
        1/n_a + 1/n_b at `QUANTILES`.

    Returns
    -------
    tuple of array, shape (scalar,)
        Distance and expectation, in the units of the draws.
    """
    sizes = (a.shape[1], b.shape[1])
    levels = np.union1d(*(np.arange(1, size + 1) / size for size in sizes))
    widths = np.diff(levels, prepend=0)
    centres = levels - widths / 2
    in_a, in_b = (np.minimum((centres * size).astype(int), size - 1) for size in sizes)
    total = sum(sizes)
    share = np.arange(1, total) / total
    weights = np.stack([np.interp(share, QUANTILES, unit) for unit in np.eye(len(QUANTILES))])
    pooled = np.sort(np.concatenate([a, b], axis=1), axis=1, kind="stable")
    expected = np.diff(pooled) * np.sqrt(2 / np.pi * share * (1 - share) * (noise @ weights))
    return np.abs(a[:, in_a] - b[:, in_b]) @ widths, expected.sum(1)


def describe_pairs(rows: xr.Dataset) -> list[PairSummary]:
    """
    Describe for each pair of fits of one model whether they agree, and what differs by how much.

    Equal fits seem to differ with a probability of at most 1 % for all scalars of a pair
    (Bonferroni over its t tests). The criteria are:

    - a mean, or the log of an sd, beyond the two-sided normal quantile of its error at 1 % / t
    - a distance beyond its expectation by more than sqrt(2 log(t / 1 %)) errors of the mean or sd
      (Gaussian concentration: for independent draws no mean of a Lipschitz function has a larger
      error than the mean). It counts only if means and sds agree.

    Sizes, of |difference|, |log ratio| or distance: negligible < 0.1 <= visible < 0.5 <= large.
    """
    if "fit_a" not in rows:
        return []
    pairs = list(zip(rows["fit_a"].values, rows["fit_b"].values, strict=True))
    summaries = []
    for pair in dict.fromkeys(pairs):
        is_in_pair = np.array([other == pair for other in pairs])
        columns = (rows[name].values[is_in_pair] for name in FitDifferences._fields)
        summaries.append(_describe_pair(*pair, FitDifferences(*columns)))
    return summaries


class _Aspect(NamedTuple):
    """What may differ between two fits: which scalars differ, by what size, and the text."""

    differs: NDArray[np.bool_]
    size: FloatArray
    value: FloatArray
    text: str


def _describe_pair(a: str, b: str, pair: FitDifferences) -> PairSummary:
    shift = np.abs(pair.difference)
    is_judged = np.isfinite(shift) & np.isfinite(pair.difference_error)
    parts = []
    largest = 0.0
    for aspect in _test_aspects(a, b, pair):
        if aspect.differs.any():
            worst = np.argmax(np.where(aspect.differs, aspect.size, -1))
            size = float(aspect.size[worst])
            text = aspect.text.format(aspect.value[worst])
            parts.append(f"{text} ({pair.parameter[worst]}), {describe_effect_size(size)}")
            largest = max(largest, size)
    agree: bool | None = not parts
    if parts:
        message = "; ".join(parts) + ": more than Monte Carlo error"
    elif is_judged.any():
        worst = np.argmax(np.where(is_judged, shift, -1))
        difference = f"{shift[worst]:.2g} sd, {pair.parameter[worst]}"
        message = f"agree within Monte Carlo error (largest difference of means {difference})"
    else:
        agree = None
        message = "cannot be compared: draws are not finite, or too few for their Monte Carlo error"
    if is_judged.any() and not is_judged.all():
        message += f"; {(~is_judged).sum()} of {len(is_judged)} scalars cannot be compared"
    size_name = describe_effect_size(largest) if parts else ""
    return PairSummary(fit_a=a, fit_b=b, agree=agree, size=size_name, message=message)


def _test_aspects(a: str, b: str, pair: FitDifferences) -> list[_Aspect]:
    """Test which means, sds and shapes differ by more than Monte Carlo error."""
    with np.errstate(all="ignore"):
        shift = np.abs(pair.difference)
        scale = np.abs(np.log(pair.ratio))
        tested = np.concatenate([pair.difference, pair.ratio, pair.wasserstein])
        tests = max(1, int(np.isfinite(tested).sum()))
        normal_quantile = norm.isf(FAMILY_LEVEL / tests / 2)
        concentration = np.sqrt(2 * np.log(tests / FAMILY_LEVEL))
        is_shifted = shift > normal_quantile * pair.difference_error
        is_scaled = scale * pair.ratio > normal_quantile * pair.ratio_error
        is_scaled |= pair.ratio == 0
        margin = concentration * np.fmax(pair.difference_error, pair.ratio_error)
        is_distant = pair.wasserstein > pair.wasserstein_error + margin
        is_bent = is_distant & ~(is_shifted.any() | is_scaled.any())
    is_point = np.isnan(pair.ratio).all()
    of_means = "means differ by up to {:.2g} sd"
    if is_point:
        of_means = f"{b} is up to {{:.2g}} sd from the mean of {a}"
    return [
        _Aspect(is_shifted, shift, shift, of_means),
        _Aspect(is_scaled, scale, pair.ratio, "sds differ by a factor {:.2g}"),
        _Aspect(is_bent, pair.wasserstein, pair.wasserstein, "shapes differ, {:.2g} sd apart"),
    ]


def describe_effect_size(size: float) -> str:
    """Return the name of a difference in units of the sd."""
    return next((name for limit, name in EFFECT_SIZES.items() if size < limit), "large")
