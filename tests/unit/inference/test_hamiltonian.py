"""What HMC and NUTS share: dense blocks, statistics, and the kernel over one vector."""

import numpy as np
import pytest
import scipy.stats
from unit.inference.methods.targets import MIXTURE, NORMAL, SAMPLERS, Y, compare, run

from posterity.config.schema import complete_settings
from posterity.errors import UserError
from posterity.inference.hamiltonian import compute_tree_depth, parse_dense_mass

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
