"""
Right models: the data follow from the model, and the true values are drawn from its prior.

Whatever a check says of them is a false alarm. The simulations are written in NumPy, apart from the
models.
"""

from dataclasses import replace

import numpy as np
from cases import Case, Table

Generator = np.random.Generator
ROWS_PER_GROUP = 6


def _draw_x(rng: Generator, rows: int) -> np.ndarray:
    return rng.uniform(-2, 2, rows)


def _draw_line(rng: Generator, rows: int, scale: float) -> Table:
    a, b, sigma = scale * rng.normal(size=3)
    x = _draw_x(rng, rows)
    y = a + b * x + abs(sigma) * rng.normal(size=rows)
    return Table({"x": x, "y": y}, {"a": a, "b": b, "sigma": abs(sigma)})


def draw_line(rng: Generator) -> Table:
    """Draw 30 points of a line with informative priors."""
    return _draw_line(rng, 30, 1)


def draw_wide_line(rng: Generator) -> Table:
    """Draw 30 points of a line with wide priors."""
    return _draw_line(rng, 30, 10)


def draw_known_errors(rng: Generator) -> Table:
    """Draw 40 points with known errors, and two columns that the model does not use."""
    a, b = 3 * rng.normal(size=2)
    x = _draw_x(rng, 40)
    sy = rng.uniform(0.2, 2, 40)
    columns = {
        "id": np.arange(1, 41),
        "x": x,
        "sy": sy,
        "temperature": rng.normal(290, 3, 40),
        "y": a + b * x + sy * rng.normal(size=40),
    }
    return Table(columns, {"a": a, "b": b})


def draw_robust(rng: Generator) -> Table:
    """Draw 60 points with heavy-tailed errors."""
    a, b = 3 * rng.normal(size=2)
    sigma = abs(2 * rng.normal())
    x = _draw_x(rng, 60)
    y = a + b * x + sigma * rng.standard_t(4, 60)
    return Table({"x": x, "y": y}, {"a": a, "b": b, "sigma": sigma})


def draw_autoregressive(rng: Generator) -> Table:
    """Draw a series of 150 values."""
    c, sigma = rng.normal(size=2)
    phi = rng.uniform(-1, 1)
    y = np.empty(150)
    y[0] = (c + sigma * rng.normal() / np.sqrt(1 - phi**2)) / (1 - phi)
    for step in range(1, len(y)):
        y[step] = c + phi * y[step - 1] + abs(sigma) * rng.normal()
    return Table({"y": y}, {"c": c, "phi": phi, "sigma": abs(sigma)})


def draw_poisson(rng: Generator) -> Table:
    """Draw 200 counts."""
    a, b = rng.normal([1, 0], 0.5)
    x = _draw_x(rng, 200)
    return Table({"x": x, "y": rng.poisson(np.exp(a + b * x))}, {"a": a, "b": b})


def draw_negative_binomial(rng: Generator) -> Table:
    """Draw 150 counts with more scatter than a Poisson distribution has."""
    a, b = rng.normal([1, 0], 0.5)
    phi = rng.exponential(1 / 0.3)
    x = _draw_x(rng, 150)
    y = rng.poisson(np.exp(a + b * x) * rng.gamma(phi, 1 / phi, 150))
    return Table({"x": x, "y": y}, {"a": a, "b": b, "phi": phi})


def draw_logistic(rng: Generator) -> Table:
    """Draw 100 events."""
    a, b = rng.normal(size=2)
    x = _draw_x(rng, 100)
    y = rng.uniform(size=100) < 1 / (1 + np.exp(-a - b * x))
    return Table({"x": x, "y": y.astype(int)}, {"a": a, "b": b})


def draw_binomial(rng: Generator) -> Table:
    """Draw successes of 40 series of trials."""
    a, b = rng.normal(size=2)
    x = _draw_x(rng, 40)
    total = rng.integers(5, 30, 40)
    successes = rng.binomial(total, 1 / (1 + np.exp(-a - b * x)))
    return Table({"x": x, "total": total, "successes": successes}, {"a": a, "b": b})


def draw_coin(rng: Generator) -> Table:
    """Draw 50 tosses of a coin."""
    p = rng.beta(2, 2)
    return Table({"y": (rng.uniform(size=50) < p).astype(int)}, {"p": p})


def _draw_groups(
    rng: Generator, groups: int, rows: int, tau: float, sigma: float
) -> tuple[Table, np.ndarray]:
    mu = 3 * rng.normal()
    z = rng.normal(size=groups)
    group = np.repeat(np.arange(groups), rows)
    y = mu + tau * z[group] + sigma * rng.normal(size=group.size)
    return Table({"group": group, "y": y}, {"mu": mu, "tau": tau, "sigma": sigma}), z


def draw_groups(rng: Generator) -> Table:
    """Draw 8 groups of 6."""
    tau, sigma = np.abs(rng.normal(size=2))
    table, z = _draw_groups(rng, 8, 6, tau, sigma)
    theta = table.truth["mu"] + tau * z
    return Table(table.columns, {**table.truth, "z": z, "theta": theta})


def draw_informative_groups(rng: Generator) -> Table:
    """Draw 8 groups of 40, whose means are well measured."""
    tau, sigma = np.exp(0.5 * rng.normal(size=2))
    table, z = _draw_groups(rng, 8, 40, tau, sigma)
    return Table(table.columns, {**table.truth, "theta": table.truth["mu"] + tau * z})


def draw_many_groups(rng: Generator) -> Table:
    """Draw 200 groups of 3."""
    table, z = _draw_groups(rng, 200, 3, abs(rng.normal()), np.exp(0.3 * rng.normal()))
    return Table(table.columns, {**table.truth, "z": z})


def draw_gaussian_process(rng: Generator) -> Table:
    """Draw 30 points of a smooth curve."""
    length = np.exp(0.5 * rng.normal())
    amplitude = abs(2 * rng.normal())
    noise = np.exp(-1 + 0.5 * rng.normal())
    x = np.sort(rng.uniform(0, 6, 30))
    distance = (x[:, None] - x[None, :]) / length
    covariance = amplitude**2 * np.exp(-0.5 * distance**2) + noise**2 * np.eye(30)
    y = np.linalg.cholesky(covariance) @ rng.normal(size=30)
    return Table({"x": x, "y": y}, {"length": length, "amplitude": amplitude, "noise": noise})


SAMPLED = (
    Case("line", "lines.py: line", draw_line, is_small=True),
    Case("wide_line", "lines.py: wide", draw_wide_line),
    Case("known_errors", "lines.py: known_errors", draw_known_errors),
    Case("robust", "lines.py: robust", draw_robust),
    Case("autoregressive", "lines.py: autoregressive", draw_autoregressive),
    Case("poisson", "counts.py: poisson", draw_poisson, is_small=True),
    Case("negative_binomial", "counts.py: negative_binomial", draw_negative_binomial),
    Case("logistic", "counts.py: logistic", draw_logistic, is_small=True),
    Case("binomial", "counts.py: binomial", draw_binomial),
    Case("groups_noncentred", "groups.py: noncentred", draw_groups, is_small=True),
    Case("groups_centred", "groups.py: centred", draw_informative_groups),
    Case("many_groups", "groups.py: many_noncentred", draw_many_groups),
    Case("gaussian_process", "curves.py: gaussian_process", draw_gaussian_process),
)


def _fit_by(method: str, *names: str) -> tuple[Case, ...]:
    """Return some of the cases, each fitted by another method."""
    by_name = {case.name: case for case in (*SAMPLED, _COIN)}
    return tuple(
        replace(by_name[name], name=f"{name}_{method}", fit={"method": method}, is_small=False)
        for name in names
    )


_COIN = Case("coin", "counts.py: coin", draw_coin)
APPROXIMATED = (
    *_fit_by("svi", "coin", "line", "poisson"),
    *_fit_by("laplace", "logistic", "poisson", "wide_line"),
    *_fit_by("pathfinder", "wide_line", "poisson"),
    *_fit_by("map", "line", "negative_binomial"),
    *_fit_by("nested", "known_errors", "logistic"),
)
RIGHT_MODELS = {case.name: case for case in (*SAMPLED, *APPROXIMATED)}
