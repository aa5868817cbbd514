"""
Draw one figure, as SVG and PNG.

Reads the artefacts that the figure needs. The kinds are modules of posterity.plots, each with a function
`draw(artefacts, settings) -> Figure`; a figure of one's own is a function of the same form in figures.py beside the model.
Neither JAX nor NumPyro is imported.
"""

import importlib

from posterity.artefact.atomic import replace_file
from posterity.artefact.netcdf import read_artefact
from posterity.errors import UserError
from posterity.python_files import load_module
from posterity.workflow.job import run_job


def figures(
    inputs: dict[str, str | list[str]], svg: str, png: str, study: str, settings: dict
) -> None:
    """
    Draw the figure that `settings["figure"]` describes (see `posterity.catalogue.figures`) and write it to `svg` and `png`.

    `inputs` are the paths of the artefacts, by name. Raises UserError for artefacts that cannot be read or are another study's.
    """
    figure = settings["figure"]
    of_model, of_fit = {"model": figure["model"]}, {"model": figure["model"], "fit": figure["fit"]}
    of = {"prior": of_model, "posterior": of_fit, "predictive": of_fit, "sensitivity": of_fit}
    artefacts = {
        name: [read_artefact(one, study=study) for one in path]
        if isinstance(path, list)
        else read_artefact(path, figure["kind"] == "graph", study=study, **of.get(name, {}))
        for name, path in inputs.items()
    }
    with replace_file(svg) as svg_beside, replace_file(png) as png_beside:
        if figure["kind"] == "graph":
            from posterity.plots.graph import write_graph

            write_graph(artefacts["prior"].attrs["graph"], svg_beside, png_beside)
            return
        from posterity.plots.style import save_figure

        if figure["custom"]:
            try:
                drawn = getattr(load_module(figure["custom"]), figure["kind"])(artefacts, settings)
            except Exception as error:
                raise UserError(
                    f"{figure['custom']}: {figure['kind']}: {type(error).__name__}: {error}"
                ) from error
        else:
            drawn = importlib.import_module(f"posterity.plots.{figure['kind']}").draw_figure(
                artefacts, settings
            )
        save_figure(drawn, svg_beside, png_beside)


if __name__ == "__main__":
    with run_job(snakemake):
        names = (
            "data",
            "prior",
            "posterior",
            "posteriors",
            "predictive",
            "sensitivity",
            "comparison",
        )
        paths = {
            name: path if isinstance(path, str) else list(path)
            for name, path in snakemake.input.items()
            if name in names
        }
        figures(
            paths,
            snakemake.output.svg,
            snakemake.output.png,
            snakemake.wildcards.study,
            snakemake.params.settings,
        )
