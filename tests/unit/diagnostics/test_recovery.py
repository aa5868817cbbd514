import numpy as np

from posterity.diagnostics.recovery import check_intervals

RNG = np.random.default_rng(5)


def one(correlation, size, draws, offset=0.0):
    """A posterior with the truth drawn from it: the model is right, whatever the correlation."""
    shared = np.sqrt(correlation)
    own = np.sqrt(1 - correlation)
    sample = shared * RNG.normal(size=draws) + own * RNG.normal(size=(size, draws))
    truth = shared * RNG.normal() + own * RNG.normal(size=size) + offset
    return check_intervals([f"p{i}" for i in range(size)], sample, truth, "eti", 0.9, 0.01)


def test_a_right_model_fails_with_at_most_the_level():
    """Null cases: 1,500 each; at a rate of 1 % more than 29 failures have a probability below 1e-3."""
    for correlation, size in ((0.0, 2), (0.9, 2), (0.0, 30), (0.95, 30)):
        failures = sum(one(correlation, size, 500).status == "fail" for _ in range(1500))
        assert failures <= 29, (correlation, size, failures)


def test_a_wrong_model_is_found():
    assert one(0.9, 2, 5000, offset=6).status == "fail"
    assert one(0.0, 50, 2000, offset=1.5).status == "fail"


def test_a_truth_beyond_all_draws_never_passes_in_silence():
    """With many scalars and few draws the smallest p-value that can be had is above the level."""
    found = check_intervals(
        [f"p{i}" for i in range(200)],
        RNG.normal(size=(200, 400)),
        np.r_[1000.0, RNG.normal(size=199)],
        "eti",
        0.9,
        0.01,
    )
    assert found.status == "warn"
    assert "outside all draws" in found.message


def test_message_counts_the_misses():
    sample = RNG.normal(size=(3, 2000))
    message = check_intervals(
        ["a", "b", "c"], sample, np.array([0, 0, 2.0]), "hdi", 0.9, 0.01
    ).message
    assert "1 of 3 90% intervals miss the truth: c" in message


def test_without_truth_it_does_not_apply():
    assert check_intervals([], np.zeros((0, 10)), np.zeros(0), "hdi", 0.9, 0.01).status == "n/a"
