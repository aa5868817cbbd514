"""What the checks of a table find, and how an artefact holds it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr


@dataclass(frozen=True)
class Finding:
    """
    One finding of the checks of a table.

    Attributes
    ----------
    kind : str
        `index`, `support`, `duplicates`, `constant` or `factor`.
    status : str
        `pass`, `warn` or `fail`. A threshold of the study decides for `duplicates`.
    message : str
        What was found, where, and the remedy.
    value : float
        For `duplicates`: the share of rows that have a copy. NaN for the others.
    """

    kind: str
    status: str
    message: str
    value: float = np.nan


def findings_to_dataset(findings: Sequence[Finding], rows: int) -> xr.Dataset:
    """
    Return the group `data_checks`: kind, status, message and value, over `finding`.

    The attribute `rows` is the number of entries along the longest dimension of the data.
    """
    texts = {
        key: ("finding", np.array([getattr(finding, key) for finding in findings], dtype=object))
        for key in ("kind", "status", "message")
    }
    values = ("finding", np.array([finding.value for finding in findings], dtype=float))
    return xr.Dataset({**texts, "value": values}, attrs={"rows": rows})
