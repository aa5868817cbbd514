"""Study files: read, check against the schema, complete with defaults, and bring to one normal form."""

import re
from pathlib import Path

from posterity.config.csv_header import read_csv_header
from posterity.config.merge import drop_nulls, merge_settings, normalise_values
from posterity.config.schema import fill_defaults, load_schema, validate_content
from posterity.config.yaml import read_yaml
from posterity.errors import UserError, collect_errors, hint, raise_errors
from posterity.python_files import list_defined_names

RESERVED_STUDIES = ("logs", "benchmarks", "checkpoints")
REQUIRED_DEFAULTS = [
    ("seed",),
    ("float_type",),
    ("prior", "draws"),
    ("predict", "draws"),
    ("figures", "lines"),
]
REQUIRED_DEFAULTS += [("figures", "interval", "kind"), ("figures", "interval", "probability")]
RESERVED_MODELS = ("figures", "tables", "data", "truth", "comparison", "verdict")


def _read_study(name: str, chain: tuple[str, ...] = ()) -> dict:
    """Read a study file, completed by the studies that it extends. Raises UserError."""
    path = Path("config/studies") / f"{name}.yaml"
    if not path.is_file():
        known = [file.stem for file in path.parent.glob("*.yaml")]
        where = f"config/studies/{chain[-1]}.yaml: extends: " if chain else ""
        raise UserError(
            f"{where}there is no study '{name}' ({path} is missing): {hint(name, known)}"
        )
    if name in chain:
        circle = " extends ".join([*chain[chain.index(name) :], name])
        raise UserError(
            f"config/studies/{chain[-1]}.yaml: extends: {circle}: a study cannot extend itself; take one `extends` out"
        )
    content = read_yaml(path)
    parent = content.pop("extends", None)
    if parent is None:
        return content
    if not isinstance(parent, str):
        raise UserError(f"{path}: extends: {parent!r} should be the name of one study")
    merged = _read_study(parent, (*chain, name))
    mine, theirs = content.get("data"), merged.get("data")
    if (
        isinstance(mine, dict)
        and isinstance(theirs, dict)
        and {"file", "columns"} <= {*mine}
        and mine["file"] != theirs.get("file")
    ):
        merged["data"] = {
            key: value for key, value in theirs.items() if key != "columns"
        }  # another table has other columns
    return drop_nulls(merge_settings(merged, content))


def parse_study_names(studies: str | list[str]) -> list[str]:
    """Read the `studies` of the configuration: a list, or names parted by commas or blanks."""
    listed = re.split(r"[\s,]+", studies.strip()) if isinstance(studies, str) else studies
    return [name for name in dict.fromkeys(listed) if name]


def check_configuration(config: dict) -> dict:
    """Check the configuration. Returns `studies` as a list, `strict`, `scratch` and `defaults`. Raises UserError."""
    where = "config/config.yaml (or --config)"
    validate_content(config, load_schema("config"), where)
    if not parse_study_names(config["studies"] or ""):
        raise UserError(f"{where}: studies: name at least one study, as in --config studies=mine")
    defaults = config.get("defaults", {})
    rules = load_schema("study")
    validate_content(
        defaults,
        {key: value for key, value in rules.items() if key != "required"},
        f"{where}: defaults",
    )
    strict = str(config.get("strict", False)).lower() == "true"
    return {
        "studies": parse_study_names(config["studies"]),
        "strict": strict,
        "scratch": config.get("scratch", ""),
        "defaults": defaults,
    }


def load_study(name: str, defaults: dict) -> dict:
    """
    Load `config/studies/<name>.yaml`, relative to the working directory.

    Returns the study in normal form: every key of the schema present, models resolved to `file` (path), `function`,
    `arguments`, `dims`, `figures` and `observed` (list or None), fits with all settings of their method and the
    list of their models. Raises UserError for anything that is wrong in the file, and for files, functions and columns it names
    that are not there.
    """
    path = Path("config/studies") / f"{name}.yaml"
    content = _read_study(name)
    if not re.fullmatch(r"[A-Za-z0-9_]+", name) or name in RESERVED_STUDIES:
        raise UserError(
            f"{path}: a study's name has letters, digits and _ only, and is not one of {', '.join(RESERVED_STUDIES)}"
        )
    validate_content(content, load_schema("study"), str(path))
    study = merge_settings(defaults, content)
    study = {"description": "", "compare": {}} | study
    checks = [
        key
        for key in load_schema("study")["properties"]["checks"]["properties"]
        if key not in ("prior_predictive", "expect")
    ]
    for keys in [*REQUIRED_DEFAULTS, *(("checks", check) for check in checks)]:
        part = study
        for key in keys:
            if not isinstance(part, dict) or key not in part:
                raise UserError(
                    f"config/config.yaml: defaults: the key '{': '.join(keys)}' is missing, and {path} does not give it"
                )
            part = part[key]
    definitions, found, models = load_schema("study")["$defs"], [], {}
    if study["data"] != "none":
        kind = "simulation" if "simulate" in study["data"] else "file"
        study["data"] = fill_defaults(study["data"], kind)
        if kind == "simulation":
            rules = definitions["simulation"]["properties"]["simulate"]["properties"]
            given = {key: rule["default"] for key, rule in rules.items() if "default" in rule}
            study["data"]["simulate"] = given | study["data"]["simulate"]
        else:
            with collect_errors(found):
                _check_columns(study["data"], path)
    for id, spec in study["models"].items():
        with collect_errors(found):
            models[id] = _resolve_model(id, spec, path)
    for id, fit in study["fits"].items():
        with collect_errors(found):
            validate_content(
                fit, {**definitions[fit["method"]], "$defs": definitions}, f"{path}: fits: {id}"
            )
    raise_errors(found)
    study["models"] = models
    if study["data"] != "none" and "simulate" in study["data"]:
        find_simulation_model(study["data"]["simulate"]["model"], study, path)
    for id, fit in study["fits"].items():
        fit = fill_defaults(fit, fit["method"])
        fit["models"] = fit.get("models", list(study["models"]))
        for model in fit["models"]:
            if model not in study["models"]:
                raise UserError(
                    f"{path}: fits: {id}: models: there is no model '{model}': {hint(model, study['models'])}"
                )
        study["fits"][id] = fit
    for id, spec in study["models"].items():
        fits = [fit for fit, settings in study["fits"].items() if id in settings["models"]]
        for figure in spec["figures"]:
            for fit in figure["fits"] or []:
                if fit not in fits:
                    where = f"{path}: models: {id}: figures: {figure['name']}"
                    raise UserError(f"{where}: the model has no fit '{fit}': {hint(fit, fits)}")
    for name, (low, high) in study.get("checks", {}).get("prior_predictive", {}).items():
        if low >= high:
            raise UserError(
                f"{path}: checks: prior_predictive: {name}: the lower bound comes first, but {low} is not below {high}"
            )
    for key, known in (("reference", study["models"]), ("fit", study["fits"])):
        if (given := study["compare"].get(key)) not in (None, *known):
            raise UserError(
                f"{path}: compare: {key}: there is no {'model' if key == 'reference' else 'fit'} '{given}': {hint(given, known)}"
            )
    _check_expectations(study, path)
    return normalise_values(study)


def _check_columns(data: dict, path: Path) -> None:
    present = read_csv_header(data["file"], path)
    if present is None:
        return
    if len(set(present)) < len(present):
        twice = next(name for name in present if present.count(name) > 1)
        raise UserError(
            f"{data['file']}: two columns are called '{twice}' in the file; give each its own name there"
        )
    for column in data.get("columns", {}):
        if column not in present:
            raise UserError(
                f"{path}: data: columns: {data['file']} has no column '{column}': {hint(column, present)}"
            )
    kept = list(data["columns"].values()) if data.get("columns") else present
    twice = {name for name in kept if kept.count(name) > 1}
    if twice:
        raise UserError(
            f"{path}: data: columns: two columns are to be called '{min(twice)}'; give each its own name"
        )
    for key in ("units", "labels"):
        for name in data.get(key, {}):
            if name not in (known := [*kept, *data.get("derive", {})]):
                raise UserError(
                    f"{path}: data: {key}: there is no variable '{name}': {hint(name, known)}"
                )


def _resolve_model(id: str, spec: dict, path: Path) -> dict:
    """Find a model's file and see that the function is there. Nothing is imported."""
    if id in RESERVED_MODELS:
        raise UserError(f"{path}: models: a model may not be called '{id}'; choose another id")
    spec = fill_defaults(spec, "model")
    if "file" in spec and "model" in spec:
        raise UserError(f"{path}: models: {id}: give `file` or `model`, not both")
    file = (
        Path(spec["file"]).expanduser()
        if "file" in spec
        else Path("workflow/models") / spec.get("model", id) / "model.py"
    )
    if not file.is_file():
        known = [folder.parent.name for folder in Path("workflow/models").glob("*/model.py")]
        remedy = (
            hint(spec.get("model", id), known)
            if "file" not in spec
            else "the path starts at the project's folder"
        )
        raise UserError(f"{path}: models: {id}: there is no file {file}: {remedy}")
    _check_defined(file, [spec["function"]], f"{path}: models: {id}: function")
    figures = [_parse_user_figure(entry) for entry in spec["figures"]]
    if figures:
        if not file.with_name("figures.py").is_file():
            raise UserError(
                f"{path}: models: {id}: figures: there is no file {file.with_name('figures.py')} to hold them"
            )
        _check_defined(
            file.with_name("figures.py"),
            [figure["name"] for figure in figures],
            f"{path}: models: {id}: figures",
        )
    return {
        "file": str(file),
        "function": spec["function"],
        "arguments": spec["arguments"],
        "dims": spec["dims"],
        "observed": spec.get("observed"),
        "figures": figures,
    }


def _parse_user_figure(entry: str | dict) -> dict:
    """Say of a figure of the model's own its name, the fits that it is drawn for (None: all with draws), and whether together."""
    name, fits = next(iter(entry.items())) if isinstance(entry, dict) else (entry, None)
    return {
        "name": name,
        "fits": [fits] if isinstance(fits, str) else fits,
        "joint_figure": isinstance(fits, list),
    }


def find_simulation_model(name: str, study: dict, path: Path = Path()) -> dict:
    """Find the model that a simulation runs: one of the study's, or a folder of workflow/models."""
    return study["models"].get(name) or _resolve_model(name, {}, path)


def _check_defined(file: Path, functions: list[str], where: str) -> None:
    known = list_defined_names(file)
    for function in functions:
        if function not in known and "*" not in known:
            raise UserError(
                f"{where}: {file} has no function '{function}': {hint(function, known)}"
            )


def _check_expectations(study: dict, path: Path) -> None:
    known = [
        key
        for key in load_schema("study")["properties"]["checks"]["properties"]
        if key not in ("max_scalars_per_site", "expect", "prior_coverage")
    ]
    for model, fits in study.get("checks", {}).get("expect", {}).items():
        where = f"{path}: checks: expect"
        if model not in study["models"]:
            raise UserError(f"{where}: there is no model '{model}': {hint(model, study['models'])}")
        for fit, checks in fits.items():
            if fit not in study["fits"] or model not in study["fits"][fit]["models"]:
                raise UserError(
                    f"{where}: {model}: there is no fit '{fit}' of this model: {hint(fit, study['fits'])}"
                )
            for check in checks:
                if check not in known:
                    raise UserError(
                        f"{where}: {model}: {fit}: there is no check '{check}': {hint(check, known)}"
                    )
            if "any" in checks.values() and "fail" not in checks.values():
                check = next(check for check, status in checks.items() if status == "any")
                sentence = "a check cannot be switched off; `any` is for a fit of which another check is expected to fail"
                raise UserError(f"{where}: {model}: {fit}: {check}: any: {sentence}")
