"""The verdict of a study: the checks of all fits, and what they count as."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
import xarray as xr

from posterity.artefact.groups import get_group
from posterity.diagnostics.check import (
    Check,
    Outcome,
    Status,
    apply_expectation,
    checks_from_dataset,
    checks_to_dataset,
    find_worst_status,
)

CHECK_HEADINGS = (
    "model",
    "fit",
    "check",
    "value",
    "threshold",
    "status",
    "counts as",
    "finding",
)


@dataclass(frozen=True)
class CheckRow:
    """
    One check in the verdict of a study.

    Attributes
    ----------
    model, fit : str
        Ids of the fit.
    stage : str
        The stage that made the check, `diagnose`. If a job failed and there are no checks, its
        stage.
    check : Check
        The check.
    outcome : Outcome
        What the check counts as.
    """

    model: str
    fit: str
    stage: str
    check: Check
    outcome: Outcome

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells below `CHECK_HEADINGS`."""
        check = self.check
        message = self.outcome.message if self.outcome.overridden else check.message
        value = f"{check.value:.4g}"
        threshold = f"{check.threshold:g}"
        status = self.outcome.status
        return self.model, self.fit, check.name, value, threshold, check.status, status, message


@dataclass(frozen=True)
class FitVerdict:
    """
    The verdict on one fit, a row of the group `fit_verdicts`.

    Attributes
    ----------
    model, fit : str
        Ids of the fit.
    verdict : str
        The worst status of its checks, with `expect:` applied.
    draws : int
        Number of draws of all chains.
    ess : float
        The smallest effective sample size, of bulk and tail.
    rhat : float
        The largest R-hat.
    reason : str
        Why the verdict is not a plain pass.
    """

    model: str
    fit: str
    verdict: Status
    draws: int
    ess: float
    rhat: float
    reason: str


@dataclass(frozen=True)
class FitFailure:
    """
    A fit without a diagnosis, since a job that it needs failed.

    Attributes
    ----------
    model, fit : str
        Ids of the fit.
    stage : str
        The stage of the job that failed.
    message : str
        The first message of that job.
    """

    model: str
    fit: str
    stage: str
    message: str

    @property
    def reason(self) -> str:
        """Why the verdict is a failure."""
        return f"{self.stage} failed: {self.message}"


@dataclass(frozen=True)
class StudyVerdict:
    """
    The verdict on a study.

    Attributes
    ----------
    checks : list of CheckRow
        The checks of all fits.
    fits : list of FitVerdict
        The verdicts of the fits, by model and fit.
    fit_seconds : dict
        The run time of each fit in seconds, by "model/fit".
    """

    checks: list[CheckRow]
    fits: list[FitVerdict]
    fit_seconds: dict[str, float]

    @property
    def status(self) -> Status:
        """The worst verdict of all fits."""
        return find_worst_status(fit.verdict for fit in self.fits)

    def to_groups(self) -> dict[str, xr.Dataset]:
        """Return the groups `checks` and `fit_verdicts` of verdict.nc."""
        checks = checks_to_dataset(
            [row.check for row in self.checks],
            model=[row.model for row in self.checks],
            fit=[row.fit for row in self.checks],
            stage=[row.stage for row in self.checks],
            effective_status=[row.outcome.status for row in self.checks],
        )
        return {"checks": checks, "fit_verdicts": _fits_to_dataset(self.fits)}

    def to_cells(self) -> list[tuple[str, ...]]:
        """Return the sorted rows of the table of checks, below `CHECK_HEADINGS`."""
        return sorted(row.cells for row in self.checks)


def _fits_to_dataset(fits: Sequence[FitVerdict]) -> xr.Dataset:
    names = [column.name for column in fields(FitVerdict)]
    columns = zip(*map(astuple, fits), strict=True)
    variables = {}
    for name, values in zip(names, columns, strict=True):
        dtype = object if isinstance(values[0], str) else None
        variables[name] = ("row", np.array(values, dtype=dtype))
    return xr.Dataset(variables)


def assemble_verdict(
    diagnoses: Sequence[xr.DataTree],
    expect: Mapping[str, Mapping[str, Mapping[str, str]]],
) -> StudyVerdict:
    """
    Combine the checks of all fits of a study into its verdict.

    Parameters
    ----------
    diagnoses : list of xarray.DataTree
        The artefacts diagnosis.nc of all fits.
    expect : dict
        The expected failures, by model, fit and check.

    Returns
    -------
    StudyVerdict
        The verdict on each fit and on the study.
    """
    rows: list[CheckRow] = []
    fits = []
    fit_seconds = {}
    for tree in diagnoses:
        model = tree.attrs["model"]
        fit = tree.attrs["fit"]
        declared = expect.get(model, {}).get(fit, {})
        fit_rows = [
            CheckRow(
                model, fit, "diagnose", check, apply_expectation(check, declared.get(check.name))
            )
            for check in checks_from_dataset(get_group(tree, "checks"))
        ]
        rows += fit_rows
        fits.append(_judge_fit(fit_rows, tree.attrs["draws"]))
        fit_seconds[f"{model}/{fit}"] = tree.attrs["fit_seconds"]
    fits.sort(key=lambda entry: (entry.model, entry.fit))
    return StudyVerdict(rows, fits, fit_seconds)


def _judge_fit(rows: Sequence[CheckRow], draws: int) -> FitVerdict:
    """Return the verdict on a fit from its checks."""
    values = {row.check.name: row.check.value for row in rows}
    messages = [row.outcome.message for row in rows]
    return FitVerdict(
        model=rows[0].model,
        fit=rows[0].fit,
        verdict=find_worst_status(row.outcome.status for row in rows),
        draws=draws,
        ess=float(np.fmin(values["ess_bulk"], values["ess_tail"])),
        rhat=values["rhat"],
        reason="; ".join(message for message in messages if message),
    )


def add_failures(verdict: StudyVerdict, failures: Sequence[FitFailure]) -> StudyVerdict:
    """
    Return a verdict with the fits that a failed job left without a diagnosis.

    The verdict on each of them is `fail`, whatever the study expects of its checks. In place of
    checks it has one row of the name of the stage.
    """
    rows = list(verdict.checks)
    fits = list(verdict.fits)
    fit_seconds = dict(verdict.fit_seconds)
    for failure in failures:
        model, fit, reason = failure.model, failure.fit, failure.reason
        check = Check(failure.stage, np.nan, np.nan, "fail", reason)
        rows.append(CheckRow(model, fit, failure.stage, check, Outcome("fail", False, reason)))
        fits.append(FitVerdict(model, fit, "fail", 0, np.nan, np.nan, reason))
        fit_seconds[f"{model}/{fit}"] = np.nan
    fits.sort(key=lambda entry: (entry.model, entry.fit))
    return StudyVerdict(rows, fits, fit_seconds)
