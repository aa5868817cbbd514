"""Study files: read, check against the schema, complete with defaults, and bring to one normal form."""

import ast
import csv
import gzip
import re
import zlib
from functools import cache
from pathlib import Path

import jsonschema
import yaml

from posterity.errors import UserError, collected, hint, raise_all

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
RESERVED_STUDIES = ("logs", "benchmarks", "checkpoints")
NEEDED = [("seed",), ("precision",), ("prior", "draws"), ("predict", "draws"), ("figures", "lines")]
NEEDED += [("figures", "interval", "kind"), ("figures", "interval", "probability")]
RESERVED_MODELS = ("figures", "tables", "data", "truth", "comparison", "verdict")
ALTERNATIVES = (
    {"file", "simulate"},
    {"file", "model"},
    {"linspace", "uniform"},
    {"warn", "fail"},
)  # keys of which one replaces the others


class _Loader(yaml.CSafeLoader):
    """YAML without the traps of version 1.1: `no` and `on` are words, 1e-3 is a number, a key given twice is a fault."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag.rpartition(":")[2] not in ("bool", "float", "timestamp")]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)


def read_yaml(path: str | Path) -> dict:
    """Read a YAML file whose top level is a mapping. Raises UserError with file, line and reason."""
    text = ""
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        tab = mark and text[mark.index : mark.index + 1] == "\t"
        problem = "a tab where blanks are needed" if tab else error.problem
        raise UserError(f"{path}{line}: this is no YAML ({problem}); mend the line or the one above it") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: this is no YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected keys with values (title: ..., data: ...)")
    return content


@cache
def schema(name: str) -> dict:
    """Read one of the schemas: `config` or `study`."""
    return yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"))


def validate(content: dict, rules: dict, where: str) -> None:
    """Check values against a schema. Raises UserError that names the place, what is wrong and the nearest known word."""
    errors = jsonschema.Draft202012Validator(rules).iter_errors(content)
    errors = sorted(errors, key=lambda error: (error.validator != "additionalProperties", len(error.path), str(error.path)))
    raise_all([UserError(sentence) for sentence in dict.fromkeys(f"{where}: {_sentence(error)}" for error in errors)])


def _sentence(error: jsonschema.ValidationError) -> str:
    """Turn the first fault found by the schema into one sentence."""
    if error.validator == "oneOf":  # choose the alternative that fits best: the one that fails deepest, or on other than its type
        branches = {}
        for sub in error.context:
            branches.setdefault(sub.schema_path[0], []).append(sub)
        fitting = [subs for subs in branches.values() if all(sub.validator not in ("type", "const") or sub.path for sub in subs)]
        if len(fitting) > 1 and isinstance(error.instance, dict):
            fitting = [subs for subs in fitting if all(sub.validator != "required" or sub.path for sub in subs)] or fitting
        if fitting:
            sub = min(fitting[0], key=lambda sub: (sub.validator != "additionalProperties", len(sub.path)))
            return _sentence(sub)
    place = ": ".join(map(str, error.absolute_path))
    place = f"{place}: " if place else ""
    value = repr(error.instance) if not isinstance(error.instance, dict | list) else "this value"
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {})
            unknown = [key for key in error.instance if key not in known]
            return place + "; ".join(f"unknown key '{key}': {hint(key, known)}" for key in unknown)
        case "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            return f"{place}the key '{missing}' is missing; add it ({error.schema.get('title', 'see config/README.md')})"
        case "enum" | "const":
            choices = error.validator_value if error.validator == "enum" else [error.validator_value]
            return f"{place}{value} is not known: {hint(error.instance, choices)}"
        case "type":
            words = {"integer": "a whole number", "number": "a number", "string": "a text", "object": "keys with values"}
            words |= {"array": "a list", "boolean": "true or false"}
            quote = " (put it in quotes if it holds a comma or a colon)" if error.validator_value == "string" else ""
            return f"{place}{value} should be {words.get(error.validator_value, error.validator_value)}{quote}"
        case "pattern" | "propertyNames":
            return f"{place}{value} may have letters, digits and _ only"
        case "oneOf":
            threshold = error.schema == schema("study")["$defs"]["threshold"]
            kinds = "numbers or {warn: a, fail: b}" if threshold else "the forms in config/README.md"
            return f"{place}{value} fits none of {kinds}"
        case "minimum" | "exclusiveMinimum":
            more = "at least" if error.validator == "minimum" else "above"
            return f"{place}{value} should be {more} {error.validator_value}"
        case "maximum" | "exclusiveMaximum":
            less = "at most" if error.validator == "maximum" else "below"
            return f"{place}{value} should be {less} {error.validator_value}"
        case "minItems" | "minProperties":
            return f"{place}at least {error.validator_value} should be given"
        case "maxItems":
            return f"{place}at most {error.validator_value} should be given"
    return f"{place}{error.message}"


def normalise(value):
    """Bring values to one form: keys sorted, whole floats as integers, so that 1000 and 1000.0 are one."""
    if isinstance(value, dict):
        return {str(key): normalise(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list):
        return [normalise(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def merge(defaults: dict, content: dict) -> dict:
    """
    Complete nested keys with defaults.

    What is of another kind than the default (a simulation for a file, another method) replaces it whole.
    """
    merged = dict(defaults)
    for key, value in content.items():
        old = merged.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        other = both and (
            value.get("method", old.get("method")) != old.get("method")
            or any(kinds & {*value} and kinds & {*old} and (kinds & {*value} != kinds & {*old}) for kinds in ALTERNATIVES)
        )
        merged[key] = merge(old, value) if both and not other else value
    return merged


def _dropped(content: dict) -> dict:
    """Leave out keys that are null."""
    return {key: _dropped(value) if isinstance(value, dict) else value for key, value in content.items() if value is not None}


def _read(name: str, chain: tuple[str, ...] = ()) -> dict:
    """Read a study file, completed by the studies that it extends. Raises UserError."""
    path = Path("config/studies") / f"{name}.yaml"
    if not path.is_file():
        known = [file.stem for file in path.parent.glob("*.yaml")]
        where = f"config/studies/{chain[-1]}.yaml: extends: " if chain else ""
        raise UserError(f"{where}there is no study '{name}' ({path} is missing): {hint(name, known)}")
    if name in chain:
        circle = " extends ".join([*chain[chain.index(name) :], name])
        raise UserError(f"config/studies/{chain[-1]}.yaml: extends: {circle}: a study cannot extend itself; take one `extends` out")
    content = read_yaml(path)
    parent = content.pop("extends", None)
    if parent is None:
        return content
    if not isinstance(parent, str):
        raise UserError(f"{path}: extends: {parent!r} should be the name of one study")
    merged = _read(parent, (*chain, name))
    mine, theirs = content.get("data"), merged.get("data")
    if (
        isinstance(mine, dict)
        and isinstance(theirs, dict)
        and {"file", "columns"} <= {*mine}
        and mine["file"] != theirs.get("file")
    ):
        merged["data"] = {key: value for key, value in theirs.items() if key != "columns"}  # another table has other columns
    return _dropped(merge(merged, content))


def _with_schema_defaults(content: dict, definition: str) -> dict:
    properties = schema("study")["$defs"][definition]["properties"]
    return {key: rule["default"] for key, rule in properties.items() if "default" in rule} | content


def settings(method: str, **given) -> dict:
    """Give the settings of a method, with the defaults of the schema where nothing is given."""
    return _with_schema_defaults(given, method) | {"method": method}


def names(studies: str | list[str]) -> list[str]:
    """Read the `studies` of the configuration: a list, or names parted by commas or blanks."""
    listed = re.split(r"[\s,]+", studies.strip()) if isinstance(studies, str) else studies
    return [name for name in dict.fromkeys(listed) if name]


def configuration(config: dict) -> dict:
    """Check the configuration. Returns `studies` as a list, `strict`, `scratch` and `defaults`. Raises UserError."""
    where = "config/config.yaml (or --config)"
    validate(config, schema("config"), where)
    if not names(config["studies"] or ""):
        raise UserError(f"{where}: studies: name at least one study, as in --config studies=mine")
    defaults = config.get("defaults", {})
    rules = schema("study")
    validate(defaults, {key: value for key, value in rules.items() if key != "required"}, f"{where}: defaults")
    strict = str(config.get("strict", False)).lower() == "true"
    return {"studies": names(config["studies"]), "strict": strict, "scratch": config.get("scratch", ""), "defaults": defaults}


def load(name: str, defaults: dict) -> dict:
    """
    Load `config/studies/<name>.yaml`, relative to the working directory.

    Returns the study in normal form: every key of the schema present, models resolved to `file` (path), `function`,
    `arguments`, `dims`, `figures` and `observed` (list or None), fits with all settings of their method and the
    list of their models. Raises UserError for anything that is wrong in the file, and for files, functions and columns it names
    that are not there.
    """
    path = Path("config/studies") / f"{name}.yaml"
    content = _read(name)
    if not re.fullmatch(r"[A-Za-z0-9_]+", name) or name in RESERVED_STUDIES:
        raise UserError(f"{path}: a study's name has letters, digits and _ only, and is not one of {', '.join(RESERVED_STUDIES)}")
    validate(content, schema("study"), str(path))
    study = merge(defaults, content)
    study = {"description": "", "compare": {}} | study
    checks = [key for key in schema("study")["properties"]["checks"]["properties"] if key not in ("prior_predictive", "expect")]
    for keys in [*NEEDED, *(("checks", check) for check in checks)]:
        part = study
        for key in keys:
            if not isinstance(part, dict) or key not in part:
                raise UserError(
                    f"config/config.yaml: defaults: the key '{': '.join(keys)}' is missing, and {path} does not give it"
                )
            part = part[key]
    definitions, found, models = schema("study")["$defs"], [], {}
    if study["data"] != "none":
        kind = "simulation" if "simulate" in study["data"] else "file"
        study["data"] = _with_schema_defaults(study["data"], kind)
        if kind == "simulation":
            rules = definitions["simulation"]["properties"]["simulate"]["properties"]
            given = {key: rule["default"] for key, rule in rules.items() if "default" in rule}
            study["data"]["simulate"] = given | study["data"]["simulate"]
        else:
            with collected(found):
                _check_columns(study["data"], path)
    for id, spec in study["models"].items():
        with collected(found):
            models[id] = _resolve_model(id, spec, path)
    for id, fit in study["fits"].items():
        with collected(found):
            validate(fit, {**definitions[fit["method"]], "$defs": definitions}, f"{path}: fits: {id}")
    raise_all(found)
    study["models"] = models
    if study["data"] != "none" and "simulate" in study["data"]:
        simulation_model(study["data"]["simulate"]["model"], study, path)
    for id, fit in study["fits"].items():
        fit = _with_schema_defaults(fit, fit["method"])
        fit["models"] = fit.get("models", list(study["models"]))
        for model in fit["models"]:
            if model not in study["models"]:
                raise UserError(f"{path}: fits: {id}: models: there is no model '{model}': {hint(model, study['models'])}")
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
            raise UserError(f"{path}: checks: prior_predictive: {name}: the lower bound comes first, but {low} is not below {high}")
    for key, known in (("reference", study["models"]), ("fit", study["fits"])):
        if (given := study["compare"].get(key)) not in (None, *known):
            raise UserError(
                f"{path}: compare: {key}: there is no {'model' if key == 'reference' else 'fit'} '{given}': {hint(given, known)}"
            )
    _check_expectations(study, path)
    return normalise(study)


def _header(file: str, path: Path) -> list[str] | None:
    """
    Read the names of the columns of a CSV file without pandas, whose import would cost each start half a second.

    Returns None for another format, and for another compression than gzip: the data stage looks.
    """
    if not Path(file).is_file():
        raise UserError(f"{path}: data: file: there is no file {file}; the path starts at the project's folder")
    if re.search(r"\.(bz2|xz|zip|zst)$|\.(ecsv|fits?|parquet|pq|nc4?)(\.gz)?$", file, re.IGNORECASE):
        return None
    opener, readings = gzip.open if file.lower().endswith(".gz") else open, []
    try:
        for delimiter in ",\t":
            with opener(file, "rt", encoding="utf-8-sig", newline="") as lines:
                rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
                readings.append(next((row for row in rows if "".join(row).strip()), []))
        if not readings[0]:
            raise csv.Error("it is empty")
        names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(max(readings, key=len))]
        if names[0].startswith("SIMPLE  =") or any("\0" in name for name in names):
            raise csv.Error("it holds no text")
    except (UnicodeDecodeError, OSError, EOFError, zlib.error, csv.Error) as error:
        remedy = "give CSV (in UTF-8, with a header line) or a file .ecsv, .fits, .parquet or .nc"
        raise UserError(f"{file}: this is no table that can be read ({error}); {remedy}") from None
    if names[0].startswith("#"):
        remedy = "give the file the extension .ecsv" if "%ECSV" in names[0] else "take out comment lines, and # before the header"
        raise UserError(f"{file}: the first line begins with #, which is no header of a CSV file; {remedy}")
    return names


def _check_columns(data: dict, path: Path) -> None:
    present = _header(data["file"], path)
    if present is None:
        return
    if len(set(present)) < len(present):
        twice = next(name for name in present if present.count(name) > 1)
        raise UserError(f"{data['file']}: two columns are called '{twice}' in the file; give each its own name there")
    for column in data.get("columns", {}):
        if column not in present:
            raise UserError(f"{path}: data: columns: {data['file']} has no column '{column}': {hint(column, present)}")
    kept = list(data["columns"].values()) if data.get("columns") else present
    twice = {name for name in kept if kept.count(name) > 1}
    if twice:
        raise UserError(f"{path}: data: columns: two columns are to be called '{min(twice)}'; give each its own name")
    for key in ("units", "labels"):
        for name in data.get(key, {}):
            if name not in (known := [*kept, *data.get("derive", {})]):
                raise UserError(f"{path}: data: {key}: there is no variable '{name}': {hint(name, known)}")


def _resolve_model(id: str, spec: dict, path: Path) -> dict:
    """Find a model's file and see that the function is there. Nothing is imported."""
    if id in RESERVED_MODELS:
        raise UserError(f"{path}: models: a model may not be called '{id}'; choose another id")
    spec = _with_schema_defaults(spec, "model")
    if "file" in spec and "model" in spec:
        raise UserError(f"{path}: models: {id}: give `file` or `model`, not both")
    file = Path(spec["file"]).expanduser() if "file" in spec else Path("workflow/models") / spec.get("model", id) / "model.py"
    if not file.is_file():
        known = [folder.parent.name for folder in Path("workflow/models").glob("*/model.py")]
        remedy = hint(spec.get("model", id), known) if "file" not in spec else "the path starts at the project's folder"
        raise UserError(f"{path}: models: {id}: there is no file {file}: {remedy}")
    _check_defined(file, [spec["function"]], f"{path}: models: {id}: function")
    figures = [_own_figure(entry) for entry in spec["figures"]]
    if figures:
        if not file.with_name("figures.py").is_file():
            raise UserError(f"{path}: models: {id}: figures: there is no file {file.with_name('figures.py')} to hold them")
        _check_defined(file.with_name("figures.py"), [figure["name"] for figure in figures], f"{path}: models: {id}: figures")
    return {
        "file": str(file),
        "function": spec["function"],
        "arguments": spec["arguments"],
        "dims": spec["dims"],
        "observed": spec.get("observed"),
        "figures": figures,
    }


def _own_figure(entry: str | dict) -> dict:
    """Say of a figure of the model's own its name, the fits that it is drawn for (None: all with draws), and whether together."""
    name, fits = next(iter(entry.items())) if isinstance(entry, dict) else (entry, None)
    return {"name": name, "fits": [fits] if isinstance(fits, str) else fits, "together": isinstance(fits, list)}


def docstring(file: Path, function: str) -> str:
    """Read the docstring of a function without importing its file."""
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return ast.get_docstring(node) or ""
    return ""


def simulation_model(name: str, study: dict, path: Path = Path()) -> dict:
    """Find the model that a simulation runs: one of the study's, or a folder of workflow/models."""
    return study["models"].get(name) or _resolve_model(name, {}, path)


def defined(file: Path) -> set[str]:
    """List the names that a file defines or imports at module level; nothing is run. Raises UserError for one that is no Python."""
    try:
        body = ast.parse(file.read_bytes()).body
    except (SyntaxError, ValueError) as error:
        reason = f", line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else f": {error}"
        raise UserError(f"{file}{reason}; mend the file") from None
    found = set()
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.ImportFrom(names=aliases) | ast.Import(names=aliases):
                found |= {alias.asname or alias.name for alias in aliases}
    return found


def _check_defined(file: Path, functions: list[str], where: str) -> None:
    known = defined(file)
    for function in functions:
        if function not in known and "*" not in known:
            raise UserError(f"{where}: {file} has no function '{function}': {hint(function, known)}")


def _check_expectations(study: dict, path: Path) -> None:
    known = [
        key for key in schema("study")["properties"]["checks"]["properties"] if key not in ("scalars", "expect", "prior_inside")
    ]
    for model, fits in study.get("checks", {}).get("expect", {}).items():
        where = f"{path}: checks: expect"
        if model not in study["models"]:
            raise UserError(f"{where}: there is no model '{model}': {hint(model, study['models'])}")
        for fit, checks in fits.items():
            if fit not in study["fits"] or model not in study["fits"][fit]["models"]:
                raise UserError(f"{where}: {model}: there is no fit '{fit}' of this model: {hint(fit, study['fits'])}")
            for check in checks:
                if check not in known:
                    raise UserError(f"{where}: {model}: {fit}: there is no check '{check}': {hint(check, known)}")
            if "any" in checks.values() and "fail" not in checks.values():
                check = next(check for check, status in checks.items() if status == "any")
                sentence = "a check cannot be switched off; `any` is for a fit of which another check is expected to fail"
                raise UserError(f"{where}: {model}: {fit}: {check}: any: {sentence}")
