"""Small artefacts in memory, for tests of figures."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.text import Text

LEAD = ("chain", "draw")
OPTIONS = {"interval": {"kind": "hdi", "probability": 0.9}, "lines": 5}
X = np.linspace(0, 10, 12)


def make_settings(model="line", curve=None, bounds=None, **options):
    """Return the settings of a figure."""
    figure = {"model": model, "fit": "nuts", "curve": curve}
    return {"options": OPTIONS | options, "figure": figure, "bounds": bounds or {}}


def make_tree(attrs=None, **groups):
    """Return an artefact with these groups."""
    tree = xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})
    tree.attrs = attrs or {}
    return tree


def make_data(truth=None):
    """Return data.nc with x, y and e, y in metres."""
    data = xr.Dataset({"x": ("point", X), "y": ("point", 2 * X), "e": ("point", np.ones(12))})
    data["y"].attrs = {"long_name": "height", "units": "m"}
    return make_tree(data=data, truth=xr.Dataset(truth or {}))


def make_draws(chains=2, draws=60, seed=1, **sites):
    """Return draws of m and c, or of sites given as arrays."""
    rng = np.random.default_rng(seed)
    values = sites or {name: rng.normal(2, 0.1, (chains, draws)) for name in ("m", "c")}
    draws = xr.Dataset({name: (LEAD, array) for name, array in values.items()})
    for name in draws.data_vars:
        draws[name].attrs["role"] = "latent"
    return draws.assign_coords(draw=np.arange(draws.sizes["draw"]))


def make_posterior(draws=None, fit="nuts", **groups):
    """Return posterior.nc."""
    observed = xr.Dataset({"y": ("point", 2 * X)})
    posterior = make_draws() if draws is None else draws
    attrs = {"model": "line", "fit": fit}
    return make_tree(attrs, posterior=posterior, observed_data=observed, **groups)


def make_point(fit="map", **values):
    """Return posterior.nc of a point estimate."""
    point = xr.Dataset(values or {"m": 2.0, "c": 0.0})
    observed = xr.Dataset({"y": ("point", 2 * X)})
    return make_tree({"model": "line", "fit": fit}, point=point, observed_data=observed)


def make_predictions(seed=2, chains=2, draws=60, size=12):
    """Return predictions of y, in metres."""
    values = np.random.default_rng(seed).normal(np.linspace(0, 20, size), 1, (chains, draws, size))
    attrs = {"long_name": "height", "units": "m"}
    return xr.Dataset({"y": ((*LEAD, "point"), values, attrs)})


def write_curve(folder):
    """Write a figures.py with a line, and return its path."""
    file = folder / "figures.py"
    file.write_text("def curve(x, m, c):\n    return m * x + c\n")
    return str(file)


def list_texts(figure):
    """Return all texts of a figure in one string."""
    artists = figure.findobj(Text)
    return " | ".join(artist.get_text().replace("\n", " ") for artist in artists)


def list_legend(figure):
    """Return the labels of all legends of a figure."""
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


def close(figure):
    """Render a figure, so that errors of its layout show, and close it."""
    figure.canvas.draw()
    plt.close(figure)
    return figure
