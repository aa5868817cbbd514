"""What HMC and NUTS share: dense blocks, statistics, the kernel over one vector, repetition."""

import json

import numpy as np
import pytest
import scipy.stats
from unit.inference.methods.targets import FUNNEL, MIXTURE, NORMAL, SAMPLERS, Y, compare, run

from posterity.config.schema import complete_settings
from posterity.errors import UserError
from posterity.inference.checkpoint import Checkpoint
from posterity.inference.hamiltonian import compute_tree_depth, parse_dense_mass
from posterity.inference.methods import nuts
from posterity.inference.run import RunOptions
from posterity.runtime.rng import Stream

CORRELATED = """
def model():
    a = numpyro.sample("a", dist.Normal(0, 100))
    numpyro.sample("b", dist.Normal(a, 1))
    numpyro.sample("c", dist.Normal(0, 1))
"""


@pytest.mark.long
def test_a_dense_block_learns_the_correlation_of_its_sites(bind_source):
    bound = bind_source(CORRELATED)
    steps = {}
    for name, mass in (("diagonal", False), ("block", [["a", "b"]]), ("all", True)):
        settings = SAMPLERS["nuts"] | {"dense_mass": mass, "init": {"a": 5.0, "b": 5.0}}
        result = run(bound, settings)
        compare(result.posterior["a"], scipy.stats.norm(0, 100))
        steps[name] = result.statistics["n_steps"].mean()
    assert steps["block"] < 0.2 * steps["diagonal"]
    assert steps["all"] < 0.2 * steps["diagonal"]


@pytest.mark.parametrize("value", [True, False])
def test_dense_mass_may_be_a_boolean(bind_source, value):
    assert parse_dense_mass(bind_source(NORMAL, y=Y), {"dense_mass": value}) is value


def test_dense_mass_may_be_blocks_of_sites(bind_source):
    blocks = parse_dense_mass(bind_source(CORRELATED), {"dense_mass": [["a", "b"], ["c"]]})
    assert blocks == [("a", "b"), ("c",)]


@pytest.mark.parametrize(
    ("method", "changes", "parts"),
    [
        ("hmc", {"dense_mass": [["mu", "mu"]]}, ["dense_mass", "'mu' is in two blocks"]),
        ("hmc", {"dense_mass": [["nu"]]}, ["dense_mass", "no latent site 'nu'"]),
        (
            "nuts",
            {"dense_mass": [["mu"]], "reparam": {"mu": "LocScale"}},
            ["dense_mass", "'mu' is reparametrised", "Remove it"],
        ),
    ],
)
def test_a_block_that_cannot_be_dense_is_an_error(bind_source, method, changes, parts):
    with pytest.raises(UserError) as error:
        run(bind_source(NORMAL, y=Y), SAMPLERS[method] | changes)
    assert all(part in str(error.value) for part in parts), error.value


def test_a_discrete_site_in_a_block_is_an_error(bind_source):
    settings = complete_settings("nuts", dense_mass=[["p", "k"]])
    with pytest.raises(UserError, match="no latent site 'k'"):
        run(bind_source(MIXTURE, y=np.zeros(30)), settings)


def test_statistics_have_the_names_of_arviz(bind_source):
    settings = complete_settings("nuts", chains=1, warmup=20, draws=10)
    statistics = run(bind_source(NORMAL, y=Y), settings).statistics
    assert set(statistics) == {
        "acceptance_rate",
        "diverging",
        "energy",
        "lp",
        "n_steps",
        "step_size",
        "tree_depth",
    }
    assert all(values.shape == (1, 10) for values in statistics.values())


def test_the_depth_of_a_tree_is_that_of_its_leapfrog_steps():
    assert compute_tree_depth(np.array([0, 1, 3, 7, 1023])).tolist() == [1, 1, 2, 3, 10]


# Large steps diverge in the funnel.
SHORT = complete_settings("nuts", chains=2, warmup=100, draws=200, target_accept=0.4)


class StopError(Exception):
    """Ends a fit at a progress message, as a kill would."""


def stop_before_repetition(text):
    if "runs once more" in text:
        raise StopError


@pytest.fixture
def funnel(bind_source):
    return bind_source(FUNNEL)


@pytest.fixture
def repeated(funnel):
    """A fit of the funnel, whose draws diverge."""
    return nuts.fit(funnel, SHORT, Stream(1, ("t",)))


def test_a_fit_whose_draws_diverge_runs_once_more(funnel, repeated):
    divergences = json.loads(repeated.attributes["divergences_of_runs"])
    assert repeated.attributes["retried"] == 1
    assert divergences[0] > 0
    assert repeated.statistics["diverging"].sum() == min(divergences)
    evaluations = json.loads(repeated.attributes["gradient_evaluations_of_runs"])
    assert repeated.gradient_evaluations == sum(evaluations)
    assert len(json.loads(repeated.attributes["seconds_of_runs"])) == 2
    is_second = divergences[1] <= divergences[0]
    target = 0.95 if is_second else 0.4
    assert repeated.attributes["target_accept"] == target
    stream = Stream(1, ("t", "retry") if is_second else ("t",))
    alone = nuts.fit(funnel, SHORT | {"target_accept": target, "retry": False}, stream)
    np.testing.assert_array_equal(alone.posterior["x"], repeated.posterior["x"])
    assert alone.attributes == {"retried": 0, "target_accept": target}


def test_a_killed_repetition_resumes_bit_identically(funnel, repeated, tmp_path):
    def fit(on_progress):
        checkpoint = Checkpoint(tmp_path / "checkpoint", {}, tmp_path / "posterior.nc")
        return nuts.fit(funnel, SHORT, Stream(1, ("t",)), RunOptions(checkpoint, on_progress))

    with pytest.raises(StopError):
        fit(stop_before_repetition)
    messages = []
    resumed = fit(messages.append)
    assert not any("warm-up" in text for text in messages[:1])
    for name, values in repeated.posterior.items():
        np.testing.assert_array_equal(resumed.posterior[name], values)
    for name, values in repeated.initial_values.items():
        np.testing.assert_array_equal(resumed.initial_values[name], values)
    for name in ("divergences_of_runs", "gradient_evaluations_of_runs", "target_accept"):
        assert resumed.attributes[name] == repeated.attributes[name]


def test_a_fit_without_divergences_is_not_repeated(bind_source):
    bound = bind_source(NORMAL, y=Y)
    results = [
        run(bound, SHORT | {"target_accept": 0.8, "retry": retry}) for retry in (True, False)
    ]
    np.testing.assert_array_equal(results[0].posterior["mu"], results[1].posterior["mu"])
    assert results[0].attributes == {"retried": 0, "target_accept": 0.8}


@pytest.mark.parametrize(
    "changes",
    [
        {"target_accept": 0.95},
        {"target_accept": 0.9, "retry": {"target_accept": 0.9}},
        {"stop_when": {"minutes": 1e-9}},
    ],
)
def test_a_fit_is_not_repeated_with_larger_steps_or_without_time(funnel, changes):
    result = run(funnel, SHORT | changes)
    assert result.attributes["retried"] == 0
