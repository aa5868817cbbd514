"""
Draw one figure, as SVG and PNG.

Reads the artefacts that the figure needs. The kinds are modules of posterity.plots, each with a
function `draw_figure(artefacts, settings) -> Figure`. A custom figure is a function of the same
form in figures.py in the folder of the model. This stage imports neither JAX nor NumPyro.
"""

import importlib
import os
from typing import Any

from posterity.artefact.atomic import replace_file
from posterity.artefact.netcdf import read_artefact
from posterity.errors import UserError
from posterity.python_files import load_module
from posterity.workflow.job import run_job


def figures(
    inputs: dict[str, str | list[str]], svg: str, png: str, study: str, settings: dict
) -> None:
    """
    Draw a figure and write it to two files.

    Parameters
    ----------
    inputs : dict
        Paths of the artefacts, by name; a list of paths for `posteriors`.
    svg, png : str
        Paths of the figure.
    study : str
        Id of the study. The artefacts must belong to it.
    settings : dict
        `figure`, an entry of `posterity.config.targets.list_figures`; `options`, the settings
        `figures` of the study; `bounds`, those of the check `prior_predictive`.

    Raises
    ------
    UserError
        An artefact cannot be read or belongs to another study, or a custom figure fails.
    """
    figure = settings["figure"]
    kind = figure["kind"]
    ids = {"prior": ("model",), "comparison": (), "data": ()}  # that an artefact has
    artefacts: dict[str, Any] = {}
    for name, paths in inputs.items():
        if isinstance(paths, list):
            artefacts[name] = [read_artefact(path, study=study) for path in paths]
            continue
        expected = {key: figure[key] for key in ids.get(name, ("model", "fit"))}
        artefacts[name] = read_artefact(paths, kind == "graph", study=study, **expected)
    with replace_file(svg) as svg_file, replace_file(png) as png_file:
        if kind == "graph":
            from posterity.plots.graph import write_graph

            write_graph(artefacts["prior"].attrs["graph"], svg_file, png_file)
            return
        from posterity.plots import style

        with style.apply_style():
            if figure["custom"]:
                try:
                    drawn = getattr(load_module(figure["custom"]), kind)(artefacts, settings)
                except Exception as error:
                    place = f"{figure['own']}: {kind}"
                    raise UserError(f"{place}: {type(error).__name__}: {error}") from error
            else:
                module = importlib.import_module(f"posterity.plots.{kind}")
                drawn = module.draw_figure(artefacts, settings)
            style.save_figure(drawn, svg_file, png_file)


if __name__ == "__main__":
    with run_job(snakemake):
        os.environ["MPLBACKEND"] = "agg"  # a job opens no window; Matplotlib is not yet imported
        paths = {name: files for name, files in snakemake.input.items() if name != "code"}
        paths = {name: p if isinstance(p, str) else list(p) for name, p in paths.items()}
        arguments = (*snakemake.output, snakemake.wildcards.study, snakemake.params.settings)
        figures(paths, *arguments)
