import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom

from posterity.diagnostics.recovery import check_intervals, check_recovery

LEVEL = 0.01
CASES = 1500
MAX_FAILURES = binom.isf(1e-3, CASES, LEVEL)  # more have a probability below 0.1 %
LEAD = ("chain", "draw")


def check_exchangeable(rng, correlation, size, draws, offset=0.0):
    """Check a posterior of correlated scalars whose truth is one more draw, plus an offset."""
    common = np.sqrt(correlation)
    separate = np.sqrt(1 - correlation)
    sample = common * rng.normal(size=draws) + separate * rng.normal(size=(size, draws))
    truth = common * rng.normal() + separate * rng.normal(size=size) + offset
    labels = [f"p{i}" for i in range(size)]
    return check_intervals(labels, sample, truth, "eti", 0.9, LEVEL)


@pytest.mark.parametrize(("correlation", "size"), [(0.0, 2), (0.9, 2), (0.0, 30), (0.95, 30)])
def test_right_model_fails_with_at_most_the_level(correlation, size):
    rng = np.random.default_rng(5)
    statuses = [check_exchangeable(rng, correlation, size, 500).status for _ in range(CASES)]
    assert statuses.count("fail") <= MAX_FAILURES


@pytest.mark.parametrize(
    ("correlation", "size", "draws", "offset"), [(0.9, 2, 5000, 6), (0.0, 50, 2000, 1.5)]
)
def test_wrong_model_fails(correlation, size, draws, offset):
    rng = np.random.default_rng(6)
    assert check_exchangeable(rng, correlation, size, draws, offset).status == "fail"


def test_truth_beyond_all_draws_warns_if_there_are_too_few_draws():
    """With many scalars and few draws the smallest possible p-value is above the level."""
    rng = np.random.default_rng(7)
    labels = [f"p{i}" for i in range(200)]
    truth = np.r_[1000.0, rng.normal(size=199)]
    check = check_intervals(labels, rng.normal(size=(200, 400)), truth, "eti", 0.9, LEVEL)
    assert check.status == "warn"
    assert "outside all draws" in check.message


def test_message_counts_the_misses():
    sample = np.random.default_rng(8).normal(size=(3, 2000))
    truth = np.array([0, 0, 2.0])
    message = check_intervals(["a", "b", "c"], sample, truth, "hdi", 0.9, LEVEL).message
    assert "1 of 3 90% intervals miss the truth: c (expected 0.3)" in message
    assert "farthest: c, +2.0 sd from its mean" in message


def test_message_names_at_most_five_misses():
    sample = np.random.default_rng(9).normal(size=(8, 500))
    labels = list("abcdefgh")
    message = check_intervals(labels, sample, np.full(8, 9.0), "hdi", 0.9, LEVEL).message
    assert "8 of 8 90% intervals miss the truth: a, b, c, d, e (expected 0.8)" in message


def test_check_does_not_apply_without_truth():
    check = check_intervals([], np.zeros((0, 10)), np.zeros(0), "hdi", 0.9, LEVEL)
    assert check.status == "n/a"


def test_sites_are_matched_with_their_truth():
    rng = np.random.default_rng(10)
    draws = xr.Dataset(
        {
            "m": (LEAD, rng.normal(size=(2, 500))),
            "v": ((*LEAD, "i"), rng.normal(size=(2, 500, 3))),
            "unknown": (LEAD, rng.normal(size=(2, 500))),
            "resized": ((*LEAD, "j"), rng.normal(size=(2, 500, 4))),
        }
    )
    truth = xr.Dataset({"v": ("k", [0.0, 0.0, 9.0]), "m": 0.0, "resized": ("l", [0.0, 0.0])})
    interval = {"kind": "eti", "probability": 0.9}
    check = check_recovery(truth, draws, interval, LEVEL, 100)
    assert check.status == "fail"
    assert "1 of 4 90% intervals miss the truth: v[2]" in check.message
    assert check_recovery(xr.Dataset(), draws, interval, LEVEL, 100).status == "n/a"
