"""The parameters that stages share: ids of an artefact, its model, and how to compute it."""

from dataclasses import dataclass, field
from typing import Any

from posterity.runtime.rng import Stream


@dataclass(frozen=True)
class StageIds:
    """
    The ids that name an artefact: study, and, if the stage has them, model and fit.

    Attributes
    ----------
    study, model, fit : str
        Ids as in the paths of `results/`; empty if the stage works for all models or all fits.
    """

    study: str
    model: str = ""
    fit: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """The ids that are set, as attributes of an artefact."""
        return {name: value for name, value in vars(self).items() if value}

    def stream(self, seed: int) -> Stream:
        """Return the random stream of this artefact."""
        return Stream(seed, tuple(self.attributes.values()))


@dataclass(frozen=True)
class ModelSource:
    """
    Where a model comes from.

    Attributes
    ----------
    spec : dict
        The model's entry in the study, in normal form (file, function, arguments, dims, observed).
    files : list of str
        The model's file and all local files that it imports; their hash is part of the artefact.
    """

    spec: dict[str, Any]
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ComputeSettings:
    """
    How a stage computes.

    Attributes
    ----------
    seed : int
        Seed of the study.
    float_type : str
        `float64` or `float32`.
    threads : int
        Number of threads that JAX may use.
    """

    seed: int
    float_type: str = "float64"
    threads: int = 1
