"""The studies of a run: entries, paths of artefacts, and parameters of jobs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from posterity.config import targets
from posterity.config.registry import ALL_KINDS, DRAW_KINDS, TABLES
from posterity.config.study import find_simulation_model
from posterity.errors import UserError, hint
from posterity.workflow import paths

REQUIRED = object()  # default of `Studies.setting`: the key must exist


@dataclass(eq=False)
class Studies:
    """
    The studies of one run.

    Methods that take `wildcards` read the attributes study, model, fit, figure and table of that
    object. They raise UserError if the ids in it do not exist.

    Attributes
    ----------
    studies : dict
        Settings of each study, in normal form.
    strict : bool
        Whether a failed verdict stops the run.
    figures : dict
        Figures of each study, by file name without suffix.
    tables : dict
        Tables of each study, with the artefacts that each needs.
    """

    studies: dict[str, dict]
    strict: bool = False
    figures: dict[str, dict[str, dict]] = field(init=False)
    tables: dict[str, dict[str, tuple[str, ...]]] = field(init=False)

    def __post_init__(self) -> None:
        self.figures = {name: targets.list_figures(name, s) for name, s in self.studies.items()}
        self.tables = {name: targets.list_tables(study) for name, study in self.studies.items()}

    # Paths of artefacts, of all studies or of some

    def list_study_paths(self, path: str, studies: Iterable[str] | None = None) -> list[str]:
        """Return a path for each study."""
        return [path.format(study=study) for study in self._choose(studies)]

    def list_model_paths(self, path: str, studies: Iterable[str] | None = None) -> list[str]:
        """Return a path for each model of each study."""
        return [
            path.format(study=study, model=model)
            for study in self._choose(studies)
            for model in self.studies[study]["models"]
        ]

    def list_fit_paths(
        self,
        path: str,
        studies: Iterable[str] | None = None,
        model: str | None = None,
        kinds: tuple[str, ...] = ALL_KINDS,
    ) -> list[str]:
        """
        Return a path for each fit.

        Parameters
        ----------
        path : str
            Path with the fields study, model and fit.
        studies : iterable of str, optional
            Ids of studies; all by default.
        model : str, optional
            Id of the only model; all by default.
        kinds : tuple of str
            Kinds of draws that the fits may yield.
        """
        return [
            path.format(study=study, model=name, fit=fit)
            for study in self._choose(studies)
            for name in self.studies[study]["models"]
            if model in (None, name)
            for fit in targets.list_fits(self.studies[study], name, kinds)
        ]

    def list_sensitivities(self, studies: Iterable[str] | None = None) -> list[str]:
        """Return the sensitivities of all fits with draws, for studies with data."""
        chosen = [name for name in self._choose(studies) if self.studies[name]["data"] != "none"]
        return self.list_fit_paths(paths.SENSITIVITY, chosen, kinds=DRAW_KINDS)

    def list_comparisons(self, studies: Iterable[str] | None = None) -> list[str]:
        """Return the comparisons of the studies that have something to compare."""
        chosen = [n for n in self._choose(studies) if targets.has_comparison(self.studies[n])]
        return self.list_study_paths(paths.COMPARISON, chosen)

    def list_figure_files(self) -> list[str]:
        """Return the files of all figures."""
        stems = [
            paths.FIGURE.format(study=study, figure=figure)
            for study, figures in self.figures.items()
            for figure in figures
        ]
        return [f"{stem}.{suffix}" for stem in stems for suffix in ("svg", "png")]

    def list_table_files(self) -> list[str]:
        """Return the files of all tables."""
        stems = [
            paths.TABLE.format(study=study, table=table)
            for study, tables in self.tables.items()
            for table in tables
        ]
        return [f"{stem}.{suffix}" for stem in stems for suffix in ("csv", "tex")]

    def list_gates(self) -> list[str]:
        """Return the gates of all studies for a strict run, else nothing."""
        return self.list_study_paths(paths.GATE) if self.strict else []

    # Entries that the wildcards of a job name

    def get_study(self, wildcards: Any) -> dict:
        """Return the settings of a study."""
        name = wildcards.study
        if name not in self.studies:
            raise UserError(
                f"results/{name}: '{name}' is not a study of this run, which has "
                f"{', '.join(self.studies)}. Add it: --config studies={name}"
            )
        return self.studies[name]

    def get_model(self, wildcards: Any) -> dict:
        """Return the entry of a model in its study."""
        models = self.get_study(wildcards)["models"]
        place = f"results/{wildcards.study}/{wildcards.model}"
        return get_entry(models, wildcards.model, place, f"study {wildcards.study} has no model")

    def get_fit(self, wildcards: Any) -> dict:
        """Return the settings of a fit of a model."""
        self.get_model(wildcards)
        study = self.get_study(wildcards)
        fits = {fit: study["fits"][fit] for fit in targets.list_fits(study, wildcards.model)}
        place = f"results/{wildcards.study}/{wildcards.model}/{wildcards.fit}"
        problem = f"model {wildcards.model} of study {wildcards.study} has no fit"
        return get_entry(fits, wildcards.fit, place, problem)

    def get_figure(self, wildcards: Any) -> dict:
        """Return the description of a figure."""
        self.get_study(wildcards)
        figures, place = self.figures[wildcards.study], f"results/{wildcards.study}/figures"
        return get_entry(figures, wildcards.figure, place, f"study {wildcards.study} has no figure")

    # Parameters

    def setting(self, *keys: str, default: Any = REQUIRED) -> Callable[[Any], Any]:
        """
        Return a function that reads a setting of the study of a job: `setting("prior", "draws")`.

        `lookup` of Snakemake does the same, but visits all settings of all studies for each value.
        """

        def read_setting(wildcards: Any) -> Any:
            value = self.get_study(wildcards)
            for key in keys:
                if key not in value and default is not REQUIRED:
                    return default
                value = value[key]
            return value

        return read_setting

    def get_model_spec(self, wildcards: Any) -> dict:
        """Return what defines a model. Its figures do not."""
        return omit_key(self.get_model(wildcards), "figures")

    def get_simulated_model(self, wildcards: Any) -> dict | None:
        """Return what defines the model that a study simulates; None if it does not simulate."""
        study = self.get_study(wildcards)
        if study["data"] == "none" or "simulate" not in study["data"]:
            return None
        model = find_simulation_model(study["data"]["simulate"]["model"], study)
        return omit_key(model, "figures")

    def get_fit_settings(self, wildcards: Any) -> dict:
        """Return the settings of a fit. The list of its models is not one of them."""
        return omit_key(self.get_fit(wildcards), "models")

    def get_limits(self, wildcards: Any) -> dict:
        """Return the thresholds of the checks of a study."""
        return omit_key(self.get_study(wildcards)["checks"], "expect")

    def get_table_limits(self, wildcards: Any) -> dict:
        """Return the number of scalars per site and the threshold of heavy tails in tables."""
        checks = self.get_study(wildcards)["checks"]
        return {"scalars": checks["max_scalars_per_site"], "tails": checks["tails"]}

    def get_figure_settings(self, wildcards: Any) -> dict:
        """Return what the script of a figure needs: options, figure, title of the study, bounds."""
        figure, study = self.get_figure(wildcards), self.get_study(wildcards)
        bounds = study["checks"].get("prior_predictive", {}) if figure["kind"] == "prior" else {}
        return {
            "options": omit_key(study["figures"], "kinds"),
            "figure": figure,
            "title": study["title"],
            "bounds": bounds,
        }

    def get_figure_labels(self, wildcards: Any) -> dict[str, str]:
        """Return the labels of a figure in the report."""
        figure = self.get_figure(wildcards)
        return {"fit": figure["fit"] or "-", "figure": figure["title"]}

    def get_table_labels(self, wildcards: Any) -> dict[str, str]:
        """Return the labels of a table in the report."""
        return {"fit": "all", "figure": TABLES[wildcards.table].title}

    def list_titles(self) -> dict[str, dict[str, str]]:
        """Return title and description of each study."""
        return {
            name: {key: study[key] for key in ("title", "description")}
            for name, study in self.studies.items()
        }

    def list_report_pages(self) -> dict[str, dict]:
        """Return the links of the first page of the report, by study."""
        pages = {}
        for study, tables in self.tables.items():
            files = {TABLES[kind].title: f"results/{study}/tables/{kind}.html" for kind in tables}
            files["all checks"] = paths.CHECKS
            pages[study] = targets.list_report_links(study, self.figures[study], files)
        return pages

    def _choose(self, studies: Iterable[str] | None) -> Iterable[str]:
        return self.studies if studies is None else studies


def get_entry(entries: dict[str, Any], name: str, place: str, problem: str) -> Any:
    """Return an entry by its id. Raises UserError with the nearest id."""
    if name not in entries:
        raise UserError(f"{place}: {problem} '{name}': {hint(name, entries)}")
    return entries[name]


def omit_key(settings: dict, omitted: str) -> dict:
    """Return settings without one key."""
    return {key: value for key, value in settings.items() if key != omitted}
