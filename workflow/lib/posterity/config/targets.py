"""What a study produces: fits, figures, tables and links of the report."""

from pathlib import Path

from posterity.config.registry import (
    ALL_KINDS,
    DRAW_KINDS,
    FIGURE_KINDS,
    METHODS,
    TABLES,
)
from posterity.errors import UserError
from posterity.python_files import list_defined_names, read_docstring


def get_draw_kind(study: dict, fit: str) -> str:
    """Return what a fit yields: draws of `chains`, `independent` draws, or a `point`."""
    settings = study["fits"][fit]
    if settings.get("guide") == "AutoDelta":  # a guide that is a point
        return "point"
    return METHODS[settings["method"]].draw_kind


def count_threads(settings: dict) -> int:
    """Return the number of threads that a fit with these settings can use."""
    setting = METHODS[settings["method"]].threads_setting
    return settings[setting] if setting in settings else 1


def list_fits(study: dict, model: str, gives: tuple[str, ...] = ALL_KINDS) -> list[str]:
    """Return the fits of a model, restricted to those that yield one of the kinds in `gives`."""
    return [
        fit
        for fit, settings in study["fits"].items()
        if model in settings["models"] and get_draw_kind(study, fit) in gives
    ]


def choose_compared_models(study: dict) -> tuple[str, list[str]]:
    """
    Return the fit by which models are compared and the compared models: none or at least two.

    The fit is `compare: fit:` of the study, if it is set. Otherwise a fit of several models is
    preferred, then one by chains, then the one of most models, then one with the id `nuts`.
    Raises UserError if `fit` or `reference` of `compare:` leaves nothing to compare.
    """
    if study["data"] == "none":
        return "", []
    fit = _choose_comparison_fit(study)
    models = study["fits"][fit]["models"] if fit else []
    if len(models) < 2:
        models = []
    _check_comparison(study["compare"], fit, models)
    return (fit, models) if models else ("", [])


def _choose_comparison_fit(study: dict) -> str:
    """Return the fit with draws that compares most models, or "" if there is none."""
    chosen = study["compare"].get("fit")
    candidates = [
        fit
        for fit in study["fits"]
        if get_draw_kind(study, fit) in DRAW_KINDS and chosen in (None, fit)
    ]

    def preference(fit: str) -> tuple[bool, bool, int, bool]:
        count = len(study["fits"][fit]["models"])
        return count > 1, get_draw_kind(study, fit) == "chains", count, fit == "nuts"

    return max(candidates, key=preference, default="")


def _check_comparison(compare: dict, fit: str, models: list[str]) -> None:
    """Raise UserError if `compare:` names a fit or a reference that takes part in no comparison."""
    if "fit" in compare and not models:
        raise UserError(
            f"the study's compare: fit: '{compare['fit']}': a comparison needs two models with "
            "draws by this fit. Name another fit, or remove the key."
        )
    if "reference" in compare and compare["reference"] not in models:
        raise UserError(
            f"the study's compare: reference: '{compare['reference']}': the comparison uses the "
            f"fit {fit or '(there is none)'}, which does not include this model. Add the model "
            "to the fit, or name another reference."
        )


def has_comparison(study: dict) -> bool:
    """Return whether there are two models of one fit, or two fits of one model, to compare."""
    return bool(choose_compared_models(study)[1]) or any(
        len(list_fits(study, model)) > 1 for model in study["models"]
    )


def _list_needed_artefacts(
    kind: str, study: dict, model: str, fit: str, has_curve: bool
) -> tuple[str, ...] | None:
    """Return the artefacts that a figure needs, or None if the figure makes no sense."""
    record = FIGURE_KINDS[kind]
    if kind not in study["figures"].get("kinds", FIGURE_KINDS):
        return None
    if study["data"] == "none" and record.needs_data:
        return None
    if fit and get_draw_kind(study, fit) not in record.draw_kinds:
        return None
    match kind:
        case "data" if get_draw_kind(study, fit) == "point":
            # A point estimate has no predictions, but a curve can be drawn through it.
            return ("posterior",) if has_curve else None
        case "loss" if not METHODS[study["fits"][fit]["method"]].has_loss:
            return None
        case "predictions" if "at" not in study["predict"]:
            return None
        case "forest" if not list_fits(study, model):
            return None
        case "fits" if len(list_fits(study, model)) < 2:
            return None
        case "models" if not choose_compared_models(study)[1]:
            return None
    return record.needs


def list_figures(name: str, study: dict) -> dict[str, dict]:
    """
    Return the figures of a study, by file name without extension.

    Parameters
    ----------
    name : str
        Id of the study, for messages.
    study : dict
        The study in normal form.

    Returns
    -------
    dict of dict
        Each figure has `kind`, `title`, `model`, `fit` ("" if it belongs to no single fit), `fits`
        (those of a joint figure, else None), `needs` (artefacts), `custom` (path of the figures.py
        that defines a custom figure, else None), `curve` (path of the figures.py that defines the
        model's curve, else None) and `caption` (of a custom figure).

    Raises
    ------
    UserError
        If two figures would have the same name.
    """
    figures: dict[str, dict] = {}
    entries = _list_study_figures(study)
    for model in study["models"]:
        entries += _list_model_figures(study, model)
        entries += _list_custom_figures(study, model)
    for figure, entry in entries:
        if figure in figures:
            raise UserError(
                f"config/studies/{name}.yaml: two figures would be called '{figure}'. "
                "Rename a model or a fit."
            )
        figures[figure] = {"fits": None, "custom": None, "curve": None, "caption": ""} | entry
    return figures


def _list_study_figures(study: dict) -> list[tuple[str, dict]]:
    """Return name and entry of each figure that there is once in a study."""
    entries = []
    for kind, record in FIGURE_KINDS.items():
        if record.scope != "study":
            continue
        needs = _list_needed_artefacts(kind, study, "", "", False)
        if needs:
            entry = {"kind": kind, "title": record.title, "model": "", "fit": "", "needs": needs}
            entries.append((f"comparison_{kind}", entry))
    return entries


def _list_model_figures(study: dict, model: str) -> list[tuple[str, dict]]:
    """Return name and entry of each figure of a model and of its fits, without custom figures."""
    file = _figures_file(study, model)
    curve = str(file) if file.is_file() and "curve" in list_defined_names(file) else None
    entries = []
    for kind, record in FIGURE_KINDS.items():
        fits = {"fit": list_fits(study, model), "model": [""], "study": []}[record.scope]
        for fit in fits:
            needs = _list_needed_artefacts(kind, study, model, fit, curve is not None)
            if needs is None:
                continue
            entry = {
                "kind": kind,
                "title": record.title,
                "model": model,
                "fit": fit,
                "needs": needs,
                "curve": curve if record.draws_curve else None,
            }
            entries.append(("_".join(filter(None, [model, fit, kind])), entry))
    return entries


def _list_custom_figures(study: dict, model: str) -> list[tuple[str, dict]]:
    """Return name and entry of each figure that the model's figures.py defines."""
    file = _figures_file(study, model)
    entries = []
    for figure in study["models"][model]["figures"]:
        kind = figure["name"]
        shared = {
            "kind": kind,
            "title": kind.replace("_", " "),
            "model": model,
            "custom": str(file),
            "caption": read_docstring(file, kind),
        }
        if figure["joint_figure"]:
            joint = {"fit": "", "fits": figure["fits"], "needs": ("posteriors",)}
            entries.append((f"{model}_{kind}", shared | joint))
            continue
        for fit in figure["fits"] or list_fits(study, model, DRAW_KINDS):
            has_draws = get_draw_kind(study, fit) in DRAW_KINDS
            needs = ("posterior", "predictive") if has_draws else ("posterior",)
            entries.append((f"{model}_{fit}_{kind}", shared | {"fit": fit, "needs": needs}))
    return entries


def _figures_file(study: dict, model: str) -> Path:
    """Return the path of the figures.py in the folder of a model; it need not exist."""
    return Path(study["models"][model]["file"]).with_name("figures.py")


def list_tables(study: dict) -> dict[str, tuple[str, ...]]:
    """Return the tables of a study: the artefacts that each needs, by name."""
    has_draws = any(list_fits(study, model, DRAW_KINDS) for model in study["models"])
    wanted = {
        "parameters": True,
        "sensitivity": has_draws and study["data"] != "none",
        "models": bool(choose_compared_models(study)[1]),
        "fits": any(len(list_fits(study, model)) > 1 for model in study["models"]),
    }
    return {name: table.needs for name, table in TABLES.items() if wanted[name]}


def list_report_links(
    study: str, figures: dict[str, dict], tables: dict[str, str]
) -> dict[str, dict[str, str]]:
    """
    Return the links of the report's first page: paths by title, by heading.

    A heading is a model and its fit. `figures` are those of `list_figures`; `tables` are paths by
    title, which may hold `{study}`.
    """
    links: dict[str, dict[str, str]] = {}
    for name, figure in figures.items():
        heading = ", ".join(filter(None, [figure["model"], figure["fit"]])) or "all models"
        path = f"results/{study}/figures/{name}.svg"
        links.setdefault(heading, {})[figure["title"]] = path
    paths = {title: path.format(study=study) for title, path in tables.items()}
    return {heading: links[heading] for heading in sorted(links)} | {"tables": paths}
