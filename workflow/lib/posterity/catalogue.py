"""What there is: the methods, and the figures of a study. The workflow reads it before a job starts; nothing is imported for it."""

from pathlib import Path

from posterity.errors import UserError
from posterity.study import docstring

# method: the setting that says how many threads it can use
METHODS = {"nuts": "chains"}

# kind: (drawn for each `model` or each `fit`, artefacts that it needs beside data.nc, title in the report)
KINDS = {
    "data": ("fit", ("posterior", "predictive"), "data and fitted model"),
    "corner": ("fit", ("posterior",), "posterior, in pairs"),
    "trace": ("fit", ("posterior",), "trace and ranks"),
    "ppc": ("fit", ("predictive",), "posterior predictive check"),
    "prior": ("model", ("prior",), "prior predictive"),
    "forest": ("model", ("posteriors",), "all fits of the model"),
    "graph": ("model", ("prior",), "graph of the model"),
}


OF_DATA = ("data", "ppc", "prior")  # kinds that make no sense without data


def figures(name: str, study: dict) -> dict[str, dict]:
    """
    List the figures of a study, by the name of their file.

    Each has kind, title, model, fit ("" where it does not matter), needs, own (the figures.py that holds a figure of the user's
    own, else None), curve (the figures.py that may hold the model's curve, else None) and caption (of an own figure). Raises
    UserError if two figures would have the same name.
    """
    found = {}

    def add(figure: str, **entry) -> None:
        if figure in found:
            raise UserError(f"config/studies/{name}.yaml: two figures would be called '{figure}'; rename a model or a fit")
        found[figure] = entry

    for model, spec in study["models"].items():
        beside = Path(spec["file"]).with_name("figures.py")
        curve = str(beside) if beside.is_file() else None
        fits = [fit for fit, settings in study["fits"].items() if model in settings["models"]]
        for kind, (scope, needs, title) in KINDS.items():
            if study["data"] == "none" and kind in OF_DATA:
                continue
            for fit in fits if scope == "fit" else [""]:
                if scope == "model" and kind == "forest" and not fits:
                    continue
                figure = "_".join(filter(None, [model, fit, kind]))
                entry = {"kind": kind, "title": title, "model": model, "fit": fit, "needs": needs, "own": None, "caption": ""}
                add(figure, **entry, curve=curve if kind == "data" else None)
        for kind in spec["figures"]:
            for fit in fits:
                text = docstring(beside, kind)
                entry = {"kind": kind, "title": kind.replace("_", " "), "model": model, "fit": fit, "own": str(beside)}
                add(f"{model}_{fit}_{kind}", **entry, needs=("posterior", "predictive"), caption=text, curve=None)
    return found


def pages(study: str, figures: dict[str, dict], tables: dict[str, str]) -> dict[str, dict[str, str]]:
    """List the links of the report's first page: by model and fit the files of its figures, by their titles."""
    links = {}
    for name, figure in figures.items():
        heading = ", ".join(filter(None, [figure["model"], figure["fit"]]))
        links.setdefault(heading, {})[figure["title"]] = f"results/{study}/figures/{name}.svg"
    return {heading: links[heading] for heading in sorted(links)} | {
        "tables": {title: path.format(study=study) for title, path in tables.items()}
    }
