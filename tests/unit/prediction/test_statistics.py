import numpy as np

from posterity.prediction.statistics import TEST_STATISTICS, compute_test_statistics

RNG = np.random.default_rng(5)


def test_statistics_are_in_the_order_of_their_names():
    values = RNG.normal(size=(4, 3, 2))
    log_likelihood = RNG.normal(size=(4, 3, 2))
    result = compute_test_statistics(values, log_likelihood)
    flat = values.reshape(4, 6)
    score = -2 * log_likelihood.reshape(4, 6)
    expected = {
        "mean": flat.mean(1),
        "sd": flat.std(1),
        "smallest": flat.min(1),
        "largest": flat.max(1),
        "deviance": score.sum(1),
        "worst point": score.max(1),
    }
    assert tuple(expected) == TEST_STATISTICS
    np.testing.assert_allclose(result, np.stack([*expected.values()], axis=1))


def test_data_are_repeated_for_each_draw():
    result = compute_test_statistics(np.ones((1, 1)), np.zeros((5, 1)))
    assert result.shape == (5, len(TEST_STATISTICS))
    np.testing.assert_array_equal(result[:, 0], 1)


def test_integers_have_a_mean():
    result = compute_test_statistics(np.array([[0, 1], [1, 1]]), np.zeros((2, 2)))
    assert result[:, 0].tolist() == [0.5, 1]
