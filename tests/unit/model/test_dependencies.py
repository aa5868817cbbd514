"""Dependencies between sites."""

from unit.model.line import LINE, TABLE

from posterity.model.bind import bind_model
from posterity.model.dependencies import find_ancestors, list_top_level_sites, render_graph

HIERARCHY = """
def model(Y=None):
    spread = numpyro.sample("spread", dist.HalfNormal(1))
    with numpyro.plate("point", 3):
        mu = numpyro.sample("mu", dist.Normal(0, spread))
        numpyro.sample("y", dist.Normal(mu, 1), obs=Y)
"""


def test_a_prior_that_depends_on_a_latent_site_is_not_at_the_top_level(write_spec):
    assert list_top_level_sites(bind_model("h", write_spec(HIERARCHY), TABLE)) == ["spread"]


def test_ancestors_are_the_direct_parents_and_the_site_itself(write_spec):
    ancestors = find_ancestors(bind_model("h", write_spec(HIERARCHY), TABLE))
    assert set(ancestors["mu"]) == {"spread", "mu"}
    assert set(ancestors["y"]) == {"mu", "y"}


def test_a_site_may_be_called_model(write_spec):
    bound = bind_model("line", write_spec(LINE.replace('"m"', '"model"')), TABLE)
    assert set(list_top_level_sites(bound)) == {"model", "c"}


def test_the_graph_names_the_sites(write_spec):
    graph = render_graph(bind_model("h", write_spec(HIERARCHY), TABLE))
    assert all(name in graph for name in ("spread", "mu", "y"))
