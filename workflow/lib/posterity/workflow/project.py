"""The project as the rules see it: the studies, and the inputs, code and resources of each job."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from posterity.config import targets
from posterity.config.registry import DRAW_KINDS
from posterity.config.study import check_configuration, load_configuration, load_study
from posterity.errors import UserError
from posterity.workflow import paths
from posterity.workflow.code_files import list_method_modules, list_stage_code, list_user_code
from posterity.workflow.resources import (
    ModelSize,
    estimate_resources,
    estimate_workload,
    get_model_sizes,
    must_count_sizes,
)
from posterity.workflow.studies import Studies, get_entry


@dataclass(eq=False)
class Project(Studies):
    """
    The studies of one run, and the files that compute them.

    Attributes
    ----------
    scratch : str
        Folder in which jobs write artefacts before they move them to their places, empty for none.
    folder : Path
        The folder `workflow/` of the repository, with scripts and library.
    workflow : object
        The workflow of Snakemake, or an object with `is_main_process`, `non_local_exec` and
        `cores`. Snakemake sets them after it has read the rules, so only methods read them.
    """

    scratch: str = ""
    folder: Path = Path("workflow")
    workflow: Any = None
    _workloads: dict[tuple, dict[str, int]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def load(cls, config: dict, folder: Path, workflow: Any) -> "Project":
        """
        Return the project of a run. Raises UserError for errors in its configuration or a study.

        Parameters
        ----------
        config : dict
            The configuration as Snakemake has read it.
        folder : Path
            The folder `workflow/` of the repository.
        workflow : object
            The workflow of Snakemake.
        """
        settings = check_configuration(choose_configuration(config, workflow))
        studies = {name: load_study(name, settings["defaults"]) for name in settings["studies"]}
        return cls(
            studies=studies,
            strict=settings["strict"],
            scratch=settings["scratch"],
            folder=folder,
            workflow=workflow,
        )

    # Inputs

    def list_data_sources(self, wildcards: Any) -> list[str]:
        """Return the files that the data of a study come from."""
        data, model = self.get_study(wildcards)["data"], self.get_simulated_model(wildcards)
        if model is None:
            return [data["file"]] if data != "none" else []
        simulator = _find_next_to(model, "simulate.py")
        if simulator is None:
            return list_user_code(self.folder, model["file"])
        design = data["simulate"]["design"].values()
        files = [value for value in design if isinstance(value, str) and Path(value).is_file()]
        return [*list_user_code(self.folder, simulator), *files]

    def list_data_code(self, wildcards: Any) -> list[str]:
        """Return the code of the stage `data`."""
        model = self.get_simulated_model(wildcards)
        from_model = model is not None and _find_next_to(model, "simulate.py") is None
        modules = ("data/simulate", "runtime/device") if from_model else ()
        return list_stage_code(self.folder, "data", *modules)

    def list_code(self, stage: str) -> list[str]:
        """Return the code of a stage that is the same for all jobs."""
        return list_stage_code(self.folder, stage)

    def list_model_files(self, wildcards: Any) -> list[str]:
        """Return the files that define a model."""
        return list_user_code(self.folder, self.get_model(wildcards)["file"])

    def list_fit_code(self, wildcards: Any) -> list[str]:
        """Return the code of a fit: that of the stage and its method, and the user's own guide."""
        settings = self.get_fit_settings(wildcards)
        files = list_stage_code(self.folder, "fit", *list_method_modules(settings))
        guide = _find_next_to(self.get_model(wildcards), "guide.py")
        if guide is not None and not settings.get("guide", "Auto").startswith("Auto"):
            return sorted({*files, *list_user_code(self.folder, guide)})
        return files

    def get_posterior(self, wildcards: Any) -> str:
        """Return the posterior that predictions are drawn from. Raises UserError for a point."""
        if not self._has_draws(wildcards):
            raise UserError(
                f"results/{wildcards.study}/{wildcards.model}/{wildcards.fit}: the fit "
                f"'{wildcards.fit}' is a point estimate, which has no predictions. "
                "Name a fit with draws."
            )
        return _fill(paths.POSTERIOR, wildcards)

    def list_diagnoses(self, wildcards: Any) -> list[str]:
        """Return the diagnoses of all fits of a study."""
        self.get_study(wildcards)
        return self.list_fit_paths(paths.DIAGNOSIS, [wildcards.study])

    def list_diagnose_inputs(self, wildcards: Any) -> dict[str, str]:
        """Return predictions and sensitivity of a fit, if it has them, by name."""
        if not self._has_draws(wildcards):
            return {}
        files = {"predictive": _fill(paths.PREDICTIVE, wildcards)}
        if self.get_study(wildcards)["data"] != "none":
            files["sensitivity"] = _fill(paths.SENSITIVITY, wildcards)
        return files

    def list_compare_inputs(self, wildcards: Any) -> dict[str, list[str]]:
        """
        Return the predictions and posteriors that a study compares.

        Raises UserError for none.
        """
        study, name = self.get_study(wildcards), wildcards.study
        if not targets.has_comparison(study):
            raise UserError(
                f"results/{name}/comparison.nc: the study has nothing to compare. Fit two models "
                "by the same method, or one model by two methods."
            )
        fit, models = targets.choose_compared_models(study)
        several = [model for model in study["models"] if len(targets.list_fits(study, model)) > 1]
        return {
            "predictives": [
                paths.PREDICTIVE.format(study=name, model=model, fit=fit) for model in models
            ],
            "posteriors": [
                path
                for model in several
                for path in self.list_fit_paths(paths.POSTERIOR, [name], model)
            ],
        }

    def list_figure_inputs(self, wildcards: Any) -> dict[str, str | list[str]]:
        """Return the artefacts that a figure needs, and its code, by name."""
        figure = self.get_figure(wildcards)
        ids = {"study": wildcards.study, "model": figure["model"], "fit": figure["fit"]}
        needed = {
            "prior": paths.PRIOR,
            "posterior": paths.POSTERIOR,
            "predictive": paths.PREDICTIVE,
            "sensitivity": paths.SENSITIVITY,
            "comparison": paths.COMPARISON,
        }
        files: dict[str, str | list[str]] = {"data": paths.DATA.format(**ids)}
        for name in needed.keys() & figure["needs"]:
            files[name] = needed[name].format(**ids)
        if "posteriors" in figure["needs"]:
            study = self.get_study(wildcards)
            fits = figure["fits"] or targets.list_fits(study, figure["model"])
            files["posteriors"] = [paths.POSTERIOR.format(**ids | {"fit": fit}) for fit in fits]
        module = "plots/style" if figure["custom"] else f"plots/{figure['kind']}"
        code = {*list_stage_code(self.folder, "figures", module, nested=False)}
        for file in filter(None, (figure["custom"], figure["curve"])):
            code |= {*list_user_code(self.folder, file)}
        return files | {"code": sorted(code)}

    def list_table_inputs(self, wildcards: Any) -> dict[str, list[str]]:
        """Return the artefacts that a table needs, by name."""
        self.get_study(wildcards)
        study, place = wildcards.study, f"results/{wildcards.study}/tables"
        needs = get_entry(self.tables[study], wildcards.table, place, f"study {study} has no table")
        files = {
            "posteriors": self.list_fit_paths(paths.POSTERIOR, [study]),
            "sensitivities": self.list_sensitivities([study]),
            "comparison": self.list_study_paths(paths.COMPARISON, [study]),
        }
        return {name: files[name] for name in needs}

    # Threads and resources

    def count_fit_threads(self, wildcards: Any) -> int:
        """
        Return the number of threads of a fit: one for each chain.

        On one machine with far more fits than cores it is one, since cores idle while fits with
        several threads start.
        """
        workflow = self.workflow
        on_this_machine = workflow.is_main_process and not workflow.non_local_exec
        if on_this_machine and self.parallel_fits >= 4 * workflow.cores:
            return 1
        return targets.count_threads(self.get_fit_settings(wildcards))

    @cached_property
    def parallel_fits(self) -> int:
        """The number of fits in this run that can use several threads."""
        return sum(
            targets.count_threads(study["fits"][fit]) > 1
            for study in self.studies.values()
            for model in study["models"]
            for fit in targets.list_fits(study, model)
        )

    @cached_property
    def model_sizes(self) -> dict[tuple[str, str], ModelSize]:
        """
        The known sizes of models, by study and model.

        They are counted before jobs go to a cluster. A run on this machine requests nothing, so it
        counts nothing.
        """
        on_cluster = self.workflow.is_main_process and self.workflow.non_local_exec
        return get_model_sizes(self.studies, count=must_count_sizes() or on_cluster)

    def request(self, stage: str, resource: str) -> Callable[[Any, int], int | None]:
        """
        Return a function that estimates what a job of a stage requests.

        Parameters
        ----------
        stage : str
            Name of the rule.
        resource : str
            `mem_mb`, `runtime` (minutes) or `gpu`.
        """

        def estimate_request(wildcards: Any, attempt: int) -> int | None:
            return self.estimate_job(stage, wildcards, attempt)[resource]

        return estimate_request

    def estimate_job(self, stage: str, wildcards: Any, attempt: int) -> dict[str, int | None]:
        """Return all resources that a job requests at its first, second, ... attempt."""
        ids = {key: getattr(wildcards, key, None) for key in ("study", "model", "fit", "table")}
        kind = ids["table"]
        if ids["study"] is None:  # the verdicts on all studies
            return estimate_resources(stage, {}, attempt)
        study = self.get_study(wildcards)
        if hasattr(wildcards, "figure"):
            figure = self.get_figure(wildcards)
            kind = figure["kind"]
            ids |= {key: figure[key] or None for key in ("model", "fit")}
        if stage == "compare" and not targets.choose_compared_models(study)[1]:
            kind = "fits"
        workload = self._count_workload(ids["study"], ids["model"], ids["fit"])
        return estimate_resources(f"{stage} {kind}" if kind else stage, workload, attempt)

    def _count_workload(self, study: str, model: str | None, fit: str | None) -> dict[str, int]:
        key = (study, model, fit)
        if key not in self._workloads:
            sizes = {name: size for (of, name), size in self.model_sizes.items() if of == study}
            self._workloads[key] = estimate_workload(self.studies[study], sizes, model, fit)
        return self._workloads[key]

    def _has_draws(self, wildcards: Any) -> bool:
        self.get_fit(wildcards)
        kind = targets.get_draw_kind(self.get_study(wildcards), wildcards.fit)
        return kind in DRAW_KINDS


def choose_configuration(config: dict, workflow: Any) -> dict:
    """
    Return the configuration of a run.

    It is config/config.yaml with the values of the command line. The file is read here again by the
    YAML rules of the studies, since Snakemake reads it by YAML 1.1, in which 1e-3 is text. A
    Snakefile that uses this one as a module passes its own configuration instead.
    """
    if workflow.modifier.skip_configfile:
        return config
    overrides = workflow.config_settings.overwrite_config
    return load_configuration("config/config.yaml", overrides)


def _find_next_to(model: dict, name: str) -> str | None:
    """Return the file of a name in the folder of a model, if it exists."""
    file = Path(model["file"]).with_name(name)
    return str(file) if file.is_file() else None


def _fill(path: str, wildcards: Any) -> str:
    """Return the path of an artefact of a fit."""
    return path.format(study=wildcards.study, model=wildcards.model, fit=wildcards.fit)
