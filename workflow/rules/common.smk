# What the rules share: the studies, the paths of the artefacts, and what each stage's result depends on. No rules here.
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

LIBRARY = Path(workflow.basedir, "workflow/lib")
sys.path.insert(0, str(LIBRARY))
# Jobs use the library of this project, whatever else is installed.
os.environ.update(
    PYTHONPATH=os.pathsep.join(
        [str(LIBRARY.resolve()), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    ).rstrip(os.pathsep)
)

from posterity import python_files
from posterity.config import registry, targets
from posterity.config.study import check_configuration, find_simulation_model, load_study
from posterity.errors import UserError, hint
from posterity.workflow import resources as job_resources
from posterity.workflow.job import read_status, get_status_path

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


def stop(sentence):
    """End Snakemake with a sentence for the user; also from an input function, where another exception comes with a traceback."""
    sys.exit(f"posterity: {sentence}")


try:
    CONFIG = check_configuration(config)
    STUDIES = {name: load_study(name, CONFIG["defaults"]) for name in CONFIG["studies"]}
    FIGURES = {name: targets.list_figures(name, study) for name, study in STUDIES.items()}
    TABLES = {name: targets.list_tables(study) for name, study in STUDIES.items()}
except UserError as error:
    stop(error)


# Where artefacts are written before they are moved to their places: read in each job, as nodes differ
if CONFIG["scratch"]:
    os.environ.update(POSTERITY_SCRATCH=CONFIG["scratch"])


def check_writable(place, remedy):
    """Stop where nothing can be written to a folder: it is read-only, or its disk is full."""
    try:
        with tempfile.TemporaryFile(dir=place, buffering=0) as file:
            file.write(bytes(4096))
    except OSError as error:
        stop(
            f"{place.resolve()}: cannot be written ({error.strerror}); look at the folder and its disk, {remedy}"
        )


if Path("results").exists() and not Path("results").is_dir():
    stop("results: this is a file where the folder of the results should be; move it away")
if (
    workflow.is_main_process
):  # Snakemake keeps its notes there, and fails with a traceback where it cannot
    notes = Path(".snakemake")
    check_writable(notes if notes.is_dir() else Path(), "or run in a copy of the project elsewhere")


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
    return [
        path.format(study=study, model=model)
        for study in studies
        for model in STUDIES[study]["models"]
    ]


def per_fit(path, studies=STUDIES, only=None, gives=registry.ALL_KINDS):
    """The path for each fit (of the model `only`), of those whose draws are of a kind that `gives` lists."""
    return [
        path.format(study=study, model=model, fit=fit)
        for study in studies
        for model in STUDIES[study]["models"]
        if only in (None, model)
        for fit in targets.list_fits(STUDIES[study], model, gives)
    ]


def every_sensitivity(studies=STUDIES):
    with_data = [study for study in studies if STUDIES[study]["data"] != "none"]
    return per_fit(SENSITIVITY, with_data, gives=registry.DRAW_KINDS)


def every_comparison(studies=STUDIES):
    return per_study(
        COMPARISON, [study for study in studies if targets.has_comparison(STUDIES[study])]
    )


def every_figure():
    return [
        f"{FIGURE.format(study=s, figure=f)}.{kind}"
        for s in STUDIES
        for f in FIGURES[s]
        for kind in ("svg", "png")
    ]


def every_table():
    return [
        f"{TABLE.format(study=s, table=t)}.{kind}"
        for s in STUDIES
        for t in TABLES[s]
        for kind in ("csv", "tex")
    ]


def every_gate():
    return per_study(GATE) if CONFIG["strict"] else []


# What a result depends on: the code of its stage, the files of its model, the part of the study that it uses


def study_of(wildcards):
    if wildcards.study not in STUDIES:
        remedy = f"name it with --config studies={wildcards.study}"
        stop(
            f"results/{wildcards.study}: this is no study of this run, whose studies are {', '.join(STUDIES)}; {remedy}"
        )
    return STUDIES[wildcards.study]


def relative(paths):
    return [os.path.relpath(path) for path in paths]


# modules that the functions of a script import
PRIOR_MODULES = (
    "model/bind",
    "model/datasets",
    "model/dependencies",
    "model/preflight",
    "prediction/predict",
)
FIT_MODULES = (
    "inference/checkpoint",
    "inference/run",
    "inference/storage",
    "model/bind",
    "model/datasets",
    "model/preflight",
)
PREDICT_MODULES = (
    "model/bind",
    "model/datasets",
    "prediction/new_data",
    "prediction/predict",
    "prediction/statistics",
)


@cache
def code(script, *modules):
    """The script of a stage, the library modules that it imports, and modules that it imports by name later."""
    files = python_files.import_closure(
        Path(workflow.basedir, f"workflow/scripts/{script}.py"), LIBRARY
    )
    for module in modules:
        files += python_files.import_closure(LIBRARY / "posterity" / f"{module}.py", LIBRARY)
    return sorted({*relative(files)})


@cache
def files_of(file):
    """A file of the user's (model.py, simulate.py, figures.py), and what it imports from beside it and from the library."""
    try:
        return python_files.user_files(file, LIBRARY)
    except SyntaxError as error:
        stop(f"{error.filename or file}, line {error.lineno}: {error.msg}; mend the file")


def model_of(wildcards):
    models = study_of(wildcards)["models"]
    if wildcards.model not in models:
        place = f"results/{wildcards.study}/{wildcards.model}"
        stop(
            f"{place}: study {wildcards.study} has no model '{wildcards.model}': {hint(wildcards.model, models)}"
        )
    return models[wildcards.model]


def fit_of(wildcards):
    model_of(wildcards)
    fits = targets.list_fits(study_of(wildcards), wildcards.model)
    if wildcards.fit not in fits:
        place = f"results/{wildcards.study}/{wildcards.model}/{wildcards.fit}"
        stop(
            f"{place}: model {wildcards.model} of study {wildcards.study} has no fit '{wildcards.fit}': {hint(wildcards.fit, fits)}"
        )
    return study_of(wildcards)["fits"][wildcards.fit]


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


# What a job asks for, from the size of its work


@cache
def sizes():
    """The sizes of all models: counted before anything is submitted to a cluster; locally, where nothing is asked for, as known."""
    return job_resources.get_model_sizes(
        STUDIES,
        count=job_resources.COUNT_SIZES or (workflow.is_main_process and workflow.non_local_exec),
    )


@cache
def numbers(study, model, fit):
    return job_resources.estimate_workload(
        STUDIES[study],
        {of: size for (name, of), size in sizes().items() if name == study},
        model,
        fit,
    )


def asked(stage, resource):
    """What a job of a stage asks for (`mem_mb`, `runtime` in minutes, `gpu`), as posterity.workflow.resources says; more at each attempt."""

    def ask(wildcards, attempt):
        place = dict(wildcards)
        if "study" not in place:  # the verdicts on all studies
            return job_resources.estimate_resources(stage, {}, attempt)[resource]
        study_of(wildcards)
        figure = figure_of(wildcards) if "figure" in place else {}
        of = {key: figure.get(key, place.get(key)) or None for key in ("model", "fit")}
        kind = figure["kind"] if figure else place.get("table")
        if stage == "compare" and not targets.choose_compared_models(STUDIES[place["study"]])[1]:
            kind = "fits"
        return job_resources.estimate_resources(
            f"{stage} {kind}" if kind else stage, numbers(place["study"], **of), attempt
        )[resource]

    return ask


# For data


def simulated_model(wildcards):
    """The entry of the model that a simulation runs: one of the study, or a folder of workflow/models."""
    data = study_of(wildcards)["data"]
    if data == "none" or "simulate" not in data:
        return None
    model = find_simulation_model(data["simulate"]["model"], study_of(wildcards))
    return {key: value for key, value in model.items() if key != "figures"}


def data_sources(wildcards):
    data, model = study_of(wildcards)["data"], simulated_model(wildcards)
    if model is None:
        return [data["file"]] if data != "none" else []
    simulator = Path(model["file"]).with_name("simulate.py")
    named = [
        value
        for value in data["simulate"]["design"].values()
        if isinstance(value, str) and Path(value).is_file()
    ]
    return [*files_of(simulator), *named] if simulator.is_file() else files_of(model["file"])


def data_code(wildcards):
    model = simulated_model(wildcards)
    forward = model is not None and not Path(model["file"]).with_name("simulate.py").is_file()
    return code("data", *["data/simulate", "runtime/device"] * forward)


# For fit


def fit_settings(wildcards):
    return {key: value for key, value in fit_of(wildcards).items() if key != "models"}


def fit_code(wildcards):
    settings = fit_settings(wildcards)
    by_arviz = (
        settings.get("resample")
        or {"ess", "rhat"} & settings.get("stop_when", {}).keys()
        or "summary" in settings.get("store", {}).values()
    )
    later = ["inference/enumeration"] * registry.METHODS[settings["method"]].enumerates_discrete
    later += ["stats/summary", "stats/importance"] * bool(by_arviz) + [
        "inference/methods/pathfinder"
    ] * (settings.get("init") == "pathfinder")
    files = code("fit", *FIT_MODULES, f"inference/methods/{settings['method']}", *later)
    guide = Path(model_of(wildcards)["file"]).with_name("guide.py")
    user_guide = not settings.get("guide", "Auto").startswith("Auto") and guide.is_file()
    return sorted({*files, *files_of(str(guide))}) if user_guide else files


def fit_threads(wildcards):
    """One for each chain. On one machine, with far more fits than cores: one, as cores idle while fits with several start."""
    here = workflow.is_main_process and not workflow.non_local_exec
    return (
        1
        if here and parallel_fits() >= 4 * workflow.cores
        else targets.count_threads(fit_settings(wildcards))
    )


@cache
def parallel_fits():
    """The number of fits of this run that could use several threads."""
    return sum(
        targets.count_threads(study["fits"][fit]) > 1
        for study in STUDIES.values()
        for model in study["models"]
        for fit in targets.list_fits(study, model)
    )


# For predict, diagnose and compare


def gives_draws(wildcards):
    fit_of(wildcards)
    return targets.get_draw_kind(study_of(wildcards), wildcards.fit) in registry.DRAW_KINDS


def posterior_draws(wildcards):
    if not gives_draws(wildcards):
        place = f"results/{wildcards.study}/{wildcards.model}/{wildcards.fit}"
        stop(
            f"{place}: the fit '{wildcards.fit}' is a point estimate, from which nothing is predicted; name a fit with draws"
        )
    return POSTERIOR.format(**dict(wildcards))


def diagnoses_of(wildcards):
    study_of(wildcards)
    return per_fit(DIAGNOSIS, [wildcards.study])


def diagnose_inputs(wildcards):
    """What a fit is judged by: predictions and sensitivity, where it has them."""
    study, place, draws = study_of(wildcards), dict(wildcards), gives_draws(wildcards)
    files = {"predictive": PREDICTIVE} if draws else {}
    files |= {"sensitivity": SENSITIVITY} if draws and study["data"] != "none" else {}
    return {name: path.format(**place) for name, path in files.items()}


def compare_inputs(wildcards):
    study = study_of(wildcards)
    if not targets.has_comparison(study):
        where = f"results/{wildcards.study}/comparison.nc"
        stop(
            f"{where}: the study has nothing to compare; give it two models of its data by one fit, or two fits of a model"
        )
    fit, models = targets.choose_compared_models(study)
    several = [model for model in study["models"] if len(targets.list_fits(study, model)) > 1]
    return {
        "predictives": [
            PREDICTIVE.format(study=wildcards.study, model=model, fit=fit) for model in models
        ],
        "posteriors": [
            path for model in several for path in per_fit(POSTERIOR, [wildcards.study], only=model)
        ],
    }


# For figures


def figure_of(wildcards):
    study_of(wildcards)
    if wildcards.figure not in FIGURES[wildcards.study]:
        known, place = FIGURES[wildcards.study], f"results/{wildcards.study}/figures"
        stop(
            f"{place}: study {wildcards.study} has no figure '{wildcards.figure}': {hint(wildcards.figure, known)}"
        )
    return FIGURES[wildcards.study][wildcards.figure]


def figure_inputs(wildcards):
    figure = figure_of(wildcards)
    place = {"study": wildcards.study, "model": figure["model"], "fit": figure["fit"]}
    paths = {
        "prior": PRIOR,
        "posterior": POSTERIOR,
        "predictive": PREDICTIVE,
        "sensitivity": SENSITIVITY,
        "comparison": COMPARISON,
    }
    files = {name: path.format(**place) for name, path in paths.items() if name in figure["needs"]}
    if "posteriors" in figure["needs"]:
        fits = figure["fits"] or targets.list_fits(study_of(wildcards), figure["model"])
        files["posteriors"] = [POSTERIOR.format(**place | {"fit": fit}) for fit in fits]
    modules = ["plots/style"] if figure["custom"] else [f"plots/{figure['kind']}"]
    user_code = [
        path for file in (figure["custom"], figure["curve"]) if file for path in files_of(file)
    ]
    return {
        "data": DATA.format(**place),
        **files,
        "code": sorted({*code("figures", *modules), *user_code}),
    }


def figure_settings(wildcards):
    figure, study = figure_of(wildcards), study_of(wildcards)
    bounds = study["checks"].get("prior_predictive", {}) if figure["kind"] == "prior" else {}
    options = {key: value for key, value in study["figures"].items() if key != "kinds"}
    return {"options": options, "figure": figure, "title": study["title"], "bounds": bounds}


# For tables


def table_inputs(wildcards):
    study_of(wildcards)
    if wildcards.table not in TABLES[wildcards.study]:
        known, place = TABLES[wildcards.study], f"results/{wildcards.study}/tables"
        stop(
            f"{place}: study {wildcards.study} has no table '{wildcards.table}': {hint(wildcards.table, known)}"
        )
    paths = {
        "posteriors": per_fit(POSTERIOR, [wildcards.study]),
        "sensitivities": every_sensitivity([wildcards.study]),
        "comparison": [COMPARISON.format(study=wildcards.study)],
    }
    return {name: paths[name] for name in TABLES[wildcards.study][wildcards.table]}


# Before the first job, and after a failure


def check_results():
    """Stop where nothing can be written to the folder of the results, or where it leads nowhere."""
    place = Path("results")
    if place.is_symlink() and not place.exists():
        stop(
            f"results: leads to {os.readlink(place)}, which is not there; make that folder, or the link anew"
        )
    place.mkdir(exist_ok=True)
    check_writable(place, "or make results/ a link to another place")


def remove_status(jobs):
    """Remove the status files of earlier runs, since a job that does not start leaves its own as it was."""
    for path in [path for job in jobs for path in job.log]:
        get_status_path(path).unlink(missing_ok=True)


def failures(jobs):
    """
    Return why jobs failed, a line each, from their status files.

    A group of jobs has the logs of all its members, of which some are done or never started. A job of a cluster that still runs by
    its status file was killed.
    """
    lines = []
    for path in sorted({path for job in jobs for path in job.log}):
        status = read_status(path)
        if status.get("state") == "failed":
            lines.append(f"posterity: {status['job']}: {status['messages'][0]}")
        elif status.get("state") == "running" and workflow.non_local_exec:
            reason = "the job was cancelled, or killed for its memory or its time. Read results/logs/slurm."
            lines.append(f"posterity: {status['job']}: {reason}")
    return "\n".join(lines)


def forget(jobs):
    """
    Let failed jobs run again the next time.

    Snakemake keeps an earlier output (`update`) when a job fails, but notes it down as if the job had made it. An old time makes it
    older than its inputs; its content stays.
    """
    for path in [path for job in jobs for path in job.output if os.path.exists(path)]:
        workflow.persistence.cleanup_metadata(path)
        os.utime(path, (1, 1))
