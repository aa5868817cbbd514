"""Sites of a model: roles, dimensions, and the variables that they observe."""

import pytest
from unit.model.line import LINE, TABLE

from posterity.errors import UserError
from posterity.model.bind import bind_model
from posterity.model.dependencies import render_graph
from posterity.model.preflight import check_model

IMPROPER = """
def model(X, Y):
    m = numpyro.sample("m", dist.ImproperUniform(dist.constraints.real, (), ()))
    with numpyro.plate("groups", 2):
        s = numpyro.sample("s", dist.ImproperUniform(dist.constraints.positive, (), ()))
    p = numpyro.sample("p", dist.ImproperUniform(dist.constraints.simplex, (), (3,)))
    numpyro.sample("y", dist.Normal(m * X + p, s[0]), obs=Y)
"""


@pytest.fixture
def bind_line(write_spec):
    """A function that binds a source to the table."""

    def bind(source, **changes):
        return bind_model("line", write_spec(source, **changes), TABLE)

    return bind


def test_roles_follow_from_the_trace(bind_line):
    roles = {name: site.role for name, site in bind_line(LINE).sites.items()}
    assert roles == {"m": "latent", "c": "latent", "y": "observed"}


def test_an_observed_site_takes_name_and_dimension_of_its_variable(bind_line):
    bound = bind_line(LINE)
    assert bound.observations == {"y": "Y"}
    assert bound.sites["y"].dims == ("point",)
    assert bound.site_attributes("y") == {"long_name": "y", "units": "m", "role": "observed"}


def test_a_plate_named_like_a_dimension_of_another_length_gives_a_new_dimension(bind_line):
    plate = "with numpyro.plate('point', 2):\n        k = numpyro.sample('k', dist.Normal(0, 1))"
    source = LINE.replace("m = numpyro", f"{plate}\n    m = numpyro")
    assert bind_line(source).sites["k"].dims == ("k_dim_0",)


def test_the_dimension_of_a_hierarchy_is_that_of_its_plate(bind_line):
    source = """
def model(Y=None):
    spread = numpyro.sample("spread", dist.HalfNormal(1))
    with numpyro.plate("point", 3):
        mu = numpyro.sample("mu", dist.Normal(0, spread))
        numpyro.sample("y", dist.Normal(mu, 1), obs=Y)
"""
    assert bind_line(source).sites["mu"].dims == ("point",)


def test_a_plate_that_the_model_lacks_is_an_error(bind_line):
    with pytest.raises(UserError, match="plate 'stars'"):
        bind_line(LINE, dims={"stars": "star"})


def test_a_factor_is_not_a_site(bind_line):
    source = (
        LINE
        + """
    numpyro.factor("alone", -m)
    with numpyro.plate("rows", 3):
        numpyro.factor("scalar", -m)
        numpyro.factor("vector", -m * jnp.ones(3))
    with numpyro.handlers.mask(mask=False):
        numpyro.factor("masked", -m)
"""
    )
    bound = bind_line(source)
    assert list(bound.sites) == ["m", "c", "y"]
    assert bound.factor_sites == ("alone", "scalar", "vector", "masked")


def test_the_class_of_a_distribution_decides_whether_it_is_improper(bind_line):
    source = "\nclass ImproperUniform(dist.Normal):\n    pass\n\n" + LINE.replace(
        "dist.Uniform(-5, 5)", "ImproperUniform(0, 1)"
    )
    bound = bind_line(source)
    assert bound.sites["m"].distribution == "ImproperUniform"
    assert bound.improper_sites == []


def test_improper_priors_are_found_inside_plates_and_events(bind_line):
    bound = bind_line(IMPROPER)
    assert bound.improper_sites == ["m", "s", "p"]
    assert bound.sites["s"].dims == ("groups",)


def test_a_model_with_improper_priors_passes_the_preflight(bind_line):
    bound = bind_line(IMPROPER)
    check_model(bound, TABLE, "t.csv")
    assert "m" in render_graph(bound)
