"""
Bring all checks of a study together, and give each fit its verdict.

Reads the group `checks` of diagnosis.nc of all fits, and comparison.nc (the check `loo` of models that are compared). Writes
verdict.nc with the groups `checks` (all of them, with the coordinates model, fit and stage, and `effective_status`: the status with
expected failures taken into account) and `fits` (one entry per fit: verdict, draws, smallest ESS, largest R-hat, reason), and
checks.html, the same for the report. A fit's verdict is the worst of its checks; the study's, an attribute, the worst of its fits'.
"""

from pathlib import Path

import numpy as np
import xarray as xr

from posterity.artefact.atomic import replace_file
from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.diagnostics.check import (
    apply_expectation,
    checks_from_dataset,
    checks_to_dataset,
    find_worst_status,
    skip_check,
)
from posterity.diagnostics.verdict import check_leave_one_out
from posterity.report.html import render_page
from posterity.workflow.job import run_job


def verdict(
    diagnoses: list[str],
    comparison: list[str],
    output: str,
    html: str,
    study: str,
    title: str,
    loo: float | dict,
    expect: dict,
) -> None:
    """
    Write the verdict of a study to `output`, and its checks as a page to `html`.

    `loo` is the threshold of that check, `expect` are the expected failures, by model, fit and check. Raises UserError for
    artefacts that cannot be read or are another study's.
    """
    found, at, counted, said, fits, seconds = (
        [],
        {"model": [], "fit": [], "stage": []},
        [],
        [],
        [],
        {},
    )
    compared = (
        check_leave_one_out(read_artefact(comparison[0], study=study), loo) if comparison else {}
    )
    for path in diagnoses:
        tree = read_artefact(path, study=study)
        source, mine = tree.attrs, checks_from_dataset(get_group(tree, "checks"))
        declared = expect.get(source["model"], {}).get(source["fit"], {})
        stages = ["diagnose"] * len(mine)
        if (place := (source["model"], source["fit"])) in compared:
            mine.append(compared[place])
            stages.append("compare")
        elif "loo" in declared:
            mine.append(skip_check("loo", "the models are not compared by this fit"))
            stages.append("compare")
        outcomes = [apply_expectation(check, declared.get(check.name)) for check in mine]
        seconds[f"{source['model']}/{source['fit']}"] = source["fit_seconds"]
        values = {check.name: check.value for check in mine}
        said += [
            outcome.message if outcome.overridden else check.message
            for check, outcome in zip(mine, outcomes, strict=True)
        ]
        found += mine
        counted += [outcome.status for outcome in outcomes]
        at["stage"] += stages
        for name in ("model", "fit"):
            at[name] += [source[name]] * len(mine)
        fits.append(
            {
                "model": source["model"],
                "fit": source["fit"],
                "verdict": find_worst_status([outcome.status for outcome in outcomes]),
                "draws": source["draws"],
                "ess": np.fmin(values["ess_bulk"], values["ess_tail"]),
                "rhat": values["rhat"],
                "reason": "; ".join(outcome.message for outcome in outcomes if outcome.message),
            }
        )
    fits.sort(key=lambda row: (row["model"], row["fit"]))
    columns = {name: np.array([row[name] for row in fits]) for name in fits[0]}
    table = xr.Dataset(
        {
            name: ("row", values.astype(object) if values.dtype.kind == "U" else values)
            for name, values in columns.items()
        }
    )
    overall = find_worst_status([row["verdict"] for row in fits])
    attributes = collect_provenance(
        "verdict", study, {"expect": expect}, 0, ("xarray",), verdict=overall, fit_seconds=seconds
    )
    with replace_file(html) as beside:
        rows = [
            (
                *where,
                check.name,
                f"{check.value:.4g}",
                f"{check.threshold:g}",
                check.status,
                status,
                text,
            )
            for *where, check, status, text in zip(
                at["model"], at["fit"], found, counted, said, strict=True
            )
        ]
        headings = (
            "model",
            "fit",
            "check",
            "value",
            "threshold",
            "status",
            "counts as",
            "what was found",
        )
        Path(beside).write_text(
            render_page(f"{title}: all checks", headings, sorted(rows)), encoding="utf-8"
        )
    write_artefact(
        output,
        {"checks": checks_to_dataset(found, **at, effective_status=counted), "fit_verdicts": table},
        attributes,
    )


if __name__ == "__main__":
    with run_job(snakemake):
        verdict(
            list(snakemake.input.diagnoses),
            list(snakemake.input.comparison),
            snakemake.output.verdict,
            snakemake.output.html,
            **snakemake.params,
        )
