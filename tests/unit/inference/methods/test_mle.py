"""The maximum of the likelihood."""

import numpy as np
import pytest
from unit.inference.methods.targets import SCHOOLS, run

from posterity.config.schema import complete_settings
from posterity.errors import UserError

LINE = """
def model(x, y):
    m = numpyro.sample("m", dist.Uniform(-10, 10))
    c = numpyro.sample("c", dist.Uniform(-10, 10))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(m * x + c, 0.5), obs=y)
"""


def test_the_point_is_that_of_least_squares(bind_source):
    x = np.linspace(0, 3, 20)
    y = 2 * x + 1 + 0.5 * np.random.default_rng(3).normal(size=20)
    point = run(bind_source(LINE, x=x, y=y), complete_settings("mle")).point
    assert [point["m"], point["c"]] == pytest.approx(np.polyfit(x, y, 1), rel=1e-5)


def test_a_hierarchical_model_is_an_error(bind_source):
    bound = bind_source(SCHOOLS, y=np.zeros(8), sigma=np.ones(8))
    message = "mle: the latent site 'theta' depends on other latent sites"
    with pytest.raises(UserError, match=message):
        run(bound, complete_settings("mle"))
