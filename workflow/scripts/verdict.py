"""
Bring all checks of a study together, and give each fit its verdict.

Reads the group `checks` of prior.nc, diagnosis.nc and predictive.nc. Writes verdict.nc with the groups `checks` (all of them, with
the coordinates model, fit, stage and whether the outcome was expected) and `fits` (one entry per fit: verdict, draws, smallest
ESS, largest R-hat, seconds, reason). A fit's verdict is the worst of its checks; the study's, an attribute, the worst of its fits'.
"""

import numpy as np
import xarray as xr

from posterity import artefact, checks
from posterity.job import job


def verdict(priors: list[str], diagnoses: list[str], predictives: list[str], output: str, study: str, expect: dict, fits: dict) -> None:
    """
    Write the verdict of a study to `output`.

    `expect` are the outcomes that are meant, by model, fit and check. `fits` lists the models of each fit. Raises UserError for
    artefacts that cannot be read or are another study's.
    """
    found, at, attributes = [], {"model": [], "fit": [], "stage": []}, {}
    for path in [*priors, *diagnoses, *predictives]:
        tree = artefact.read(path, study=study)
        source = tree.attrs
        some = checks.from_dataset(artefact.group(tree, "checks"))
        found += some
        for name in at:
            at[name] += [source.get(name, "")] * len(some)
        attributes[source["stage"], source["model"], source.get("fit", "")] = source

    rows = []
    counted = ["" for _ in found]  # what each check counts for, with what is expected taken into account
    for fit, models in fits.items():
        for model in models:
            meant = expect.get(model, {}).get(fit, {})
            mine = [i for i in range(len(found)) if at["model"][i] == model and at["fit"][i] in (fit, "")]
            outcomes = [checks.expected(found[i], meant.get(found[i].name)) for i in mine]
            for i, (status, _) in zip(mine, outcomes, strict=True):
                counted[i] = checks.worst([status, counted[i]]) if counted[i] else status
            values = {found[i].name: found[i].value for i in mine}
            diagnosis = attributes["diagnose", model, fit]
            rows.append(
                {
                    "model": model,
                    "fit": fit,
                    "verdict": checks.worst([status for status, _ in outcomes]),
                    "draws": int(diagnosis["draws"]),
                    "ess": min(values["ess_bulk"], values["ess_tail"]),
                    "rhat": values["rhat"],
                    "seconds": float(diagnosis["fit_seconds"]),
                    "reason": "; ".join(reason for _, reason in outcomes if reason),
                }
            )
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    table = xr.Dataset(
        {name: ("row", np.array(values, dtype=object if isinstance(values[0], str) else None)) for name, values in columns.items()}
    )
    overall = checks.worst([row["verdict"] for row in rows])
    attributes = artefact.provenance("verdict", study, {"expect": expect}, 0, ("xarray",), verdict=overall)
    artefact.write(output, {"checks": checks.to_dataset(found, **at, counts_as=counted), "fits": table}, attributes)


if __name__ == "__main__":
    with job(snakemake):
        verdict(
            list(snakemake.input.priors),
            list(snakemake.input.diagnoses),
            list(snakemake.input.predictives),
            snakemake.output[0],
            **snakemake.params,
        )
