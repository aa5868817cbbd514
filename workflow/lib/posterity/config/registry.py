"""The registry of methods, kinds of figures and tables."""

# method: (what it gives: draws of `chains`, `independent` draws, or a `point`; the setting that says how many threads it can use)
METHODS = {
    **{method: ("chains", "chains") for method in ("nuts", "hmc", "barker", "sa")},
    "nested": ("independent", "runs"),
    **{method: ("chains", None) for method in ("aies", "ess", "chees")},
    **{method: ("independent", None) for method in ("svi", "pathfinder", "laplace")},
    **{method: ("point", None) for method in ("map", "mle")},
}
DRAWS, CHAINS, ANY = ("chains", "independent"), ("chains",), ("chains", "independent", "point")
# kind: (drawn for each `fit`, `model` or `study`; for fits that give these; artefacts that it needs beside data.nc; title)
KINDS = {
    "data": ("fit", ANY, ("posterior", "predictive"), "data and fitted model"),
    "corner": ("fit", DRAWS, ("posterior",), "posterior, in pairs"),
    "trace": ("fit", CHAINS, ("posterior",), "trace and ranks"),
    "loss": ("fit", ANY, ("posterior",), "loss of the optimisation"),
    "ppc": ("fit", DRAWS, ("predictive",), "posterior predictive check"),
    "predictions": ("fit", DRAWS, ("predictive",), "predictions at new covariates"),
    "sensitivity": ("fit", DRAWS, ("sensitivity",), "sensitivity to prior and likelihood"),
    "prior": ("model", ANY, ("prior",), "prior predictive"),
    "forest": ("model", ANY, ("posteriors",), "all fits of the model"),
    "fits": ("model", ANY, ("comparison",), "fits against each other"),
    "graph": ("model", ANY, ("prior",), "graph of the model"),
    "models": ("study", ANY, ("comparison",), "models against each other"),
}
OF_CURVE = ("data", "predictions", "prior")  # kinds that draw the curve of the model's figures.py
OF_DATA = ("data", "ppc", "prior", "predictions", "sensitivity", "models")  # kinds that make no sense without data
# table: artefacts that it needs, title
TABLES = {
    "parameters": (("posteriors",), "parameters of all fits"),
    "sensitivity": (("sensitivities",), "sensitivity to prior and likelihood"),
    "models": (("comparison",), "models against each other"),
    "fits": (("comparison",), "fits against each other"),
}
