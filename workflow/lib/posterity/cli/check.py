"""
`python -m posterity <study> ...` (or `make check STUDY=<study>`): look at studies before anything is computed.

Reads the study, its data and its models as a run would, without Snakemake and without writing anything. Prints what each model sees
and every fault that is found, a sentence each; the exit code is 1 if there is one.
"""

import sys
from pathlib import Path

from posterity.errors import UserError, hint
from posterity.notebook import load_settings
from posterity.workflow.model_sizes import bind_models, load_study_data


def check_study(name: str) -> list[str]:
    """Look at one study; print what its models see. Returns the faults."""
    try:
        study = load_settings(name)
        data, source = load_study_data(name, study)
    except UserError as error:
        return error.messages
    sizes = ", ".join(f"{size} along {dim}" for dim, size in data.sizes.items())
    print(
        f"study {name}: {', '.join(map(str, data.data_vars)) or 'no data'}{f' ({sizes})' if sizes else ''}"
    )
    models = bind_models(study, data)
    from posterity.model.preflight import find_model_errors
    from posterity.prediction.new_data import bind_new_data

    where = f"config/studies/{name}.yaml"
    found, known = [], set(data.data_vars)
    for id, spec in study["models"].items():
        print(f"  model {id}: {spec['function']} of {spec['file']}")
        bound = models[id]
        if isinstance(bound, UserError):
            found += bound.messages
            continue
        for site, about in bound.sites.items():
            shape = (
                " x ".join(
                    f"{dim} {size}" for dim, size in zip(about.dims, about.shape, strict=True)
                )
                or "one number"
            )
            what = f"~ {about.distribution}" if about.distribution else ""
            seen = f"= {bound.observations[site]} of the data" if site in bound.observations else ""
            print(f"    {site:20} {about.role:14} {what:24} {shape:24} {seen}".rstrip())
        for argument in bound.constants:
            print(
                f"    ({argument} has to stay a concrete number: other values of it are another program)"
            )
        if bound.improper_sites:
            print(
                f"    (the prior of {', '.join(bound.improper_sites)} is improper: there is no prior predictive)"
            )
        known |= {*bound.site_names("observed")}
        methods = tuple(fit["method"] for fit in study["fits"].values() if id in fit["models"])
        if faults := find_model_errors(bound, data, source, methods):
            found += faults
        elif "at" in study["predict"]:
            try:
                bind_new_data(
                    id, spec, study["predict"]["at"], data, study["seed"], f"{where}: predict: at"
                )
            except UserError as error:
                found.append(str(error))
    for variable in study["checks"].get("prior_predictive", {}):
        if variable not in known:
            found.append(
                f"{where}: checks: prior_predictive: there is no observed variable '{variable}': {hint(variable, known)}"
            )
    return found


def main(names: list[str]) -> int:
    """Check studies; returns the exit code."""
    if not names:
        names = sorted(file.stem for file in Path("config/studies").glob("*.yaml"))
        print(
            f"posterity: name a study: make check STUDY=<study>; there are: {', '.join(names)}",
            file=sys.stderr,
        )
        return 2
    found = [fault for name in names for fault in check_study(name)]
    for fault in found:
        print(f"\nposterity: {fault}", file=sys.stderr)
    print(
        f"\n{len(found)} fault{'s' if len(found) > 1 else ''} found"
        if found
        else "\nno fault found"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
