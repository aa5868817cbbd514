"""The result that every method of fitting returns."""

from dataclasses import dataclass, field

import numpy as np
import xarray as xr


@dataclass(frozen=True)
class FitResult:
    """
    What a method gives back.

    `sampling` says what the draws are: `chains` (of a Markov chain), `independent`, or `point` (there are none).
    `posterior`: values by site, shape (chain, draw, ...); `recorded`: every how many-th draw these are, by site, where not each.
    `statistics`: values by name as in ArviZ's `sample_stats`, shape (chain, draw).
    `point`: values by site of a point estimate. `weighted`: draws by site that count by `log_weights`.
    `evidence`: ln Z and its error. `optimisation`: what an optimiser did, over `step` or `start`.
    `guide`: the best parameters of a guide of the user's own, by name.
    `gradient_evaluations`, `compile_seconds`, `run_seconds`: what it took. `stopped`: why it ended. `warmup`: iterations dropped.
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
    stopped: str = ""
    warmup: int = 0
