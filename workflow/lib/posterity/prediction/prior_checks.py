"""Check a model and its table when the prior is drawn, before any fit."""

import xarray as xr

from posterity.inference.precision import measure_precision
from posterity.model.data_checks import find_data_problems
from posterity.model.findings import findings_to_dataset
from posterity.model.model import BoundModel


def make_check_groups(model: BoundModel, data: xr.Dataset, source: str) -> dict[str, xr.Dataset]:
    """
    Make the groups of prior.nc that the checks `data` and `precision` judge.

    Parameters
    ----------
    model : BoundModel
        The model, bound to `data`.
    data : xarray.Dataset
        Data of the study.
    source : str
        Name of the data in messages.

    Returns
    -------
    dict of str to xarray.Dataset
        `data_checks`, and `precision`, which is empty in float64.
    """
    rows = max(data.sizes.values(), default=0)
    return {
        "data_checks": findings_to_dataset(find_data_problems(model, data, source), rows),
        "precision": measure_precision(model),
    }
