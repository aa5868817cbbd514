"""Compare fits of one model by their posteriors."""

import warnings
from itertools import combinations

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from scipy.stats import norm

from posterity.stats.arviz_bridge import remove_stub_modules
from posterity.stats.summary import flatten_scalars

remove_stub_modules()
FIT_COLUMNS = (
    "fit_a",
    "fit_b",
    "parameter",
    "difference",
    "difference_error",
    "ratio",
    "ratio_error",
)
FIT_COLUMNS += ("wasserstein", "wasserstein_error")
QUANTILES = (0.1, 0.5, 0.9)
FAMILY_LEVEL = 0.01  # probability that any scalar of a pair of equal fits is said to differ
EFFECT_SIZES = {0.1: "negligible", 0.5: "visible"}  # below so many sds; else large
BLOCK_SCALARS = 50  # scalars whose distances are computed together: bounds the memory


def compare_fits(
    posteriors: dict[str, xr.Dataset], points: dict[str, xr.Dataset], limit: int
) -> xr.Dataset:
    """
    Compare fits of one model with each other: each pair (a, b) in the given order, except pairs of two point estimates.

    `posteriors` have dimensions (chain, draw, ...), `points` those of the sites. Scalars are those of `statistics.scalars` (`limit`
    of a site) that both fits have and that change in a. Returns a Dataset over `row`, units of sd_a:
    fit_a, fit_b, parameter;
    difference = (mean_b - mean_a) / sd_a, and difference_error, from the Monte Carlo standard errors of both means;
    ratio = sd_b / sd_a, and ratio_error, from those of both sds (delta method);
    wasserstein = integral |F_a - F_b| dx / sd_a, and wasserstein_error, what samples of equal distributions would have on average:
    integral sqrt(2/pi F (1 - F) (1/n_a + 1/n_b)) dx / sd_a with F of the pooled draws (del Barrio, Gine & Matran 1999, Annals of
    Probability 27, 1009) and n the ESS of F itself: that of the 10, 50 and 90 % quantiles, 1/n interpolated in F. (The bulk ESS is
    that of odd functions: where chains alternate, as those of NUTS do, it is too large for the tails.)
    For a point estimate b its value takes the place of mean_b, and there is no ratio and no distance (NaN). The noise of sd_a as a
    unit is left out.
    """
    samples = {
        name: _compute_moments(*flatten_scalars(posterior, limit))
        for name, posterior in posteriors.items()
    }
    single = {
        name: flatten_scalars(point.expand_dims(chain=1, draw=1), limit)
        for name, point in points.items()
    }
    parts = []
    for a, b in combinations([*samples, *single], 2):
        if a not in samples:
            continue
        one, other = (
            samples[a],
            samples.get(b) or {"labels": single[b][0], "mean": single[b][1][:, 0, 0]},
        )
        place = {label: j for j, label in enumerate(other["labels"])}
        i = np.array(
            [i for i, label in enumerate(one["labels"]) if label in place and one["changes"][i]],
            dtype=int,
        )
        j = np.array([place[one["labels"][k]] for k in i], dtype=int)
        names = [
            np.array(texts, dtype=object)
            for texts in ([a] * len(i), [b] * len(i), [one["labels"][k] for k in i])
        ]
        with np.errstate(all="ignore"):
            parts.append((*names, *_compare_pair(one, other, i, j)))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] or [
        np.zeros(0)
    ] * len(FIT_COLUMNS)
    return xr.Dataset(
        {key: ("row", column) for key, column in zip(FIT_COLUMNS, columns, strict=True)}
    )


def _compute_moments(labels: list[str], draws: np.ndarray) -> dict:
    """Compute what pairs need of one fit, for each scalar: moments, their errors, 1/ESS of quantiles, and its draws in order."""
    pooled = np.sort(draws.reshape(len(labels), draws.shape[1] * draws.shape[2]), axis=1)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # scalars that do not change
        numbers = {
            "mean": pooled.mean(1),
            "sd": pooled.std(1, ddof=1),
            "mcse": np.asarray(array_stats.mcse(draws, method="mean")),
            "mcse_sd": np.asarray(array_stats.mcse(draws, method="sd")),
            "noise": np.stack(
                [
                    1 / np.asarray(array_stats.ess(draws, method="quantile", prob=p))
                    for p in QUANTILES
                ],
                axis=1,
            ),
        }
    return {"labels": labels, "draws": pooled, "changes": np.ptp(pooled, axis=1) != 0, **numbers}


def _compare_pair(one: dict, other: dict, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, ...]:
    """Compute the numbers of `fits` for one pair; `i` and `j` are the places of the common scalars in each."""
    a, b = (
        {key: values[at] for key, values in fit.items() if key != "labels"}
        for fit, at in ((one, i), (other, j))
    )
    difference = (b["mean"] - a["mean"]) / a["sd"]
    if "sd" not in b:
        return difference, a["mcse"] / a["sd"], *[np.full(len(i), np.nan)] * 4
    ratio = b["sd"] / a["sd"]
    blocks = [slice(k, k + BLOCK_SCALARS) for k in range(0, len(i), BLOCK_SCALARS)]
    parts = [
        compute_wasserstein(a["draws"][at], b["draws"][at], a["noise"][at] + b["noise"][at])
        for at in blocks
    ]
    distance, expected = np.concatenate([np.zeros((2, 0)), *parts], axis=1) / a["sd"]
    errors = (
        np.hypot(a["mcse"], b["mcse"]) / a["sd"],
        np.hypot(ratio * a["mcse_sd"], b["mcse_sd"]) / a["sd"],
    )
    return difference, errors[0], ratio, errors[1], distance, expected


def compute_wasserstein(
    a: np.ndarray, b: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """
    Compute the 1-Wasserstein distance of sorted samples, shapes (scalar, draw), and what it would be for equal distributions.

    The distance is integral |Q_a - Q_b| du, exact for samples of unequal sizes (Vallender 1974, Theory Probab Appl 18, 784). The
    `noise` is 1/n_a + 1/n_b at the `QUANTILES`, shape (scalar, 3); see `fits` for the expectation.
    """
    sizes = a.shape[1], b.shape[1]
    levels = np.union1d(*(np.arange(1, n + 1) / n for n in sizes))
    widths = np.diff(levels, prepend=0)
    at = [np.minimum(((levels - widths / 2) * n).astype(int), n - 1) for n in sizes]
    share = np.arange(1, sum(sizes)) / sum(sizes)
    between = np.stack([np.interp(share, QUANTILES, one) for one in np.eye(len(QUANTILES))])
    pooled = np.sort(np.concatenate([a, b], axis=1), axis=1, kind="stable")
    expected = np.diff(pooled) * np.sqrt(2 / np.pi * share * (1 - share) * (noise @ between))
    return np.abs(a[:, at[0]] - b[:, at[1]]) @ widths, expected.sum(1)


def describe_pairs(rows: xr.Dataset) -> list[dict]:
    """
    Say of each pair of fits (rows of one model, see `fits`) whether they agree, and else what differs, and how much.

    Equal fits are said to differ with a probability of at most 1 % for all scalars of a pair (Bonferroni over its t tests):
    a mean or the log of an sd beyond the two-sided normal quantile of its error at 1 % / t, and a distance beyond its expectation
    by more than sqrt(2 log(t / 1 %)) errors of the mean or sd (Gaussian concentration: of independent draws no mean of a Lipschitz
    function has a larger error than the mean). The last is said only where means and sds agree. Sizes, of |difference|, |log ratio|
    or distance: negligible < 0.1 <= visible < 0.5 <= large.

    Returns, for each pair: fit_a, fit_b, agree (None where nothing can be judged), size (of the largest that differs), message.
    """
    names = (
        [*zip(rows["fit_a"].values, rows["fit_b"].values, strict=True)] if "fit_a" in rows else []
    )
    said = []
    for a, b in dict.fromkeys(names):
        here = {
            key: values.values[[pair == (a, b) for pair in names]]
            for key, values in rows.data_vars.items()
        }
        point, error = np.isnan(here["ratio"]).all(), here["difference_error"]
        with np.errstate(all="ignore"):
            shift, scale, distance = (
                np.abs(here["difference"]),
                np.abs(np.log(here["ratio"])),
                here["wasserstein"],
            )
            tests = max(
                1,
                sum(
                    int(np.isfinite(here[key]).sum())
                    for key in ("difference", "ratio", "wasserstein")
                ),
            )
            z, reach = norm.isf(FAMILY_LEVEL / tests / 2), np.sqrt(2 * np.log(tests / FAMILY_LEVEL))
            moved = shift > z * error
            scaled = (scale * here["ratio"] > z * here["ratio_error"]) | (here["ratio"] == 0)
            bent = (
                distance > here["wasserstein_error"] + reach * np.fmax(error, here["ratio_error"])
            ) & ~(moved.any() | scaled.any())
        judged = np.isfinite(shift) & np.isfinite(error)
        parts, largest = [], 0.0
        for differs, size, shown, text in (
            (
                moved,
                shift,
                shift,
                f"{b} is up to {{:.2g}} sd from the mean of {a}"
                if point
                else "means differ by up to {:.2g} sd",
            ),
            (scaled, scale, here["ratio"], "sds differ by a factor {:.2g}"),
            (bent, distance, distance, "shapes differ, {:.2g} sd apart"),
        ):
            if differs.any():
                worst = np.argmax(np.where(differs, size, -1))
                parts.append(
                    f"{text.format(shown[worst])} ({here['parameter'][worst]}), {describe_effect_size(size[worst])}"
                )
                largest = max(largest, size[worst])
        if parts:
            message = "; ".join(parts) + ": more than Monte Carlo error"
        elif judged.any():
            worst = np.argmax(np.where(judged, shift, -1))
            message = "agree within Monte Carlo error "
            message += (
                f"(largest difference of means {shift[worst]:.2g} sd, {here['parameter'][worst]})"
            )
        else:
            message = "cannot be compared: too few draws to know the Monte Carlo error"
        if judged.any() and not judged.all():
            message += f"; {(~judged).sum()} of {len(judged)} scalars cannot be compared"
        agree = not parts if parts or judged.any() else None
        said.append(
            {
                "fit_a": a,
                "fit_b": b,
                "agree": agree,
                "size": describe_effect_size(largest) if parts else "",
                "message": message,
            }
        )
    return said


def describe_effect_size(size: float) -> str:
    """Name a difference in units of the sd."""
    return next((word for limit, word in EFFECT_SIZES.items() if size < limit), "large")
