"""Checks of a model and its table before a fit, from what the stage prior found."""

from dataclasses import replace

import numpy as np
import xarray as xr

from posterity.diagnostics.check import (
    STATUS_ORDER,
    Check,
    Status,
    Threshold,
    judge_value,
    skip_check,
)

MAX_NAMED_FINDINGS = 3
MAX_LOST_DIGITS = 1e-3  # standard deviations of a column


def check_data(findings: xr.Dataset, threshold: Threshold) -> Check:
    """
    Check what the table of a model shows before a fit.

    The status is that of the worst finding. The value is the share of rows that have an exact copy;
    the threshold applies to it. All other findings have a status of their own.

    Parameters
    ----------
    findings : xarray.Dataset
        The group `data_checks` of prior.nc.
    threshold : float or dict
        The threshold of the share of rows that have a copy.

    Returns
    -------
    Check
        Its message names the worst findings, at most three.
    """
    rows = int(findings.attrs.get("rows", 0))
    if not rows:
        return skip_check("data", "there are no data")
    found = list_findings(findings, threshold)
    copies = findings["value"].values[findings["kind"].values == "duplicates"]
    share = float(copies.max()) if copies.size else 0.0
    check = judge_value("data", share, threshold, f"nothing found in {rows} rows")
    if not found:
        return check
    message = "; ".join(text for _, text in found[:MAX_NAMED_FINDINGS])
    more = len(found) - MAX_NAMED_FINDINGS
    message += f"; and {more} more (`make check` lists them)" if more > 0 else ""
    return replace(check, status=found[0][0], message=message)


def list_findings(findings: xr.Dataset, threshold: Threshold) -> list[tuple[Status, str]]:
    """
    List the status and the message of each finding that warns or fails, the worst first.

    Parameters
    ----------
    findings, threshold
        See `check_data`.
    """
    columns = (findings[key].values.tolist() for key in ("kind", "status", "message", "value"))
    found: list[tuple[Status, str]] = []
    for kind, status, message, value in zip(*columns, strict=True):
        judged = status
        if kind == "duplicates":
            judged = judge_value("data", value, threshold, message).status
        if judged != "pass":
            found.append((judged, message))
    return sorted(found, key=lambda finding: -STATUS_ORDER.index(finding[0]))


def check_precision(precision: xr.Dataset, threshold: Threshold) -> Check:
    """
    Check that float32 is precise enough for the log density and for the data.

    Parameters
    ----------
    precision : xarray.Dataset
        The group `precision` of prior.nc: see `posterity.inference.precision.measure_precision`.
    threshold : float or dict
        The threshold of the rounding error, in nats.

    Returns
    -------
    Check
        It also fails if a column loses more than 1/1000 of its standard deviation to float32.
    """
    if "rounding" not in precision:
        return skip_check("precision", "the computation is in float64")
    rounding = float(precision["rounding"])
    if np.isnan(rounding):
        return skip_check("precision", "the log density is not finite where it was computed")
    site = str(precision["site"].item())
    magnitude = float(precision["magnitude"])
    message = (
        f"rounding error of the log density in float32: {rounding:.2g} nats, most of it from site "
        f"'{site}' (log density of size {magnitude:.2g})"
    )
    remedy = "set `float_type: float64`, or centre and scale the data"
    check = judge_value("precision", rounding, threshold, message, remedy=remedy)
    lost = float(precision["lost"])
    if lost <= MAX_LOST_DIGITS:
        return check
    column = str(precision["column"].item())
    loss = f"float32 changes '{column}' by up to {lost:.2g} of its standard deviation"
    return replace(check, status="fail", message=f"{loss}; {message}; {remedy}")
