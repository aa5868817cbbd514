"""The result of a fit."""

from dataclasses import dataclass, field

import numpy as np
import xarray as xr


@dataclass(frozen=True)
class FitResult:
    """
    The result of a fit, the same for every method.

    Attributes
    ----------
    sampling : str
        What the draws are: `chains` of a Markov chain, `independent` draws, or `point` for none.
    gradient_evaluations : int
        Number of gradient evaluations.
    compile_seconds, run_seconds : float
        Time (s) of compilation and of the run.
    posterior : dict of str to array, shape (chain, draw, ...)
        Draws of each site.
    recorded : dict of str to int
        Thinning step of the draws of each site, if some are thinned.
    statistics : dict of str to array, shape (chain, draw)
        Statistics with the names of ArviZ's `sample_stats`.
    point : dict of str to array
        Point estimate of each site.
    weighted : dict of str to array, shape (run, point, ...)
        Weighted draws of each site.
    log_weights : array, shape (run, point), optional
        Log weights of these draws.
    evidence : xarray.Dataset
        ln Z and its error.
    optimisation : xarray.Dataset
        Progress of an optimiser, over `step` or `start`.
    guide : xarray.Dataset
        Best parameters of a custom guide.
    modes : xarray.Dataset
        Maxima that a search from dispersed starts has found, over `start`.
    initial_values : dict of str to array, shape (chain, ...)
        Where chains start: the value of each continuous latent site.
    attributes : dict
        Further attributes of the artefact.
    stopped : str
        Why the run stopped.
    warmup : int
        Iterations of the warm-up, which are not recorded.
    """

    sampling: str
    gradient_evaluations: int
    compile_seconds: float
    run_seconds: float
    posterior: dict = field(default_factory=dict)
    recorded: dict = field(default_factory=dict)
    statistics: dict = field(default_factory=dict)
    point: dict = field(default_factory=dict)
    weighted: dict = field(default_factory=dict)
    log_weights: np.ndarray | None = None
    evidence: xr.Dataset = field(default_factory=xr.Dataset)
    optimisation: xr.Dataset = field(default_factory=xr.Dataset)
    guide: xr.Dataset = field(default_factory=xr.Dataset)
    modes: xr.Dataset = field(default_factory=xr.Dataset)
    initial_values: dict = field(default_factory=dict)
    attributes: dict = field(default_factory=dict)
    stopped: str = ""
    warmup: int = 0
