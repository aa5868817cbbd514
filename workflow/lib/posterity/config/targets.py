"""What a study produces: fits, figures, tables and pages of the report."""

from pathlib import Path

from posterity.config.registry import (
    ALL_KINDS,
    CURVE_KINDS,
    DATA_KINDS,
    DRAW_KINDS,
    FIGURE_KINDS,
    METHODS,
    TABLES,
)
from posterity.errors import UserError
from posterity.python_files import list_defined_names, read_docstring


def get_draw_kind(study: dict, fit: str) -> str:
    """Say what a fit gives: draws of `chains`, `independent` draws, or a `point`."""
    if study["fits"][fit].get("guide") == "AutoDelta":
        return "point"
    return METHODS[study["fits"][fit]["method"]][0]


def count_threads(settings: dict) -> int:
    """Tell how many threads a fit can use."""
    return settings.get(METHODS[settings["method"]][1], 1)


def list_fits(study: dict, model: str, gives: tuple[str, ...] = ALL_KINDS) -> list[str]:
    """List the fits of a model that give draws of a kind."""
    return [
        fit
        for fit, settings in study["fits"].items()
        if model in settings["models"] and get_draw_kind(study, fit) in gives
    ]


def choose_compared_models(study: dict) -> tuple[str, list[str]]:
    """
    Choose the fit by which models are compared, and list those models; fewer than two are no comparison.

    It is the one that `compare: fit:` names, else, of those that two models have, one by chains rather than by independent draws,
    and of these the one that most models have. Raises UserError for a `fit` or `reference` by which nothing can be compared.
    """
    if study["data"] == "none":
        return "", []
    given = study["compare"].get("fit")
    having = {fit: settings["models"] for fit, settings in study["fits"].items()}
    able = [
        fit for fit in having if get_draw_kind(study, fit) in DRAW_KINDS and given in (None, fit)
    ]
    best = max(
        able,
        key=lambda fit: (
            len(having[fit]) > 1,
            get_draw_kind(study, fit) == "chains",
            len(having[fit]),
            fit == "nuts",
        ),
        default="",
    )
    models = having.get(best, [])
    models = models if len(models) > 1 else []
    for key, known in (("fit", [best] * bool(models)), ("reference", models)):
        if study["compare"].get(key) not in (None, *known):
            what = (
                "two models with draws by it"
                if key == "fit"
                else f"that model among those of the fit {best or '(there is none)'}"
            )
            raise UserError(
                f"the study's compare: {key}: '{study['compare'][key]}': a comparison needs {what}"
            )
    return (best, models) if models else ("", [])


def has_comparison(study: dict) -> bool:
    """Tell whether there is anything to compare: two models by one fit, or two fits of one model."""
    return bool(choose_compared_models(study)[1]) or any(
        len(list_fits(study, model)) > 1 for model in study["models"]
    )


def _list_needed_artefacts(
    kind: str, study: dict, model: str, fit: str, curve: bool
) -> tuple[str, ...] | None:
    """Say which artefacts a figure needs; None where it makes no sense."""
    _, gives, needs, _ = FIGURE_KINDS[kind]
    if kind not in study["figures"].get("kinds", FIGURE_KINDS):
        return None
    if (study["data"] == "none" and kind in DATA_KINDS) or (
        fit and get_draw_kind(study, fit) not in gives
    ):
        return None
    match kind:
        case "data" if get_draw_kind(study, fit) == "point":
            return (
                ("posterior",) if curve else None
            )  # a point estimate has no predictions, but a curve
        case "loss" if study["fits"][fit]["method"] != "svi":
            return None
        case "predictions" if "at" not in study["predict"]:
            return None
        case "forest" if not list_fits(study, model):
            return None
        case "fits" if len(list_fits(study, model)) < 2:
            return None
        case "models" if not choose_compared_models(study)[1]:
            return None
    return needs


def list_figures(name: str, study: dict) -> dict[str, dict]:
    """
    List the figures of a study, by the name of their file.

    Each has kind, title, model, fit ("" where it does not matter), fits (those that are drawn together, else None), needs, own (the
    figures.py that holds a figure of the user's own, else None), curve (the figures.py that holds the model's curve, else None) and
    caption (of an own figure). Raises UserError if two figures would have the same name.
    """
    found = {}

    def add(figure: str, **entry) -> None:
        if figure in found:
            raise UserError(
                f"config/studies/{name}.yaml: two figures would be called '{figure}'; rename a model or a fit"
            )
        found[figure] = {"fits": None, "own": None, "curve": None, "caption": ""} | entry

    for kind, (scope, _, _, title) in FIGURE_KINDS.items():
        if scope == "study" and (needs := _list_needed_artefacts(kind, study, "", "", False)):
            add(f"comparison_{kind}", kind=kind, title=title, model="", fit="", needs=needs)
    for model, spec in study["models"].items():
        beside = Path(spec["file"]).with_name("figures.py")
        curve = str(beside) if beside.is_file() and "curve" in list_defined_names(beside) else None
        for kind, (scope, _, _, title) in FIGURE_KINDS.items():
            places = {"fit": list_fits(study, model), "model": [""], "study": []}[scope]
            for fit in places:
                needs = _list_needed_artefacts(kind, study, model, fit, curve is not None)
                if needs is not None:
                    entry = {
                        "kind": kind,
                        "title": title,
                        "model": model,
                        "fit": fit,
                        "needs": needs,
                    }
                    add(
                        "_".join(filter(None, [model, fit, kind])),
                        **entry,
                        curve=curve if kind in CURVE_KINDS else None,
                    )
        for figure in spec["figures"]:
            kind = figure["name"]
            entry = {
                "kind": kind,
                "title": kind.replace("_", " "),
                "model": model,
                "own": str(beside),
            }
            entry["caption"] = read_docstring(beside, kind)
            if figure["together"]:
                add(f"{model}_{kind}", **entry, fit="", fits=figure["fits"], needs=("posteriors",))
                continue
            for fit in figure["fits"] or list_fits(study, model, DRAW_KINDS):
                needs = (
                    ("posterior", "predictive")
                    if get_draw_kind(study, fit) in DRAW_KINDS
                    else ("posterior",)
                )
                add(f"{model}_{fit}_{kind}", **entry, fit=fit, needs=needs)
    return found


def list_tables(study: dict) -> dict[str, tuple[str, ...]]:
    """List the tables of a study: name and the artefacts that it needs."""
    draws = any(list_fits(study, model, DRAW_KINDS) for model in study["models"])
    made = {
        "parameters": True,
        "sensitivity": draws and study["data"] != "none",
        "models": bool(choose_compared_models(study)[1]),
        "fits": any(len(list_fits(study, model)) > 1 for model in study["models"]),
    }
    return {table: needs for table, (needs, _) in TABLES.items() if made[table]}


def list_report_links(
    study: str, figures: dict[str, dict], tables: dict[str, str]
) -> dict[str, dict[str, str]]:
    """List the links of the report's first page: by model and fit the files of its figures, by their titles."""
    links = {}
    for name, figure in figures.items():
        heading = ", ".join(filter(None, [figure["model"], figure["fit"]])) or "all models"
        links.setdefault(heading, {})[figure["title"]] = f"results/{study}/figures/{name}.svg"
    return {heading: links[heading] for heading in sorted(links)} | {
        "tables": {title: path.format(study=study) for title, path in tables.items()}
    }
