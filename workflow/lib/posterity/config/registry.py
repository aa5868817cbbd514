"""
The registry of methods, kinds of figures and tables.

A record holds what the workflow needs to plan a job and to refuse an impossible one. No result
depends on it: `posterity.python_files.UNTRACKED_FILES` lists this file, so that a new method does
not repeat the fits of the others. Settings that change a result belong into a study.
"""

from dataclasses import dataclass

CHAIN_KINDS = ("chains",)
DRAW_KINDS = ("chains", "independent")
ALL_KINDS = ("chains", "independent", "point")


@dataclass(frozen=True)
class Method:
    """
    A method of inference; its module is `posterity.inference.methods.<method>`.

    Attributes
    ----------
    draw_kind : str
        What a fit yields: draws of `chains`, `independent` draws, or a `point`.
    threads_setting : str, optional
        The setting whose value is the number of threads that a fit can use. One thread if None.
    enumerates_discrete : bool
        Whether it marginalises discrete latent sites.
    pathfinder_start : bool
        Whether chains can start from draws of pathfinder (`init: pathfinder`).
    has_loss : bool
        Whether it records a loss at each step, which the figure `loss` shows.
    dense_covariance : bool
        Whether it always holds a covariance matrix of all latent values.
    """

    draw_kind: str
    threads_setting: str | None = None
    enumerates_discrete: bool = False
    pathfinder_start: bool = False
    has_loss: bool = False
    dense_covariance: bool = False


@dataclass(frozen=True)
class FigureKind:
    """
    A kind of figure; its module is `posterity.plots.<kind>`.

    Attributes
    ----------
    scope : str
        There is one figure for each `fit`, each `model` or each `study`.
    needs : tuple of str
        The artefacts that it reads in addition to data.nc.
    title : str
        Its title in the report.
    draw_kinds : tuple of str
        The fits that it applies to, by what they yield.
    draws_curve : bool
        Whether it draws the function `curve` of the model's figures.py.
    needs_data : bool
        Whether it makes no sense for a study without data.
    """

    scope: str
    needs: tuple[str, ...]
    title: str
    draw_kinds: tuple[str, ...] = ALL_KINDS
    draws_curve: bool = False
    needs_data: bool = False


@dataclass(frozen=True)
class Table:
    """
    A table of a study.

    Attributes
    ----------
    needs : tuple of str
        The artefacts that it reads.
    title : str
        Its title in the report.
    """

    needs: tuple[str, ...]
    title: str


METHODS = {
    "nuts": Method("chains", "chains", enumerates_discrete=True, pathfinder_start=True),
    "hmc": Method("chains", "chains", enumerates_discrete=True, pathfinder_start=True),
    # The kernels of NumPyro for these two accept an initial strategy, but no initial positions.
    "barker": Method("chains", "chains"),
    "sa": Method("chains", "chains"),
    "aies": Method("chains", pathfinder_start=True),
    "ess": Method("chains", pathfinder_start=True),
    "chees": Method("chains"),
    "nested": Method("independent", "runs"),
    "svi": Method("independent", has_loss=True),
    "pathfinder": Method("independent"),
    "laplace": Method("independent", dense_covariance=True),
    "map": Method("point"),
    "mle": Method("point"),
}

FIGURE_KINDS = {
    "data": FigureKind(
        "fit",
        ("posterior", "predictive"),
        "data and fitted model",
        draws_curve=True,
        needs_data=True,
    ),
    "corner": FigureKind("fit", ("posterior",), "posterior, in pairs", DRAW_KINDS),
    "trace": FigureKind("fit", ("posterior",), "trace and ranks", CHAIN_KINDS),
    "loss": FigureKind("fit", ("posterior",), "loss of the optimisation"),
    "ppc": FigureKind(
        "fit", ("predictive",), "posterior predictive check", DRAW_KINDS, needs_data=True
    ),
    "predictions": FigureKind(
        "fit",
        ("predictive",),
        "predictions at new covariates",
        DRAW_KINDS,
        draws_curve=True,
        needs_data=True,
    ),
    "sensitivity": FigureKind(
        "fit",
        ("sensitivity",),
        "sensitivity to prior and likelihood",
        DRAW_KINDS,
        needs_data=True,
    ),
    "prior": FigureKind("model", ("prior",), "prior predictive", draws_curve=True, needs_data=True),
    "forest": FigureKind("model", ("posteriors",), "all fits of the model"),
    "fits": FigureKind("model", ("comparison",), "fits against each other"),
    "graph": FigureKind("model", ("prior",), "graph of the model"),
    "models": FigureKind("study", ("comparison",), "models against each other", needs_data=True),
    "loo_pit": FigureKind(
        "fit", ("predictive",), "leave-one-out predictive check", DRAW_KINDS, needs_data=True
    ),
}

TABLES = {
    "parameters": Table(("posteriors",), "parameters of all fits"),
    "sensitivity": Table(("sensitivities",), "sensitivity to prior and likelihood"),
    "models": Table(("comparison",), "models against each other"),
    "fits": Table(("comparison",), "fits against each other"),
}


def list_enumerating_methods() -> list[str]:
    """Return the methods that marginalise discrete latent sites."""
    return [name for name, method in METHODS.items() if method.enumerates_discrete]
