"""
The methods of fitting, a module each.

A module has one function

    fit(model, settings, seed, names) -> Result

with a bound `posterity.model.Model`, the settings of the study file, and seed and names for the keys. The methods are listed in
`posterity.catalogue`, their settings in the schema.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Result:
    """
    What a method gives back.

    `posterior`: values by site, shape (chain, draw, ...). `statistics`: values by name as in ArviZ's `sample_stats`, shape
    (chain, draw). `gradient_evaluations`, `compile_seconds`, `run_seconds`: what it took.
    """

    posterior: dict
    statistics: dict
    gradient_evaluations: int
    compile_seconds: float
    run_seconds: float
    attributes: dict = field(default_factory=dict)
