"""A case of the benchmark of checks: a model, a table that is drawn for it, a fit; its results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np


class Table(NamedTuple):
    """
    A table of data, and the true values.

    Attributes
    ----------
    columns : dict of str to array, shape (row,)
        The columns of the CSV file.
    truth : dict of str to array or float
        The true value of each site that is known; empty if none is.
    """

    columns: dict[str, np.ndarray]
    truth: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Case:
    """
    A study that is repeated with new data.

    Attributes
    ----------
    name : str
        Id of the study.
    model : str
        `<file>: <function>` of the model, in the folder `models`.
    simulate : callable
        Draws a table: `simulate(rng)` returns a Table.
    fit : dict
        The entry of the fit in the study.
    study : dict
        Other keys of the study.
    expected : tuple of str
        The checks that should see the planted defect; one of them is enough. Empty for a right
        model. `refused` stands for a message of UserError in place of a fit.
    is_small : bool
        Whether the case belongs to the small form. A defect of it is too large for chance to hide.
    """

    name: str
    model: str
    simulate: Callable[[np.random.Generator], Table]
    fit: dict[str, Any] = field(default_factory=lambda: {"method": "nuts"})
    study: dict[str, Any] = field(default_factory=dict)
    expected: tuple[str, ...] = ()
    is_small: bool = False


class Row(NamedTuple):
    """
    One line of the results.

    Attributes
    ----------
    kind : str
        The case.
    replicate : int
        Its number, from which all random numbers follow.
    check : str
        The check; `verdict` for the worst of all; `stage <name>` for a stage that raised; `seconds
        <name>` for the time of a stage.
    value, threshold : float
        Value and threshold of the check, or the time (s).
    status : str
        pass, warn, fail, n/a; `refused` for a UserError, `crash` for any other exception.
    message : str
        The message of the check.
    """

    kind: str
    replicate: int
    check: str
    value: float
    threshold: float
    status: str
    message: str
