"""Configuration and study files: read, check, complete with defaults, bring to one normal form."""

import re
from pathlib import Path
from typing import Any

from posterity.config.csv_header import read_csv_header
from posterity.config.merge import drop_nulls, merge_settings, normalise_values
from posterity.config.schema import (
    explain_unknown_key,
    fill_defaults,
    fill_simulation_defaults,
    list_checks,
    load_schema,
    validate_content,
)
from posterity.config.yaml import read_yaml
from posterity.errors import UserError, collect_errors, hint, raise_errors
from posterity.python_files import list_defined_names

STUDY_FOLDER = Path("config/studies")
# The folders of models, in the order of search: those of the user, and those that are shipped.
MODEL_FOLDERS = (Path("config/models"), Path("workflow/models"))
RESERVED_STUDIES = ("logs", "benchmarks", "checkpoints")
RESERVED_MODELS = ("figures", "tables", "data", "truth", "comparison", "verdict")
# Keys that each study needs, from itself or from the defaults; all checks are needed as well.
REQUIRED_KEYS = (
    ("seed",),
    ("float_type",),
    ("prior", "draws"),
    ("predict", "draws"),
    ("figures", "lines"),
    ("figures", "interval", "kind"),
    ("figures", "interval", "probability"),
    ("checks", "max_scalars_per_site"),
)
# A check of a model, which `expect` cannot name, since it names checks of fits.
MODEL_CHECK = "prior_coverage"


def load_configuration(path: str | Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """
    Read the configuration file by the YAML rules of study files, and apply the command line.

    Snakemake reads its configuration by YAML 1.1, in which 1e-3 is a text and `no` is false. With
    this function a run, a check and a notebook read one file in one way.

    Parameters
    ----------
    path : str or Path
        The file, config/config.yaml.
    overrides : dict
        Values of `--config` and `--configfile`, which replace those of the file key by key.

    Returns
    -------
    dict
        The content, not yet checked.

    Raises
    ------
    UserError
        If the file is missing or is not valid YAML.
    """
    return merge_settings(read_yaml(path), overrides)


def parse_study_names(studies: str | list[str]) -> list[str]:
    """Return the distinct study names of a list, or of a text with commas or blanks."""
    names = re.split(r"[\s,]+", studies.strip()) if isinstance(studies, str) else studies
    return [name for name in dict.fromkeys(names) if name]


def check_configuration(config: dict[str, Any]) -> dict[str, Any]:
    """
    Return the configuration in normal form: `studies` (a list), `strict`, `scratch`, `defaults`.

    Raises UserError for unknown keys, for invalid values, and if no study is named.
    """
    where = "config/config.yaml (or --config)"
    validate_content(config, load_schema("config"), where)
    studies = parse_study_names(config["studies"] or "")
    if not studies:
        raise UserError(f"{where}: studies: no study is named. Example: --config studies=mine")
    defaults = config.get("defaults", {})
    rules = {key: value for key, value in load_schema("study").items() if key != "required"}
    validate_content(defaults, rules, f"{where}: defaults")
    return {
        "studies": studies,
        "strict": str(config.get("strict", False)).lower() == "true",
        "scratch": config.get("scratch", ""),
        "defaults": defaults,
    }


def load_study(name: str, defaults: dict[str, Any]) -> dict[str, Any]:
    """
    Load `config/studies/<name>.yaml`, relative to the working directory.

    Parameters
    ----------
    name : str
        Id of the study.
    defaults : dict
        Keys that the study may omit, from config/config.yaml.

    Returns
    -------
    dict
        The study in normal form: every key of the schema is present. Models have `file` (a path),
        `function`, `arguments`, `dims`, `figures` and `observed` (a list or None). Fits have all
        settings of their method and the list of their `models`.

    Raises
    ------
    UserError
        For any error in the file, and for files, functions and columns that it names but that do
        not exist.
    """
    path = STUDY_FOLDER / f"{name}.yaml"
    content = _read_study(name)
    if not re.fullmatch(r"[A-Za-z0-9_]+", name) or name in RESERVED_STUDIES:
        raise UserError(
            f"{path}: invalid name of a study. Use letters, digits and _ only, and none of "
            f"{', '.join(RESERVED_STUDIES)}."
        )
    validate_content(content, load_schema("study"), str(path))
    study = _complete_study(content, defaults, path)
    _resolve_parts(study, path)
    _cross_check(study, path)
    normal: dict[str, Any] = normalise_values(study)
    return normal


def _read_study(name: str, children: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the content of a study file, completed by the studies that it extends."""
    path = STUDY_FOLDER / f"{name}.yaml"
    child = f"{STUDY_FOLDER / children[-1]}.yaml: extends: " if children else ""
    if not path.is_file():
        known = [file.stem for file in STUDY_FOLDER.glob("*.yaml")]
        raise UserError(
            f"{child}there is no study '{name}' ({path} is missing): {hint(name, known)}"
        )
    if name in children:
        circle = " extends ".join([*children[children.index(name) :], name])
        raise UserError(f"{child}{circle}: a study cannot extend itself. Remove one `extends`.")
    content = read_yaml(path)
    parent = content.pop("extends", None)
    if parent is None:
        return content
    if not isinstance(parent, str):
        raise UserError(f"{path}: extends: {parent!r} should be the name of one study.")
    base = _read_study(parent, (*children, name))
    if _replaces_table(base.get("data"), content.get("data")):
        base["data"].pop("columns", None)
    return drop_nulls(merge_settings(base, content))


def _replaces_table(base: Any, data: Any) -> bool:
    """Return whether `data:` names another table with columns of its own."""
    if not isinstance(base, dict) or not isinstance(data, dict):
        return False
    return {"file", "columns"} <= data.keys() and data["file"] != base.get("file")


def _complete_study(
    content: dict[str, Any], defaults: dict[str, Any], path: Path
) -> dict[str, Any]:
    """Return a study, completed with defaults. Raises UserError if one is missing."""
    study = {"description": "", "compare": {}} | merge_settings(defaults, content)
    for keys in (*REQUIRED_KEYS, *(("checks", check) for check in list_checks())):
        part = study
        for key in keys:
            if not isinstance(part, dict) or key not in part:
                raise UserError(
                    f"config/config.yaml: defaults: the key '{': '.join(keys)}' is missing, and "
                    f"{path} does not set it. Add it to one of them."
                )
            part = part[key]
    if study["data"] == "none":
        return study
    if "simulate" in study["data"]:
        study["data"] = fill_defaults(study["data"], "simulation")
        study["data"]["simulate"] = fill_simulation_defaults(study["data"]["simulate"])
    else:
        study["data"] = fill_defaults(study["data"], "file")
    return study


def _resolve_parts(study: dict[str, Any], path: Path) -> None:
    """
    Bring data, models and fits of a study to normal form, in place.

    Raises UserError with all errors of these parts.
    """
    definitions = load_schema("study")["$defs"]
    errors: list[UserError] = []
    if study["data"] != "none" and "file" in study["data"]:
        with collect_errors(errors):
            _check_columns(study["data"], path)
    models = {}
    for model, spec in study["models"].items():
        with collect_errors(errors):
            models[model] = _resolve_model(model, spec, path)
    for fit, settings in study["fits"].items():
        rules = {**definitions[settings["method"]], "$defs": definitions}
        with collect_errors(errors):
            validate_content(settings, rules, f"{path}: fits: {fit}")
    raise_errors(errors)
    study["models"] = models
    for fit, settings in study["fits"].items():
        complete = fill_defaults(settings, settings["method"])
        study["fits"][fit] = {"models": list(models)} | complete


def _check_columns(data: dict[str, Any], path: Path) -> None:
    """Raise UserError if `data:` names a table or columns that do not exist."""
    file = data["file"]
    if not Path(file).is_file():
        raise UserError(
            f"{path}: data: file: there is no file {file}. The path starts at the project's folder."
        )
    header = read_csv_header(file)
    if header is None:
        return
    columns = data.get("columns", {})
    for column in columns:
        if column not in header:
            raise UserError(
                f"{path}: data: columns: {file} has no column '{column}': {hint(column, header)}"
            )
    names = list(columns.values()) or header
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise UserError(
            f"{path}: data: columns: two columns are to be called '{min(repeated)}'. Rename one."
        )
    variables = [*names, *data.get("derive", {})]
    for key in ("units", "labels"):
        for name in data.get(key, {}):
            if name not in variables:
                raise UserError(
                    f"{path}: data: {key}: there is no variable '{name}': {hint(name, variables)}"
                )


def _resolve_model(model: str, spec: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a model in normal form. Raises UserError if a file or function is missing."""
    where = f"{path}: models: {model}"
    if model in RESERVED_MODELS:
        raise UserError(f"{path}: models: a model may not be called '{model}'. Choose another id.")
    spec = fill_defaults(spec, "model")
    if "file" in spec and "model" in spec:
        raise UserError(f"{where}: `file` and `model` are both set. Remove one of them.")
    file = _find_model_file(spec.get("model", model), spec.get("file"), where)
    _check_defined(file, [spec["function"]], f"{where}: function")
    figures = [_parse_user_figure(entry) for entry in spec["figures"]]
    if figures:
        figures_file = file.with_name("figures.py")
        if not figures_file.is_file():
            raise UserError(
                f"{where}: figures: there is no file {figures_file}. Define the figures there."
            )
        names = [figure["name"] for figure in figures]
        _check_defined(figures_file, names, f"{where}: figures")
    return {
        "file": str(file),
        "function": spec["function"],
        "arguments": spec["arguments"],
        "dims": spec["dims"],
        "observed": spec.get("observed"),
        "figures": figures,
    }


def _find_model_file(folder: str, file: str | None, where: str) -> Path:
    """Return the Python file of a model: `file`, or model.py in the first folder that has it."""
    if file is not None:
        given = Path(file).expanduser()
        if not given.is_file():
            raise UserError(
                f"{where}: there is no file {given}. The path starts at the project's folder."
            )
        return given
    candidates = [models / folder / "model.py" for models in MODEL_FOLDERS]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    known = {found.parent.name for models in MODEL_FOLDERS for found in models.glob("*/model.py")}
    places = " or ".join(map(str, candidates))
    raise UserError(f"{where}: there is no file {places}: {hint(folder, known)}")


def _parse_user_figure(entry: str | dict[str, Any]) -> dict[str, Any]:
    """Return name, fits (None: all fits with draws) and `joint_figure` of a custom figure."""
    name, fits = next(iter(entry.items())) if isinstance(entry, dict) else (entry, None)
    return {
        "name": name,
        "fits": [fits] if isinstance(fits, str) else fits,
        "joint_figure": isinstance(fits, list),
    }


def find_simulation_model(name: str, study: dict[str, Any], path: Path = Path()) -> dict[str, Any]:
    """
    Return the entry of the model that a simulation runs.

    It is a model of the study, or a folder of config/models or workflow/models. Raises UserError if
    there is neither; `path` is the study file for the message.
    """
    return study["models"].get(name) or _resolve_model(name, {}, path)


def _check_defined(file: Path, functions: list[str], where: str) -> None:
    """Raise UserError if a file does not define one of the functions."""
    known = list_defined_names(file)
    for function in functions:
        if function not in known and "*" not in known:
            raise UserError(
                f"{where}: {file} has no function '{function}': {hint(function, known)}"
            )


def _cross_check(study: dict[str, Any], path: Path) -> None:
    """Raise UserError if one part of a study names something that another part does not have."""
    if study["data"] != "none" and "simulate" in study["data"]:
        find_simulation_model(study["data"]["simulate"]["model"], study, path)
    for fit, settings in study["fits"].items():
        for model in settings["models"]:
            if model not in study["models"]:
                raise UserError(
                    f"{path}: fits: {fit}: models: there is no model '{model}': "
                    f"{hint(model, study['models'])}"
                )
    _check_figures(study, path)
    for name, (low, high) in study["checks"].get("prior_predictive", {}).items():
        if low >= high:
            raise UserError(
                f"{path}: checks: prior_predictive: {name}: the lower bound {low} is not below the "
                f"upper bound {high}. Write [lower, upper]."
            )
    for key, kind, known in (
        ("reference", "model", study["models"]),
        ("fit", "fit", study["fits"]),
    ):
        name = study["compare"].get(key)
        if name not in (None, *known):
            raise UserError(
                f"{path}: compare: {key}: there is no {kind} '{name}': {hint(name, known)}"
            )
    for model, fits in study["checks"].get("expect", {}).items():
        _check_expectations(model, fits, study, f"{path}: checks: expect")


def _check_figures(study: dict[str, Any], path: Path) -> None:
    """Raise UserError if a custom figure names a fit that its model does not have."""
    for model, spec in study["models"].items():
        fits = [fit for fit, settings in study["fits"].items() if model in settings["models"]]
        for figure in spec["figures"]:
            for fit in figure["fits"] or []:
                if fit not in fits:
                    raise UserError(
                        f"{path}: models: {model}: figures: {figure['name']}: the model has no fit "
                        f"'{fit}': {hint(fit, fits)}"
                    )


def _check_expectations(
    model: str, fits: dict[str, dict[str, str]], study: dict[str, Any], where: str
) -> None:
    """Raise UserError if `expect:` names a model, a fit or a check that does not exist."""
    if model not in study["models"]:
        raise UserError(f"{where}: there is no model '{model}': {hint(model, study['models'])}")
    known = [check for check in list_checks() if check != MODEL_CHECK]
    for fit, checks in fits.items():
        if fit not in study["fits"] or model not in study["fits"][fit]["models"]:
            raise UserError(
                f"{where}: {model}: there is no fit '{fit}' of this model: "
                f"{hint(fit, study['fits'])}"
            )
        for check, status in checks.items():
            if check not in known:
                problem = explain_unknown_key(check, known, "there is no check")
                raise UserError(f"{where}: {model}: {fit}: {problem}")
            if status == "any" and "fail" not in checks.values():
                raise UserError(
                    f"{where}: {model}: {fit}: {check}: any: a check cannot be switched off. `any` "
                    "is for a fit of which another check is expected to fail."
                )
