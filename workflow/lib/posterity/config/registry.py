"""The registry of methods, kinds of figures and tables."""

# method: (what it gives: draws of `chains`, `independent` draws, or a `point`; the setting that says how many threads it can use)
METHODS = {
    **{method: ("chains", "chains") for method in ("nuts", "hmc", "barker", "sa")},
    "nested": ("independent", "runs"),
    **{method: ("chains", None) for method in ("aies", "ess", "chees")},
    **{method: ("independent", None) for method in ("svi", "pathfinder", "laplace")},
    **{method: ("point", None) for method in ("map", "mle")},
}
DRAW_KINDS, CHAIN_KINDS, ALL_KINDS = (
    ("chains", "independent"),
    ("chains",),
    ("chains", "independent", "point"),
)
# kind: (drawn for each `fit`, `model` or `study`; for fits that give these; artefacts that it needs beside data.nc; title)
FIGURE_KINDS = {
    "data": ("fit", ALL_KINDS, ("posterior", "predictive"), "data and fitted model"),
    "corner": ("fit", DRAW_KINDS, ("posterior",), "posterior, in pairs"),
    "trace": ("fit", CHAIN_KINDS, ("posterior",), "trace and ranks"),
    "loss": ("fit", ALL_KINDS, ("posterior",), "loss of the optimisation"),
    "ppc": ("fit", DRAW_KINDS, ("predictive",), "posterior predictive check"),
    "predictions": ("fit", DRAW_KINDS, ("predictive",), "predictions at new covariates"),
    "sensitivity": ("fit", DRAW_KINDS, ("sensitivity",), "sensitivity to prior and likelihood"),
    "prior": ("model", ALL_KINDS, ("prior",), "prior predictive"),
    "forest": ("model", ALL_KINDS, ("posteriors",), "all fits of the model"),
    "fits": ("model", ALL_KINDS, ("comparison",), "fits against each other"),
    "graph": ("model", ALL_KINDS, ("prior",), "graph of the model"),
    "models": ("study", ALL_KINDS, ("comparison",), "models against each other"),
}
CURVE_KINDS = (
    "data",
    "predictions",
    "prior",
)  # kinds that draw the curve of the model's figures.py
DATA_KINDS = (
    "data",
    "ppc",
    "prior",
    "predictions",
    "sensitivity",
    "models",
)  # kinds that make no sense without data
# table: artefacts that it needs, title
TABLES = {
    "parameters": (("posteriors",), "parameters of all fits"),
    "sensitivity": (("sensitivities",), "sensitivity to prior and likelihood"),
    "models": (("comparison",), "models against each other"),
    "fits": (("comparison",), "fits against each other"),
}
