"""Compare the fits of each model of a study, from their artefacts."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from posterity.artefact.groups import align_latent_draws, get_group
from posterity.comparison.fits import PairSummary, compare_fits, describe_pairs


def compare_study_fits(trees: Sequence[xr.DataTree], limit: int) -> dict[str, xr.Dataset]:
    """
    Compare the fits of each model of a study.

    Parameters
    ----------
    trees : list of xarray.DataTree
        The artefacts posterior.nc.
    limit : int
        The largest number of scalars per site; of a larger site, evenly spaced ones.

    Returns
    -------
    dict
        The groups of comparison.nc: `fit_differences` (see `compare_fits`) and `fit_pairs` (see
        `describe_pairs`, with the gradient evaluations of both fits). Empty if there is no pair.
    """
    fits_of_model: dict[str, dict[str, xr.DataTree]] = {}
    for tree in trees:
        fits_of_model.setdefault(tree.attrs["model"], {})[tree.attrs["fit"]] = tree
    differences = []
    pairs: list[dict[str, Any]] = []
    for model, fits in fits_of_model.items():
        rows = _compare_trees(fits, limit)
        models = np.full(rows.sizes["row"], model, dtype=object)
        differences.append(rows.assign(model=("row", models)))
        summaries = [*describe_pairs(rows), *_describe_unmoved_pairs(fits, rows)]
        pairs += [_make_pair_row(model, summary, fits) for summary in summaries]
    if not pairs:
        return {}
    columns = {}
    for name, value in pairs[0].items():
        dtype = object if isinstance(value, str) else None
        columns[name] = ("pair", np.array([pair[name] for pair in pairs], dtype=dtype))
    return {"fit_differences": xr.concat(differences, "row"), "fit_pairs": xr.Dataset(columns)}


def _compare_trees(fits: Mapping[str, xr.DataTree], limit: int) -> xr.Dataset:
    """Compare the fits of one model, given by their artefacts."""
    posteriors = {
        fit: align_latent_draws(tree) for fit, tree in fits.items() if "posterior" in tree.children
    }
    points = {
        fit: get_group(tree, "point") for fit, tree in fits.items() if "point" in tree.children
    }
    return compare_fits(posteriors, points, limit)


def _describe_unmoved_pairs(fits: Mapping[str, xr.DataTree], rows: xr.Dataset) -> list[PairSummary]:
    """Return the pairs of fits without a row: no scalar of the first fit changes."""
    known = set(zip(rows["fit_a"].values, rows["fit_b"].values, strict=True))
    sampled = [fit for fit, tree in fits.items() if "posterior" in tree.children]
    points = [fit for fit in fits if fit not in sampled]
    return [
        PairSummary(
            fit_a=a,
            fit_b=b,
            agree=None,
            size="",
            message=f"cannot be compared: no scalar changes over the draws of {a}",
        )
        for a, b in combinations([*sampled, *points], 2)
        if a in sampled and (a, b) not in known
    ]


def _make_pair_row(
    model: str, summary: PairSummary, fits: Mapping[str, xr.DataTree]
) -> dict[str, Any]:
    """Return the row of a pair in the group `fit_pairs`."""
    return {
        "model": model,
        "fit_a": summary["fit_a"],
        "fit_b": summary["fit_b"],
        "agree": str(summary["agree"]).lower(),
        "size": summary["size"],
        "message": summary["message"],
        "gradients_a": fits[summary["fit_a"]].attrs["gradient_evaluations"],
        "gradients_b": fits[summary["fit_b"]].attrs["gradient_evaluations"],
    }
