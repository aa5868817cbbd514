import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from posterity.diagnostics.prior_sensitivity import check_prior_sensitivity, measure_sensitivity

LEAD = ("chain", "draw")
WARN = {"warn": 0.05}


def measure_gaussian(prior_mean, prior_sd, likelihood_sd=1.0):
    """Measure the sensitivity of the mean of one observation at 0 with a Gaussian prior."""
    precision = 1 / prior_sd**2 + 1 / likelihood_sd**2
    mean = prior_mean / prior_sd**2 / precision
    draws = np.random.default_rng(1).normal(mean, precision**-0.5, size=(4, 1000))
    return measure_sensitivity(
        xr.Dataset({"m": (LEAD, draws)}),
        xr.Dataset({"m": (LEAD, norm.logpdf(draws, prior_mean, prior_sd))}),
        xr.Dataset({"y": ((*LEAD, "i"), norm.logpdf(0, draws, likelihood_sd)[..., None])}),
        100,
    )


def test_wide_prior_is_dominated_by_the_data():
    sensitivities = measure_gaussian(0, 100)
    assert sensitivities["prior"] < 0.05 <= sensitivities["likelihood"]
    assert sensitivities["diagnosis"].item() == "the data dominate the prior"
    assert check_prior_sensitivity(sensitivities, WARN).status == "pass"


def test_strong_prior_against_weak_data_warns():
    sensitivities = measure_gaussian(0, 1, likelihood_sd=100)
    assert sensitivities["diagnosis"].item() == "potential strong prior / weak likelihood"
    check = check_prior_sensitivity(sensitivities, WARN)
    assert check.status == "warn"
    expected = sensitivities["prior"] - 2 * sensitivities["prior_error"]
    assert check.value == pytest.approx(expected.item())
    assert check.message.startswith("largest sensitivity to the prior: ")
    assert "(m; to the data " in check.message
    assert "leaves out" not in check.message


def test_a_posterior_much_narrower_than_its_prior_is_not_weakly_determined():
    sensitivities = measure_gaussian(0, 1, likelihood_sd=100)
    check = check_prior_sensitivity(sensitivities, WARN, spreads={"m": 0.3})
    assert (check.status, check.value) == ("pass", 0)
    assert "the posterior is much narrower than the prior" in check.message
    assert check_prior_sensitivity(sensitivities, WARN, spreads={"m": 0.99}).status == "warn"


def test_informative_prior_is_reported_and_passes():
    sensitivities = measure_gaussian(8, 1)
    assert sensitivities["diagnosis"].item() == "informative prior"
    check = check_prior_sensitivity(sensitivities, WARN, "a, b")
    assert (check.status, check.value) == ("pass", 0)
    assert "the density has factors (a, b), which the power scaling leaves out" in check.message


def make_sensitivities(prior, likelihood, error):
    columns = {
        "prior": [prior],
        "prior_error": [error],
        "likelihood": [likelihood],
        "likelihood_error": [error],
        "hyperparameter": [1],
        "diagnosis": ["d"],
    }
    variables = {name: ("parameter", values) for name, values in columns.items()}
    return xr.Dataset(variables, {"parameter": ["m"]})


@pytest.mark.parametrize(
    ("prior", "likelihood", "status"),
    [(0.06, 0.03, "pass"), (0.08, 0.03, "warn"), (0.08, 0.045, "pass"), (0.08, 0.06, "pass")],
)
def test_a_sensitivity_must_differ_from_a_threshold_by_two_errors(prior, likelihood, status):
    sensitivities = make_sensitivities(prior, likelihood, 0.008)
    assert check_prior_sensitivity(sensitivities, WARN).status == status


def test_monte_carlo_errors_are_those_of_repetitions():
    measured = []
    for seed in range(20):
        draws = np.random.default_rng(seed).normal(size=(4, 500))
        prior = xr.Dataset({"m": (LEAD, norm.logpdf(draws))})
        likelihood = xr.Dataset({"y": (LEAD, norm.logpdf(2, draws, 50))})
        measured.append(measure_sensitivity(xr.Dataset({"m": (LEAD, draws)}), prior, likelihood, 9))
    together = xr.concat(measured, "seed")
    spread = together["prior"].std(ddof=1).item()
    assert 0.5 < together["prior_error"].mean().item() / spread < 2


def test_other_scalars_follow_the_hyperparameters_and_are_not_judged():
    draws = np.random.default_rng(4).normal(size=(2, 500))
    posterior = xr.Dataset({"z": (LEAD, -draws), "m": (LEAD, draws)})
    prior = xr.Dataset({"m": (LEAD, norm.logpdf(draws))})
    likelihood = xr.Dataset({"y": (LEAD, norm.logpdf(0, draws, 100))})
    sensitivities = measure_sensitivity(posterior, prior, likelihood, 9)
    assert sensitivities["parameter"].values.tolist() == ["m", "z"]
    assert sensitivities["hyperparameter"].values.tolist() == [1, 0]
    assert check_prior_sensitivity(sensitivities, WARN).status == "warn"
    auxiliary = measure_sensitivity(posterior[["z"]], prior, likelihood, 9)
    assert check_prior_sensitivity(auxiliary, WARN).status == "n/a"


def test_flat_prior_has_no_sensitivity():
    draws = np.random.default_rng(2).normal(size=(4, 500))
    sensitivities = measure_sensitivity(
        xr.Dataset({"m": (LEAD, draws)}),
        xr.Dataset({"m": (LEAD, np.zeros_like(draws))}),
        xr.Dataset({"y": (LEAD, norm.logpdf(0, draws))}),
        100,
    )
    assert np.isnan(sensitivities["prior"]).all()
    assert sensitivities["diagnosis"].item() == "the prior is flat"
    assert check_prior_sensitivity(sensitivities, WARN).status == "n/a"


def test_scalars_that_never_change_are_left_out():
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(2, 500, 3))
    draws[..., 1] = 4
    log_density = xr.Dataset({"v": (LEAD, norm.logpdf(draws).sum(-1))})
    posterior = xr.Dataset({"v": ((*LEAD, "i"), draws)})
    sensitivities = measure_sensitivity(posterior, log_density, log_density, 100)
    assert sensitivities["parameter"].values.tolist() == ["v[0]", "v[2]"]
    assert "of 2 hyperparameter scalars" in check_prior_sensitivity(sensitivities, WARN).message


@pytest.mark.parametrize("draws", [np.zeros((1, 4)), np.ones((2, 500))])
def test_check_does_not_apply_without_draws_that_differ(draws):
    posterior = xr.Dataset({"m": (LEAD, draws)})
    density = xr.Dataset({"m": (LEAD, norm.logpdf(draws))})
    check = check_prior_sensitivity(measure_sensitivity(posterior, density, density, 100), WARN)
    assert check.status == "n/a"
    assert "enough draws that differ" in check.message


def test_check_does_not_apply_without_data():
    assert check_prior_sensitivity(xr.Dataset(), WARN).status == "n/a"
    empty = measure_sensitivity(xr.Dataset(), xr.Dataset(), xr.Dataset(), 100)
    assert check_prior_sensitivity(empty, WARN).status == "n/a"


def make_stuck_chains():
    draws = np.repeat([[0.0], [1.0]], 500, axis=1)
    return draws, norm.logpdf(draws)


def make_infinite_likelihood():
    draws = np.random.default_rng(1).normal(size=(2, 500))
    return draws, np.where(draws > 1, -np.inf, 0)


def make_one_moving_draw():
    draws = np.zeros((2, 500))
    draws[0, 0] = 1
    return draws, norm.logpdf(draws)


@pytest.mark.parametrize(
    "make", [make_stuck_chains, make_infinite_likelihood, make_one_moving_draw]
)
def test_degenerate_draws_raise_nothing(make):
    draws, density = make()
    posterior = xr.Dataset({"m": (LEAD, draws)})
    prior = xr.Dataset({"m": (LEAD, norm.logpdf(draws))})
    likelihood = xr.Dataset({"y": (LEAD, density)})
    for groups in ((prior, likelihood), (likelihood.rename(y="m"), prior.rename(m="y"))):
        check = check_prior_sensitivity(measure_sensitivity(posterior, *groups, 9), WARN)
        assert check.status in ("n/a", "pass", "warn")
