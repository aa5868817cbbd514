"""Guides of variational inference: custom ones, automatic ones, and minibatches."""

import numpy as np
import pytest

from posterity.config.schema import complete_settings
from posterity.errors import UserError
from posterity.inference.guide import GuideProblem, load_guide

MODEL = """
def model(y):
    mu = numpyro.sample("mu", dist.Normal(0, 2))
    with numpyro.plate("row", len(y)) as i:
        numpyro.sample("y", dist.Normal(mu, 1), obs=y[i])
"""
UNBATCHED = MODEL.replace("y[i]", "y")
GUIDE = """
import numpyro
import numpyro.distributions as dist

def fitting(y):
    numpyro.sample("mu", dist.Normal(numpyro.param("loc", 0.0), 1))

def misnamed(y):
    numpyro.sample("nu", dist.Normal(0, 1))

def misshaped(y):
    numpyro.sample("mu", dist.Normal(0, 1).expand([2]).to_event(1))

def surplus(y):
    fitting(y)
    numpyro.sample("extra", dist.Normal(0, 1))
"""
Y = np.array([0.3, 2.5, 1.1, 3.0])


@pytest.fixture
def model(bind_source, tmp_path):
    (tmp_path / "guide.py").write_text(GUIDE)
    return bind_source(MODEL, y=Y)


def make_problem(model, **changes) -> GuideProblem:
    return GuideProblem(model, complete_settings("svi", **changes))


def test_custom_guide_is_read_from_the_folder_of_the_model(model):
    guide, source = load_guide(model, "fitting")
    assert guide.__name__ == "fitting"
    assert "def misnamed" in source
    assert make_problem(model, guide="fitting").custom_guide.__name__ == "fitting"


@pytest.mark.parametrize(
    ("guide", "message"),
    [
        ("fiting", r"guide\.py: there is no function 'fiting'.*fitting"),
        ("misnamed", r"'mu' of shape \(\) is not in it. Give the guide a site"),
        ("misshaped", r"'mu' of shape \(\) has shape \(2,\) there"),
        ("surplus", "has a site 'extra' that the model does not have"),
        ("AutoNorml", "there is no 'AutoNorml'.*AutoNormal"),
        ("AutoIAFNormal", "needs two latent numbers, not 1. Choose AutoNormal"),
    ],
)
def test_unsuitable_guide_is_an_error(model, guide, message):
    with pytest.raises(UserError, match=message):
        make_problem(model, guide=guide)


def test_missing_guide_file_is_an_error(bind_source):
    with pytest.raises(UserError, match=r"guide\.py: there is no such file, but the guide 'mine'"):
        make_problem(bind_source(MODEL, y=Y), guide="mine")


@pytest.mark.parametrize(
    ("minibatch", "source", "message"),
    [
        ({"rows": 2}, MODEL, "the model has no plate 'rows'.*row"),
        ({"row": 5}, MODEL, "row: 5 is more than its 4 elements. Choose a smaller number"),
        ({"row": 2}, UNBATCHED, r"cannot be computed on minibatches \(.*\)\. Inside the plate"),
    ],
)
def test_unsuitable_minibatch_is_an_error(bind_source, minibatch, source, message):
    with pytest.raises(UserError, match=message):
        make_problem(bind_source(source, y=Y), minibatch=minibatch)


def test_cache_key_has_guide_and_settings_but_not_the_draws(model):
    key = make_problem(model).cache_key
    assert make_problem(model, draws=7, resample=True).cache_key == key
    assert make_problem(model, step_size=0.01).cache_key != key
    assert make_problem(model, guide="fitting").cache_key != key
