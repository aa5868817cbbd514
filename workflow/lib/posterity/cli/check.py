"""
Check studies before a run computes anything: `make check STUDY=<study>`.

`python -m posterity.cli.check <study> ...` reads each study, its data and its models as a run
would, without Snakemake and without writing a file. It prints the sites of each model and one
message per error, and the warnings of the checks `data` and `precision`. The exit code is 1 if
there is an error, or if one of these checks fails.
"""

import sys
from pathlib import Path

from posterity.errors import UserError, hint
from posterity.notebook import load_settings
from posterity.workflow.model_sizes import bind_models, load_study_data


def check_study(name: str) -> list[str]:
    """Check one study and print the sites of its models. Return the error messages."""
    try:
        study = load_settings(name)
        data, source = load_study_data(name, study)
    except UserError as error:
        return error.messages
    print(_format_data(name, data))
    messages = []
    variables = set(map(str, data.data_vars))
    for model, bound in bind_models(study, data).items():
        spec = study["models"][model]
        print(f"  model {model}: {spec['function']} of {spec['file']}")
        if isinstance(bound, UserError):
            messages += bound.messages
            continue
        _print_sites(bound)
        variables |= {*bound.site_names("observed")}
        errors = _check_model(name, study, model, bound, data, source)
        messages += errors or _judge_data(study, bound, data, source)
    place = f"config/studies/{name}.yaml: checks: prior_predictive"
    for variable in study["checks"].get("prior_predictive", {}):
        if variable not in variables:
            problem = f"there is no observed variable '{variable}'"
            messages.append(f"{place}: {problem}: {hint(variable, variables)}")
    return messages


def _check_model(name: str, study: dict, model: str, bound, data, source: str) -> list[str]:
    """Return the errors of a bound model, and of its predictions at new covariates."""
    from posterity.model.preflight import find_model_errors
    from posterity.prediction.new_data import bind_new_data

    fits = [fit for fit in study["fits"].values() if model in fit["models"]]
    messages = find_model_errors(bound, data, source, tuple(fit["method"] for fit in fits))
    if not messages and "at" in study["predict"]:
        spec, covariates = study["models"][model], study["predict"]["at"]
        place = f"config/studies/{name}.yaml: predict: at"
        try:
            bind_new_data(model, spec, covariates, data, study["seed"], place)
        except UserError as error:
            return [str(error)]
    return messages


def _judge_data(study: dict, bound, data, source: str) -> list[str]:
    """Print the warnings of the checks `data` and `precision`, and return what makes them fail."""
    from posterity.diagnostics.data import check_precision, list_findings
    from posterity.prediction.prior_checks import make_check_groups

    limits = study["checks"]
    groups = make_check_groups(bound, data, source)
    precision = check_precision(groups["precision"], limits["precision"])
    found = [
        *list_findings(groups["data_checks"], limits["data"]),
        (precision.status, f"{bound.file}: {precision.message}"),
    ]
    for status, message in found:
        if status == "warn":
            print(f"    warning: {message}.")
    return [f"{message}." for status, message in found if status == "fail"]


def _format_data(name: str, data) -> str:
    """Return a line with the variables and dimensions of the data of a study."""
    variables = ", ".join(map(str, data.data_vars)) or "no data"
    sizes = ", ".join(f"{size} along {dim}" for dim, size in data.sizes.items())
    return f"study {name}: {variables}{f' ({sizes})' if sizes else ''}"


def _print_sites(bound) -> None:
    """Print a line for each site of a model: role, distribution, shape and observed variable."""
    for name, site in bound.sites.items():
        axes = [f"{dim} {size}" for dim, size in zip(site.dims, site.shape, strict=True)]
        shape = " x ".join(axes) or "scalar"
        distribution = f"~ {site.distribution}" if site.distribution else ""
        observed = name in bound.observations
        source = f"= {bound.observations[name]} of the data" if observed else ""
        print(f"    {name:20} {site.role:14} {distribution:24} {shape:24} {source}".rstrip())
    for argument in bound.constants:
        print(f"    ({argument} is a compile-time constant: each value compiles another program)")
    if bound.improper_sites:
        sites = ", ".join(bound.improper_sites)
        print(f"    (the prior of {sites} is improper, so there is no prior predictive)")


def main(studies: list[str]) -> int:
    """Check studies and print the errors. Return the exit code."""
    if not studies:
        known = sorted(file.stem for file in Path("config/studies").glob("*.yaml"))
        print(
            "posterity: no study given. Name one: make check STUDY=<study>, "
            f"with <study> one of {', '.join(known)}.",
            file=sys.stderr,
        )
        return 2
    messages = [message for study in studies for message in check_study(study)]
    for message in messages:
        print(f"\nposterity: {message}", file=sys.stderr)
    count = len(messages)
    print(f"\n{count} error{'s' if count > 1 else ''} found" if count else "\nno errors found")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
