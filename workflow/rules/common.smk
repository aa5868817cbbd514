# What the rules share: the studies, the paths of the artefacts, and what each stage's result depends on. No rules here.
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

LIBRARY = Path(workflow.basedir, "workflow/lib")
sys.path.insert(0, str(LIBRARY))
# Jobs use the library of this project, whatever else is installed.
os.environ.update(
    PYTHONPATH=os.pathsep.join([str(LIBRARY.resolve()), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]).rstrip(os.pathsep)
)

from posterity import catalogue, sources
from posterity.errors import UserError
from posterity.study import configuration, load, simulation_model

DATA = "results/{study}/data.nc"
PRIOR = "results/{study}/{model}/prior.nc"
POSTERIOR = "results/{study}/{model}/{fit}/posterior.nc"
DIAGNOSIS = "results/{study}/{model}/{fit}/diagnosis.nc"
PREDICTIVE = "results/{study}/{model}/{fit}/predictive.nc"
SENSITIVITY = "results/{study}/{model}/{fit}/sensitivity.nc"
COMPARISON = "results/{study}/comparison.nc"
VERDICT = "results/{study}/verdict.nc"
CHECKS = "results/{study}/checks.html"
GATE = "results/{study}/gate.txt"
FIGURE = "results/{study}/figures/{figure}"
TABLE = "results/{study}/tables/{table}"

try:
    CONFIG = configuration(config)
    STUDIES = {name: load(name, CONFIG["defaults"]) for name in CONFIG["studies"]}
    FIGURES = {name: catalogue.figures(name, study) for name, study in STUDIES.items()}
    TABLES = {name: catalogue.tables(study) for name, study in STUDIES.items()}
except UserError as error:
    sys.exit(f"posterity: {error}")


wildcard_constraints:
    study="[A-Za-z0-9_]+",
    model="[A-Za-z0-9_]+",
    fit="[A-Za-z0-9_]+",
    figure="[A-Za-z0-9_]+",
    table="[a-z]+",


# Paths of artefacts, for all studies or for those of the wildcards


def per_study(path, studies=STUDIES):
    return [path.format(study=study) for study in studies]


def per_model(path, studies=STUDIES):
    return [path.format(study=study, model=model) for study in studies for model in STUDIES[study]["models"]]


def per_fit(path, studies=STUDIES, only=None, gives=catalogue.ANY):
    """The path for each fit (of the model `only`), of those whose draws are of a kind that `gives` lists."""
    return [
        path.format(study=study, model=model, fit=fit)
        for study in studies
        for model in STUDIES[study]["models"]
        if only in (None, model)
        for fit in catalogue.fits_of(STUDIES[study], model, gives)
    ]


def every_sensitivity(studies=STUDIES):
    with_data = [study for study in studies if STUDIES[study]["data"] != "none"]
    return per_fit(SENSITIVITY, with_data, gives=catalogue.DRAWS)


def every_comparison(studies=STUDIES):
    return per_study(COMPARISON, [study for study in studies if catalogue.has_comparison(STUDIES[study])])


def every_figure():
    return [f"{FIGURE.format(study=s, figure=f)}.{kind}" for s in STUDIES for f in FIGURES[s] for kind in ("svg", "png")]


def every_table():
    return [f"{TABLE.format(study=s, table=t)}.{kind}" for s in STUDIES for t in TABLES[s] for kind in ("csv", "tex")]


def every_gate():
    return per_study(GATE) if CONFIG["strict"] else []


# What a result depends on: the code of its stage, the files of its model, the part of the study that it uses


def study_of(wildcards):
    if wildcards.study not in STUDIES:
        raise WorkflowError(f"the study '{wildcards.study}' is not among those of this run: {', '.join(STUDIES)}")
    return STUDIES[wildcards.study]


def relative(paths):
    return [os.path.relpath(path) for path in paths]


def code(script, *modules):
    """The script of a stage, the library modules that it imports, and modules that it imports by name later."""
    files = sources.closure(Path(workflow.basedir, f"workflow/scripts/{script}.py"), LIBRARY)
    for module in modules:
        files += sources.closure(LIBRARY / "posterity" / f"{module}.py", LIBRARY)
    return sorted({*relative(files)})


def files_of(file):
    """A file of the user's (model.py, simulate.py, figures.py), and what it imports from beside it and from the library."""
    try:
        beside = map(str, sources.closure(Path(file), Path(file).parent))
        return sorted({*beside, *relative(path for path in sources.closure(Path(file), LIBRARY) if LIBRARY in path.parents)})
    except SyntaxError as error:
        raise WorkflowError(f"{error.filename or file}, line {error.lineno}: {error.msg}") from None


def model_of(wildcards):
    return study_of(wildcards)["models"][wildcards.model]


def model_files(wildcards):
    return files_of(model_of(wildcards)["file"])


def model_spec(wildcards):
    return {key: value for key, value in model_of(wildcards).items() if key != "figures"}


def of_study(*keys):
    """Part of a study, by its keys, as a parameter: of_study("prior", "draws")."""

    def part(wildcards):
        value = study_of(wildcards)
        for key in keys:
            value = value[key]
        return value

    return part


# For data


def simulated_model(wildcards):
    """The entry of the model that a simulation runs: one of the study, or a folder of workflow/models."""
    data = study_of(wildcards)["data"]
    if data == "none" or "simulate" not in data:
        return None
    model = simulation_model(data["simulate"]["model"], study_of(wildcards))
    return {key: value for key, value in model.items() if key != "figures"}


def data_sources(wildcards):
    data, model = study_of(wildcards)["data"], simulated_model(wildcards)
    if model is None:
        return [data["file"]] if data != "none" else []
    simulator = Path(model["file"]).with_name("simulate.py")
    return files_of(simulator if simulator.is_file() else model["file"])


def data_code(wildcards):
    model = simulated_model(wildcards)
    forward = model is not None and not Path(model["file"]).with_name("simulate.py").is_file()
    return code("data", *["simulation", "device"] * forward)


# For fit


def fit_settings(wildcards):
    return {key: value for key, value in study_of(wildcards)["fits"][wildcards.fit].items() if key != "models"}


def fit_code(wildcards):
    return code("fit", "model", "preflight", f"methods/{fit_settings(wildcards)['method']}")


def fit_threads(wildcards):
    settings = fit_settings(wildcards)
    return settings.get(catalogue.METHODS[settings["method"]][1], 1)


# For diagnose and compare


def diagnose_inputs(wildcards):
    """What a fit is judged by: predictions and sensitivity, where it has them."""
    study, place = study_of(wildcards), dict(wildcards)
    draws = catalogue.sampling(study, wildcards.fit) in catalogue.DRAWS
    files = {"predictive": PREDICTIVE} if draws else {}
    files |= {"sensitivity": SENSITIVITY} if draws and study["data"] != "none" else {}
    return {name: path.format(**place) for name, path in files.items()}


def compare_inputs(wildcards):
    study = study_of(wildcards)
    fit, models = catalogue.compared(study)
    several = [model for model in study["models"] if len(catalogue.fits_of(study, model)) > 1]
    return {
        "predictives": [PREDICTIVE.format(study=wildcards.study, model=model, fit=fit) for model in models],
        "posteriors": [path for model in several for path in per_fit(POSTERIOR, [wildcards.study], only=model)],
    }


# For figures


def figure_of(wildcards):
    study_of(wildcards)
    if wildcards.figure not in FIGURES[wildcards.study]:
        raise WorkflowError(f"study {wildcards.study} has no figure '{wildcards.figure}': {', '.join(FIGURES[wildcards.study])}")
    return FIGURES[wildcards.study][wildcards.figure]


def figure_inputs(wildcards):
    figure = figure_of(wildcards)
    place = {"study": wildcards.study, "model": figure["model"], "fit": figure["fit"]}
    paths = {"prior": PRIOR, "posterior": POSTERIOR, "predictive": PREDICTIVE, "sensitivity": SENSITIVITY, "comparison": COMPARISON}
    files = {name: path.format(**place) for name, path in paths.items() if name in figure["needs"]}
    if "posteriors" in figure["needs"]:
        files["posteriors"] = per_fit(POSTERIOR, [wildcards.study], only=figure["model"])
    modules = ["plots/style"] if figure["own"] else [f"plots/{figure['kind']}"]
    own = [path for file in (figure["own"], figure["curve"]) if file for path in files_of(file)]
    return {"data": DATA.format(**place), **files, "code": sorted({*code("figures", *modules), *own})}


def figure_settings(wildcards):
    figure, study = figure_of(wildcards), study_of(wildcards)
    bounds = study["checks"].get("prior_predictive", {}) if figure["kind"] == "prior" else {}
    return {"options": study["figures"], "figure": figure, "title": study["title"], "bounds": bounds}


# For tables


def table_inputs(wildcards):
    if wildcards.table not in TABLES[wildcards.study]:
        raise WorkflowError(f"study {wildcards.study} has no table '{wildcards.table}': {', '.join(TABLES[wildcards.study])}")
    paths = {
        "posteriors": per_fit(POSTERIOR, [wildcards.study]),
        "sensitivities": every_sensitivity([wildcards.study]),
        "comparison": [COMPARISON.format(study=wildcards.study)],
    }
    return {name: paths[name] for name in TABLES[wildcards.study][wildcards.table]}


# After a failure


def failures(snakemake_logs):
    """What the failed jobs of a run said, a sentence each, from their log files."""
    told = "".join(Path(path).read_text(encoding="utf-8") for path in snakemake_logs)
    paths = re.findall(r"^    log: (\S+)", told, flags=re.MULTILINE)
    logs = [Path(path).read_text(encoding="utf-8") for path in dict.fromkeys(paths) if Path(path).is_file()]
    return "\n".join(line for text in logs for line in text.splitlines() if line.startswith("posterity: "))


def forget(jobs):
    """
    Let failed jobs run again the next time.

    Snakemake keeps an earlier output (`update`) when a job fails, but notes it down as if the job had made it. An old time makes it
    older than its inputs; its content stays.
    """
    for path in [path for job in jobs for path in job.output if os.path.exists(path)]:
        workflow.persistence.cleanup_metadata(path)
        os.utime(path, (1, 1))
