"""
Planted defects: one thing is wrong with the data, the model or the fit of each case.

Each names the checks that should see it. A case is caught if one of them warns or fails.
"""

import numpy as np
from cases import Case, Table

Generator = np.random.Generator
RESIDUALS = ("ppc", "loo_pit")
CHAINS = ("rhat", "ess_bulk", "ess_tail", "mcse")
TABLE = ("data", "refused")


def _line(rng: Generator, rows: int, errors: np.ndarray | float = 1.0, **more) -> Table:
    """Return points of the line 1 + 2 x, with given errors in units of their sd."""
    x = np.sort(rng.uniform(-2, 2, rows))
    noise = errors if np.ndim(errors) else errors * rng.normal(size=rows)
    return Table({"x": x, "y": 1 + 2 * x + noise, **more})


def _logistic(rng: Generator, logits: np.ndarray) -> np.ndarray:
    return (rng.uniform(size=logits.size) < 1 / (1 + np.exp(-logits))).astype(int)


def _walk(rng: Generator, rows: int, rho: float) -> np.ndarray:
    """Return a stationary series with unit variance and correlation rho of neighbours."""
    values = rng.normal(size=rows)
    for step in range(1, rows):
        values[step] = rho * values[step - 1] + np.sqrt(1 - rho**2) * values[step]
    return values


# The model has the wrong distribution of errors.


def draw_heavy_tails(rng: Generator) -> Table:
    """Draw errors of t(2)."""
    return _line(rng, 100, rng.standard_t(2, 100))


def draw_outliers(rng: Generator) -> Table:
    """Draw six outliers of ten sd."""
    errors = rng.normal(size=100)
    errors[rng.choice(100, 6, replace=False)] += 10
    return _line(rng, 100, errors)


def draw_skewed(rng: Generator) -> Table:
    """Draw errors with a long upper tail."""
    return _line(rng, 100, rng.exponential(1, 100) - 1)


def draw_two_populations(rng: Generator) -> Table:
    """Draw errors that are never small: two populations."""
    return _line(rng, 100, rng.choice([-2, 2], 100) + 0.4 * rng.normal(size=100))


def draw_growing_spread(rng: Generator) -> Table:
    """Draw a spread that grows eleven-fold along x."""
    return _line(rng, 100, np.linspace(0.2, 2.2, 100) * rng.normal(size=100))


def draw_noisy_instrument(rng: Generator) -> Table:
    """Draw five instruments, one of them with six times the noise."""
    instrument = np.tile(np.arange(5), 20)
    errors = np.where(instrument == 3, 3.0, 0.5) * rng.normal(size=100)
    return _line(rng, 100, errors, instrument=instrument)


def draw_understated(rng: Generator) -> Table:
    """Draw errors twice as large as stated."""
    sy = rng.uniform(0.3, 1, 40)
    return _line(rng, 40, 2 * sy * rng.normal(size=40), sy=sy)


def draw_overstated(rng: Generator) -> Table:
    """Draw errors half as large as stated."""
    sy = rng.uniform(0.3, 1, 40)
    return _line(rng, 40, 0.5 * sy * rng.normal(size=40), sy=sy)


def draw_censored(rng: Generator) -> Table:
    """Draw values that a detector cuts at a limit."""
    x, y = _line(rng, 100).columns.values()
    return Table({"x": x, "y": np.minimum(y, 1.5)})


def draw_selected(rng: Generator) -> Table:
    """Draw values of which only those above a limit are in the table."""
    x = np.sort(rng.uniform(-2, 2, 1500))
    y = 1 + 0.2 * x + 2 * rng.normal(size=1500)
    chosen = np.flatnonzero(y > 2.0)[:100]
    return Table({"x": x[chosen], "y": y[chosen]})


def draw_missing_as_number(rng: Generator) -> Table:
    """Draw a table in which -999 stands for a missing value."""
    x, y = _line(rng, 100).columns.values()
    y[rng.choice(100, 4, replace=False)] = -999
    return Table({"x": x, "y": y})


def draw_regular_waits(rng: Generator) -> Table:
    """Draw waiting times that are nearly regular."""
    return Table({"y": rng.gamma(8, 1 / 8, 80)})


# The model has the wrong mean.


def draw_square(rng: Generator) -> Table:
    """Draw a curve in place of a line."""
    x, y = _line(rng, 100).columns.values()
    return Table({"x": x, "y": y + 0.8 * x**2})


def draw_square_logistic(rng: Generator) -> Table:
    """Draw events whose log odds are a curve."""
    x = rng.uniform(-2, 2, 400)
    return Table({"x": x, "y": _logistic(rng, -1.5 + 0.5 * x + 1.5 * x**2)})


def draw_wrong_link(rng: Generator) -> Table:
    """Draw counts with a rate that is linear in x."""
    x = rng.uniform(0, 4, 200)
    return Table({"x": x, "y": rng.poisson(1 + 10 * x)})


def draw_hidden_sine(rng: Generator) -> Table:
    """Draw a sine on top of a line."""
    x, y = _line(rng, 100, 0.7).columns.values()
    return Table({"x": x, "y": y + 1.2 * np.sin(6 * x)})


def draw_step(rng: Generator) -> Table:
    """Draw a level that jumps at one time."""
    time = np.arange(100)
    x = rng.uniform(-2, 2, 100)
    return Table({"time": time, "x": x, "y": x + 2.0 * (time > 60) + rng.normal(size=100)})


def draw_missing_covariate(rng: Generator) -> Table:
    """Draw values that depend on a column that the model does not use."""
    pressure = rng.uniform(-2, 2, 100)
    x, y = _line(rng, 100).columns.values()
    return Table({"x": x, "pressure": pressure, "y": y + 0.8 * pressure})


def draw_interaction(rng: Generator) -> Table:
    """Draw values that depend on the product of two covariates."""
    u, v = rng.uniform(-2, 2, (2, 150))
    return Table({"u": u, "v": v, "y": 1 + u + v + 1.0 * u * v + 0.7 * rng.normal(size=150)})


def draw_exposure(rng: Generator) -> Table:
    """Draw counts over times of different length, which the model does not use."""
    x = rng.uniform(-2, 2, 200)
    hours = rng.uniform(0.3, 4, 200)
    return Table({"x": x, "hours": hours, "y": rng.poisson(hours * np.exp(1 + 0.3 * x))})


def draw_swapped(rng: Generator) -> Table:
    """Draw a table with the headers of x and y swapped."""
    sy = rng.uniform(0.2, 0.4, 40)
    x = rng.uniform(-2, 2, 40)
    y = 1 + 4 * x + sy * rng.normal(size=40)
    return Table({"x": y, "sy": sy, "y": x})


def draw_wrong_units(rng: Generator) -> Table:
    """Draw a covariate in units that are a thousand times too large."""
    x, y = _line(rng, 30, 0.3).columns.values()
    return Table({"x": x / 1000, "y": y})


# Rows depend on each other.


def draw_autocorrelated(rng: Generator) -> Table:
    """Draw residuals with a correlation of 0.8 from row to row."""
    return _line(rng, 100, _walk(rng, 100, 0.8))


def draw_ignored_groups(rng: Generator) -> Table:
    """Draw groups that the model ignores."""
    group = rng.permutation(np.repeat(np.arange(10), 10))
    effects = rng.normal(size=10)
    return _line(rng, 100, 1.2 * effects[group] + rng.normal(size=100), group=group)


def draw_varying_slopes(rng: Generator) -> Table:
    """Draw groups with slopes of their own, where the model has one slope."""
    group = np.repeat(np.arange(10), 15)
    x = rng.uniform(0, 4, 150)
    slope = 1 + 1.5 * rng.normal(size=10)
    y = slope[group] * x + rng.normal(size=10)[group] + 0.5 * rng.normal(size=150)
    return Table({"x": x, "group": group, "y": y})


def draw_drifting_groups(rng: Generator) -> Table:
    """Draw groups whose levels drift together from day to day."""
    group = np.tile(np.arange(8), 30)
    drift = np.cumsum(0.5 * rng.normal(size=30))
    y = rng.normal(size=8)[group] + np.repeat(drift, 8) + 0.5 * rng.normal(size=240)
    return Table({"day": np.repeat(np.arange(30), 8), "group": group, "y": y})


def draw_twice(rng: Generator) -> Table:
    """Draw a table with each row twice."""
    columns = _line(rng, 50).columns
    return Table({name: np.tile(values, 2) for name, values in columns.items()})


# Counts with another scatter than the model has.


def draw_extra_zeros(rng: Generator) -> Table:
    """Draw counts with 12 % extra zeros."""
    x = rng.uniform(-2, 2, 200)
    y = rng.poisson(np.exp(1.5 + 0.3 * x))
    y[rng.choice(200, 24, replace=False)] = 0
    return Table({"x": x, "y": y})


def draw_overdispersed(rng: Generator) -> Table:
    """Draw counts with more scatter than a Poisson distribution has."""
    x = rng.uniform(-2, 2, 200)
    return Table({"x": x, "y": rng.poisson(np.exp(1 + 0.3 * x) * rng.gamma(2, 0.5, 200))})


def draw_underdispersed(rng: Generator) -> Table:
    """Draw counts with less scatter than a Poisson distribution has."""
    x = rng.uniform(-2, 2, 200)
    y = np.rint(np.exp(1.5 + 0.3 * x) + 0.5 * rng.normal(size=200))
    return Table({"x": x, "y": y.astype(int)})


def draw_scattered_odds(rng: Generator) -> Table:
    """Draw series of trials whose odds differ more than x explains."""
    x = rng.uniform(-2, 2, 40)
    total = rng.integers(15, 30, 40)
    odds = 0.5 * x + 1.0 * rng.normal(size=40)
    successes = rng.binomial(total, 1 / (1 + np.exp(-odds)))
    return Table({"x": x, "total": total, "successes": successes})


def draw_lapses(rng: Generator) -> Table:
    """Draw events of which a quarter ignores x, which is decisive for the others."""
    x = rng.uniform(-4, 4, 500)
    y = _logistic(rng, 4 * x)
    lapsed = rng.uniform(size=500) < 0.25
    return Table({"x": x, "y": np.where(lapsed, rng.integers(0, 2, 500), y)})


# Tables that are wrong.


def draw_labels_from_one(rng: Generator) -> Table:
    """Draw groups that are labelled from 1."""
    group = np.repeat(np.arange(8), 6)
    y = rng.normal(size=8)[group] + 0.5 * rng.normal(size=48)
    return Table({"group": group + 1, "y": y})


def draw_above_total(rng: Generator) -> Table:
    """Draw successes of which two exceed the number of trials."""
    x = rng.uniform(-2, 2, 40)
    total = rng.integers(5, 30, 40)
    successes = rng.binomial(total, 1 / (1 + np.exp(-0.5 * x)))
    successes[[3, 17]] = total[[3, 17]] + 2
    return Table({"x": x, "total": total, "successes": successes})


def draw_constant(rng: Generator) -> Table:
    """Draw a covariate that is the same in all rows."""
    return Table({"x": np.full(100, 3.0), "y": 1 + rng.normal(size=100)})


def draw_events_from_one(rng: Generator) -> Table:
    """Draw events that are coded 1 and 2."""
    x = rng.uniform(-2, 2, 100)
    return Table({"x": x, "y": 1 + _logistic(rng, x)})


def draw_negative_counts(rng: Generator) -> Table:
    """Draw counts from which a background is subtracted."""
    x = rng.uniform(-2, 2, 200)
    return Table({"x": x, "y": rng.poisson(np.exp(1 + 0.3 * x)) - 2})


def draw_large_counts(rng: Generator) -> Table:
    """Draw counts of 1e9."""
    x = rng.uniform(-1, 1, 50)
    return Table({"x": x, "y": rng.poisson(1e9 * np.exp(0.5 * x))})


# The prior is wrong.


def draw_line(rng: Generator) -> Table:
    """Draw a line with a slope of 2."""
    return _line(rng, 100, 0.5)


def draw_steep_logistic(rng: Generator) -> Table:
    """Draw events with a slope of 2."""
    x = rng.uniform(-2, 2, 200)
    return Table({"x": x, "y": _logistic(rng, 2 * x)})


def draw_high_counts(rng: Generator) -> Table:
    """Draw counts about 150, where the prior has about 3."""
    x = rng.uniform(-2, 2, 200)
    return Table({"x": x, "y": rng.poisson(np.exp(5 + 0.2 * x))})


# Several modes, chains that stick, and numbers that do not exist.


def draw_squares(rng: Generator) -> Table:
    """Draw measurements of the square of 2."""
    return Table({"y": 4 + rng.normal(size=20)})


def draw_wave(rng: Generator) -> Table:
    """Draw a sine."""
    t = np.sort(rng.uniform(0, 10, 50))
    return Table({"t": t, "y": np.sin(7 * t) + 0.2 * rng.normal(size=50)})


def draw_flat_line(rng: Generator) -> Table:
    """Draw a line without slope."""
    x = rng.uniform(-2, 2, 40)
    return Table({"x": x, "y": 1 + rng.normal(size=40)})


def draw_two_peaks(rng: Generator) -> Table:
    """Draw two populations."""
    return Table({"y": rng.choice([-3.0, 3.0], 100) + rng.normal(size=100)})


def draw_sum(rng: Generator) -> Table:
    """Draw measurements of a sum."""
    return Table({"y": 3 + rng.normal(size=20)})


def draw_schools(rng: Generator) -> Table:
    """Draw few groups that hardly differ."""
    sigma = rng.uniform(9, 18, 8)
    return Table({"sigma": sigma, "y": 4 + sigma * rng.normal(size=8)})


def draw_vague(rng: Generator) -> Table:
    """Draw vague measurements."""
    return Table({"y": 30 * rng.normal(size=8)})


def draw_separated(rng: Generator) -> Table:
    """Draw few events that x separates."""
    x = np.sort(rng.uniform(-2, 2, 12))
    return Table({"x": x, "y": (x > 0).astype(int)})


def draw_far_covariate(rng: Generator) -> Table:
    """Draw a covariate that is far from zero, so that intercept and slope are correlated."""
    x = 40 + rng.normal(size=100)
    return Table({"x": x, "y": 3 + 0.5 * (x - 40) + 0.5 * rng.normal(size=100)})


NUTS = {"method": "nuts"}
ERRORS = (
    Case(
        "heavy_tails",
        "lines.py: wide",
        draw_heavy_tails,
        expected=(*RESIDUALS, "loo"),
        is_small=True,
    ),
    Case("outliers", "lines.py: wide", draw_outliers, expected=(*RESIDUALS, "loo")),
    Case("skewed_errors", "lines.py: wide", draw_skewed, expected=RESIDUALS),
    Case("two_populations", "lines.py: wide", draw_two_populations, expected=RESIDUALS),
    Case(
        "growing_spread", "lines.py: wide", draw_growing_spread, expected=RESIDUALS, is_small=True
    ),
    Case("noisy_instrument", "lines.py: wide", draw_noisy_instrument, expected=RESIDUALS),
    Case(
        "understated_errors",
        "lines.py: known_errors",
        draw_understated,
        expected=RESIDUALS,
        is_small=True,
    ),
    Case("overstated_errors", "lines.py: known_errors", draw_overstated, expected=RESIDUALS),
    Case("censored", "lines.py: wide", draw_censored, expected=RESIDUALS),
    Case("selected", "lines.py: wide", draw_selected, expected=RESIDUALS),
    Case(
        "missing_as_number",
        "lines.py: wide",
        draw_missing_as_number,
        expected=(*RESIDUALS, "loo", "conflict", *TABLE),
        is_small=True,
    ),
    Case("regular_waits", "lines.py: waiting", draw_regular_waits, expected=RESIDUALS),
)
MEANS = (
    Case("square", "lines.py: wide", draw_square, expected=RESIDUALS, is_small=True),
    Case("square_logistic", "counts.py: logistic", draw_square_logistic, expected=RESIDUALS),
    Case(
        "wrong_link", "counts.py: wide_poisson", draw_wrong_link, expected=RESIDUALS, is_small=True
    ),
    Case("hidden_sine", "lines.py: wide", draw_hidden_sine, expected=RESIDUALS),
    Case("step", "lines.py: wide", draw_step, expected=RESIDUALS),
    Case("missing_covariate", "lines.py: wide", draw_missing_covariate, expected=RESIDUALS),
    Case("interaction", "lines.py: two_covariates", draw_interaction, expected=RESIDUALS),
    Case("ignored_exposure", "counts.py: wide_poisson", draw_exposure, expected=RESIDUALS),
    Case(
        "swapped_columns",
        "lines.py: known_errors",
        draw_swapped,
        expected=(*RESIDUALS, "conflict"),
    ),
    Case(
        "wrong_units",
        "lines.py: line",
        draw_wrong_units,
        expected=(*RESIDUALS, "conflict", "prior_sensitivity"),
    ),
)
ROWS = (
    Case(
        "autocorrelated", "lines.py: wide", draw_autocorrelated, expected=RESIDUALS, is_small=True
    ),
    Case(
        "ignored_groups", "lines.py: wide", draw_ignored_groups, expected=RESIDUALS, is_small=True
    ),
    Case("varying_slopes", "groups.py: slopes", draw_varying_slopes, expected=RESIDUALS),
    Case("drifting_groups", "groups.py: centred", draw_drifting_groups, expected=RESIDUALS),
    Case("repeated_rows", "lines.py: wide", draw_twice, expected=(*TABLE, "ppc"), is_small=True),
)
COUNTS = (
    Case("extra_zeros", "counts.py: poisson", draw_extra_zeros, expected=RESIDUALS),
    Case(
        "overdispersed", "counts.py: poisson", draw_overdispersed, expected=RESIDUALS, is_small=True
    ),
    Case("underdispersed", "counts.py: poisson", draw_underdispersed, expected=RESIDUALS),
    Case("scattered_odds", "counts.py: binomial", draw_scattered_odds, expected=RESIDUALS),
    Case("lapses", "counts.py: wide_logistic", draw_lapses, expected=RESIDUALS),
)
TABLES = (
    Case(
        "labels_from_one",
        "groups.py: noncentred",
        draw_labels_from_one,
        expected=TABLE,
        is_small=True,
    ),
    Case("above_total", "counts.py: binomial", draw_above_total, expected=TABLE),
    Case("constant_column", "lines.py: wide", draw_constant, expected=TABLE),
    Case("events_from_one", "counts.py: logistic", draw_events_from_one, expected=TABLE),
    Case("negative_counts", "counts.py: poisson", draw_negative_counts, expected=TABLE),
    Case(
        "float32_counts",
        "counts.py: large_poisson",
        draw_large_counts,
        study={"float_type": "float32"},
        expected=("precision", "refused"),
        is_small=True,
    ),
    Case("density_factor", "lines.py: with_factor", draw_line, expected=TABLE),
)
PRIORS = (
    Case(
        "prior_of_slope", "lines.py: narrow_slope", draw_line, expected=("conflict",), is_small=True
    ),
    Case(
        "prior_of_errors",
        "lines.py: narrow_errors",
        draw_growing_spread,
        expected=("conflict", "ppc"),
    ),
    Case(
        "prior_of_odds", "counts.py: narrow_logistic", draw_steep_logistic, expected=("conflict",)
    ),
    Case("prior_of_counts", "counts.py: poisson", draw_high_counts, expected=("conflict",)),
    Case(
        "prior_excludes_truth",
        "lines.py: bounded",
        draw_line,
        expected=("conflict",),
        is_small=True,
    ),
    Case("weak_data", "lines.py: unknown_tails", draw_line, expected=("prior_sensitivity",)),
    Case(
        "absurd_prior",
        "lines.py: very_wide",
        draw_line,
        study={"checks": {"prior_predictive": {"y": [-100, 100]}}},
        expected=("prior_predictive",),
        is_small=True,
    ),
)
MODES = (
    Case(
        "mode_of_chains",
        "curves.py: square",
        draw_squares,
        NUTS | {"init": {"m": 2.0}},
        expected=("modes", "rhat"),
        is_small=True,
    ),
    Case(
        "mode_of_guide",
        "curves.py: square",
        draw_squares,
        {"method": "svi"},
        expected=("modes", "khat"),
    ),
    Case(
        "mode_of_laplace",
        "curves.py: square",
        draw_squares,
        {"method": "laplace"},
        expected=("modes", "khat"),
    ),
    Case(
        "mode_of_map",
        "curves.py: square",
        draw_squares,
        {"method": "map"},
        expected=("modes", "optimum_restarts"),
    ),
    Case(
        "one_start",
        "curves.py: wave",
        draw_wave,
        {"method": "map", "restarts": 1},
        expected=("optimum_restarts", "modes"),
    ),
    Case(
        "stuck_chains",
        "curves.py: wave",
        draw_wave,
        expected=CHAINS,
        is_small=True,
    ),
    Case("label_switching", "curves.py: mixture", draw_two_peaks, expected=CHAINS),
    Case("no_mean", "lines.py: ratio", draw_flat_line, expected=("tails",), is_small=True),
)
FITS = (
    Case(
        "ridge",
        "lines.py: sum_of_two",
        draw_sum,
        expected=(*CHAINS, "tree_depth", "prior_sensitivity"),
    ),
    Case(
        "schools_centred",
        "groups.py: eight_schools",
        draw_schools,
        expected=(*CHAINS, "divergences", "e_bfmi"),
    ),
    Case(
        "funnel",
        "groups.py: funnel",
        draw_vague,
        expected=(*CHAINS, "divergences", "e_bfmi"),
        is_small=True,
    ),
    Case(
        "truncated_trees",
        "lines.py: wide",
        draw_far_covariate,
        NUTS | {"max_tree_depth": 3},
        expected=("tree_depth", *CHAINS),
        is_small=True,
    ),
    Case(
        "few_draws",
        "lines.py: wide",
        draw_line,
        NUTS | {"draws": 40},
        expected=CHAINS,
        is_small=True,
    ),
    Case(
        "one_chain",
        "lines.py: wide",
        draw_line,
        NUTS | {"chains": 1},
        expected=("rhat",),
        is_small=True,
    ),
    Case(
        "no_warmup",
        "lines.py: wide",
        draw_far_covariate,
        NUTS | {"warmup": 5},
        expected=(*CHAINS, "tree_depth", "divergences"),
    ),
    Case(
        "short_ensemble",
        "lines.py: wide",
        draw_far_covariate,
        {"method": "aies", "warmup": 50, "draws": 100},
        expected=CHAINS,
    ),
    Case(
        "unconverged_guide",
        "lines.py: wide",
        draw_line,
        {"method": "svi", "steps": 300, "step_size": 0.002, "tolerance": 0, "restarts": 1},
        expected=("elbo_convergence", "khat"),
        is_small=True,
    ),
    Case(
        "diagonal_guide",
        "lines.py: wide",
        draw_far_covariate,
        {"method": "svi", "guide": "AutoNormal"},
        expected=("khat",),
    ),
    Case(
        "skewed_laplace",
        "counts.py: wide_logistic",
        draw_separated,
        {"method": "laplace"},
        expected=("khat",),
    ),
    Case(
        "funnel_pathfinder",
        "groups.py: funnel",
        draw_vague,
        {"method": "pathfinder"},
        expected=("khat",),
    ),
    Case(
        "few_live_points",
        "lines.py: wide",
        draw_line,
        {"method": "nested", "runs": 1, "live_points": 50},
        expected=("evidence_error", "ess_bulk", "ess_tail", "mcse"),
    ),
)
DEFECTS = {
    case.name: case
    for cases in (ERRORS, MEANS, ROWS, COUNTS, TABLES, PRIORS, MODES, FITS)
    for case in cases
}
