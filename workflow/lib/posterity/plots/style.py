"""One look for all figures: colours that colour-blind readers can tell apart, labels with units, small files."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from posterity.artefact.groups import align_draws, align_latent_draws

# Okabe & Ito (2008), Color Universal Design
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#222222",
)
COLOUR_CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)
MODEL_COLOUR, DATA_COLOUR, TRUTH_COLOUR = BLUE, BLACK, VERMILLION
PALE_BLUE = "#A6CDE6"  # BLUE, thinned with white
MAX_PARAMETERS = 8

plt.rcParams.update(
    {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.prop_cycle": matplotlib.cycler(color=COLOUR_CYCLE),
        "legend.frameon": False,
        "legend.fontsize": 9,
        "figure.constrained_layout.use": True,
        "svg.hashsalt": "posterity",  # the same figure gives the same file
        "svg.fonttype": "path",
        "savefig.dpi": 150,
    }
)


def make_label(name: str, values: xr.DataArray | None, options: dict, index: str = "") -> str:
    """Name a site or variable for an axis: the study's label, else the model's or the data's; its unit in brackets."""
    attributes = values.attrs if values is not None else {}
    text = options.get("labels", {}).get(name, attributes.get("long_name", name)) + index
    unit = attributes.get("units", "")
    return f"{text} ({unit})" if unit else text


def write_note(axes, text: str) -> None:
    """Write a sentence where there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


def select_shown_draws(fit: xr.DataTree, options: dict) -> xr.Dataset:
    """Take the draws that are shown: those that the sites in `figures: parameters`, else all latent sites, have in common."""
    wanted = align_draws(fit, options["parameters"]) if "parameters" in options else xr.Dataset()
    return wanted if wanted.data_vars else align_latent_draws(fit)


def select_parameters(
    posterior: xr.Dataset, options: dict, most: int = MAX_PARAMETERS
) -> list[tuple[str, str, np.ndarray]]:
    """
    Choose the scalars that are shown: those of the sites in `figures: parameters`, else the scalar sites and then the elements of
    latent vectors; at most `most`.

    Returns name, label and draws (chain, draw) of each.
    """
    wanted = [name for name in options.get("parameters", []) if name in posterior]
    single = [name for name in posterior.data_vars if posterior[name].ndim == 2]
    vectors = [
        name
        for name in posterior.data_vars
        if name not in single and posterior[name].attrs.get("role") == "latent"
    ]
    shown = []
    for name in wanted or [*single, *vectors] or list(posterior.data_vars):
        if len(shown) >= most:
            break
        values = posterior[name].transpose("chain", "draw", ...)
        head = (
            values[:, :, : most - len(shown)] if values.ndim > 2 else values
        )  # a site may be too large for memory
        flat = head.values.reshape(*values.shape[:2], -1)
        for i in range(flat.shape[2]):
            index = (
                f"[{','.join(map(str, np.unravel_index(i, values.shape[2:])))}]"
                if values.ndim > 2
                else ""
            )
            shown.append(
                (f"{name}{index}", make_label(str(name), values, options, index), flat[:, :, i])
            )
    return shown[:most]


def get_true_value(truth: xr.Dataset, name: str) -> float | None:
    """Look up the true value of a scalar such as `m` or `distance[3]`; None where it is not known."""
    site, _, index = name.partition("[")
    if site not in truth:
        return None
    values = truth[site].values
    return float(values[tuple(int(i) for i in index.rstrip("]").split(","))] if index else values)


def describe_interval(options: dict) -> str:
    """Say which interval a figure shows: `90 % HDI`."""
    kind = {"hdi": "HDI", "eti": "equal-tailed interval"}[options["interval"]["kind"]]
    return f"{100 * options['interval']['probability']:g} % {kind}"


def save_figure(figure: Figure, svg: str, png: str) -> None:
    """Write a figure as SVG and PNG, without dates, so that the same figure is the same file."""
    figure.savefig(svg, format="svg", metadata={"Date": None})
    figure.savefig(png, format="png", metadata={"Software": None})
    plt.close(figure)
