import numpy as np
import pytest
import xarray as xr
from numpyro import distributions
from numpyro.distributions import Normal, Uniform

from posterity.data.simulate import simulate_model
from posterity.errors import UserError
from posterity.model.bind import bind_model
from posterity.model.datasets import make_data_groups
from posterity.model.dependencies import list_top_level_sites, render_graph
from posterity.model.preflight import _is_fixed, check_model, find_model_errors
from posterity.prediction.predict import make_draws_dataset, predict_posterior, sample_prior
from posterity.runtime.rng import Stream

SPEC = {"function": "model", "arguments": {}, "dims": {}, "observed": None, "figures": []}
HEADER = """
import jax.numpy as jnp, numpy as np, numpyro
import numpyro.distributions as dist
"""


@pytest.fixture
def spec(tmp_path):
    def write(source, **changes):
        file = tmp_path / "model.py"
        file.write_text(HEADER + source)
        return {**SPEC, "file": str(file), **changes}

    return write


LINE = """
def model(X, Y, E):
    m = numpyro.sample("m", dist.Uniform(-5, 5))
    c = numpyro.sample("c", dist.Uniform(-10, 10))
    with numpyro.plate("data", len(X)):
        numpyro.sample("y", dist.Normal(m * X + c, E), obs=Y)
"""
TABLE = xr.Dataset(
    {
        "X": ("point", [0.0, 1.0, 2.0]),
        "Y": ("point", [1.0, 3.0, 5.0], {"units": "m"}),
        "E": ("point", [0.5, 0.5, 1.0]),
    },
    {"point": [0, 1, 2], "row": ("point", [4, 5, 7])},
)


def test_an_observation_without_default_is_found_by_tracing(spec):
    bound = bind_model("line", spec(LINE), TABLE)
    assert {name: site.role for name, site in bound.sites.items()} == {
        "m": "latent",
        "c": "latent",
        "y": "observed",
    }
    assert bound.observations == {"y": "Y"}
    assert bound.sites["y"].dims == ("point",)
    assert bound.site_attributes("y") == {"long_name": "y", "units": "m", "role": "observed"}
    assert bound.constants == ()
    groups = make_data_groups(bound, TABLE)
    np.testing.assert_array_equal(groups["observed_data"]["y"], TABLE["Y"])
    assert set(groups["constant_data"].data_vars) == {"X", "E"}


def test_arguments_rename(spec):
    source = LINE.replace("X, Y, E", "X, Y, err").replace(", E)", ", err)")
    assert bind_model("line", spec(source, arguments={"err": "E"}), TABLE).arguments[
        "err"
    ].tolist() == [0.5, 0.5, 1.0]
    with pytest.raises(UserError, match=r"no variable 'err'.*argument 'err'"):
        bind_model("line", spec(source), TABLE)


def test_numbers_that_have_to_be_concrete_are_found(spec):
    source = """
def model(group, y=None):
    n = np.unique(group).size
    with numpyro.plate("groups", n):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(mu[group], 1), obs=y)
"""
    data = xr.Dataset(
        {"group": ("row", [0, 1, 1, 2]), "y": ("row", [0.0, 1.0, 2.0, 3.0])},
        {"group_name": ("groups", ["a", "b", "c"])},
    )
    bound = bind_model("m", spec(source, dims={"groups": "cluster"}), data)
    assert bound.constants == ("group",)
    assert bound.sites["mu"].dims == ("cluster",)
    assert bound.sites["y"].dims == ("row",)


def test_a_plate_named_as_a_dimension_of_another_length_keeps_out_of_its_way(spec):
    source = LINE.replace(
        "m = numpyro",
        "with numpyro.plate('point', 2):\n        k = numpyro.sample('k', dist.Normal(0, 1))\n    m = numpyro",
    )
    bound = bind_model("line", spec(source), TABLE)
    assert bound.sites["k"].dims == ("k_dim_0",)


def test_a_parameter_named_like_a_dimension(spec):
    bound = bind_model("line", spec(LINE.replace('"m"', '"point"')), TABLE)
    values = sample_prior(bound, 5, Stream(1))
    values.pop("y")
    assert make_draws_dataset(bound, values, 1, TABLE)["point"].dims == ("chain", "draw")


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        (
            "import nothing_of_this_name\n" + LINE,
            ["line 4", "does not import", "nothing_of_this_name"],
        ),
        (
            LINE.replace("m * X + c", "m * X + jnp.ones(5)"),
            ["line 9", "cannot be evaluated", "X (3,)"],
        ),
        (
            LINE.replace('"c"', '"m"'),
            ["line 7", "`m` duplicated", "give each site a name of its own"],
        ),
        (
            LINE + "    assert False, 'all sites must have unique names'\n",
            ["line 10", "mend that line"],
        ),
        (LINE.replace("dist.Normal(m", "dist.normal(m"), ["line 9", "normal"]),
    ],
)
def test_faults_of_a_model_name_file_and_line(spec, source, parts):
    with pytest.raises(UserError) as fault:
        bind_model("line", spec(source), TABLE)
    assert "\n" not in str(fault.value)
    for part in ["model.py", *parts]:
        assert part in str(fault.value)


def test_text_is_no_argument(spec):
    with pytest.raises(UserError, match=r"which is .a. in row 4"):
        bind_model(
            "line", spec(LINE), TABLE.assign(E=("point", np.array(["a", "b", "c"], dtype=object)))
        )


def test_preflight_names_row_and_variable(spec):
    table = TABLE.assign(E=("point", [0.5, 0.0, 1.0]))
    with pytest.raises(
        UserError, match=r"t\.csv: row 5 .*'E' is 0.*scale of Normal at site 'y'.*above 0"
    ):
        check_model(bind_model("line", spec(LINE), table), table, "t.csv")
    check_model(bind_model("line", spec(LINE), TABLE), TABLE, "t.csv")


def test_preflight_names_an_observation_outside_the_support(spec):
    source = """
def model(n=None):
    rate = numpyro.sample("rate", dist.Gamma(2, 1))
    with numpyro.plate("point", 3):
        numpyro.sample("n", dist.Poisson(rate), obs=n)
"""
    table = TABLE.assign(n=("point", [1, 2, -3]))
    with pytest.raises(UserError, match=r"row 7 .*'n' is -3"):
        check_model(bind_model("counts", spec(source), table), table, "t.csv")


def test_preflight_refuses_nothing_that_some_prior_draws_break(spec):
    source = LINE.replace("dist.Normal(m * X + c, E)", "dist.Normal(c, m * jnp.ones(3))")
    check_model(bind_model("line", spec(source), TABLE), TABLE, "t.csv")


def test_likelihood_and_prior_are_those_of_numpyro(spec):
    bound = bind_model("line", spec(LINE), TABLE)
    latent = {"m": np.array([1.0, 2.0]), "c": np.array([0.0, 1.0])}
    values = predict_posterior(bound, latent, Stream(1))
    exact = Normal(
        latent["m"][:, None] * TABLE["X"].values + latent["c"][:, None], TABLE["E"].values
    ).log_prob(TABLE["Y"].values)
    np.testing.assert_allclose(values["log_likelihood"]["y"], exact)
    np.testing.assert_allclose(values["log_prior"]["m"], Uniform(-5, 5).log_prob(latent["m"]))
    mean = latent["m"][:, None] * TABLE["X"].values + latent["c"][:, None]
    again = Normal(mean, TABLE["E"].values).log_prob(values["predicted"]["y"])
    np.testing.assert_allclose(values["log_likelihood_predicted"]["y"], again)


def test_vectors_in_one_event(spec):
    source = """
def model(X, Y=None):
    v = numpyro.sample("v", dist.Normal(jnp.zeros(2), 3.0).to_event(1))
    sd = numpyro.sample("sd", dist.HalfNormal(1))
    numpyro.sample("y", dist.MultivariateNormal(v[0] + v[1] * X, sd**2 * jnp.eye(3)), obs=Y)
"""
    bound = bind_model("mvn", spec(source), TABLE)
    check_model(bound, TABLE, "t.csv")
    latent = {"v": np.array([[1.0, 2.0], [0.0, 1.0]]), "sd": np.array([1.0, 2.0])}
    values = predict_posterior(bound, latent, Stream(1))
    residual = TABLE["Y"].values - latent["v"][:, :1] - latent["v"][:, 1:] * TABLE["X"].values
    exact = Normal(0, latent["sd"][:, None]).log_prob(residual).sum(1)
    np.testing.assert_allclose(values["log_likelihood"]["y"], exact)
    data = make_draws_dataset(bound, values["log_prior"], 1, TABLE)
    assert data["v"].dims == ("chain", "draw")
    assert make_draws_dataset(bound, values["predicted"], 1, TABLE)["y"].dims == (
        "chain",
        "draw",
        "point",
    )


def test_one_mean_of_many_observations_predicts_them_all(spec):
    source = """
def model(Y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 10))
    numpyro.sample("y", dist.Normal(mu, 1), obs=Y)
"""
    bound = bind_model("mean", spec(source), TABLE)
    assert sample_prior(bound, 4, Stream(1))["y"].shape == (4, 3)


def test_draws_have_no_coordinate_of_rows(spec):
    """ArviZ stacks sites of different shapes, and fails on a coordinate that only some of them have."""
    source = LINE.replace("m * X + c", "numpyro.deterministic('mu', m * X + c)").replace(
        "'data'", "'point'"
    )
    bound = bind_model("line", spec(source), TABLE)
    values = sample_prior(bound, 4, Stream(1))
    assert "row" not in make_draws_dataset(bound, values, 1, TABLE).coords
    assert "row" in make_data_groups(bound, TABLE)["observed_data"].coords


def test_data_that_have_no_influence_are_told(spec):
    with pytest.raises(UserError, match="no site of the model is observed"):
        bind_model("line", spec(LINE.replace(", obs=Y", "")), TABLE)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"arguments": {"Z": "X"}}, "argument 'Z'"),
        ({"observed": ["z"]}, "argument 'z'"),
        ({"dims": {"stars": "star"}}, "plate 'stars'"),
    ],
)
def test_names_in_the_study_that_the_model_does_not_have(spec, changes, part):
    with pytest.raises(UserError, match=part):
        bind_model("line", spec(LINE, **changes), TABLE)


def test_only_top_level_priors_are_in_log_prior(spec):
    source = """
def model(Y=None):
    spread = numpyro.sample("spread", dist.HalfNormal(1))
    with numpyro.plate("point", 3):
        mu = numpyro.sample("mu", dist.Normal(0, spread))
        numpyro.sample("y", dist.Normal(mu, 1), obs=Y)
"""
    bound = bind_model("h", spec(source), TABLE)
    assert list_top_level_sites(bound) == ["spread"]
    assert bound.sites["mu"].dims == ("point",)


def test_prior_draws_have_the_priors_moments(spec):
    values = sample_prior(bind_model("line", spec(LINE), TABLE), 4000, Stream(3, ("a",)))
    assert abs(values["m"].mean()) < 4 * 10 / np.sqrt(12 * 4000)
    assert abs(values["c"].std() / (20 / np.sqrt(12)) - 1) < 0.05
    residual = (
        values["y"] - values["m"][:, None] * TABLE["X"].values - values["c"][:, None]
    ) / TABLE["E"].values
    assert abs(residual.mean()) < 4 / np.sqrt(12000)
    assert abs(residual.std() - 1) < 0.04


@pytest.mark.parametrize("draws", [1, 3, 1000, 2500])
def test_batches_do_not_change_the_number_of_draws(spec, draws):
    assert sample_prior(bind_model("line", spec(LINE), TABLE), draws, Stream(3))["y"].shape == (
        draws,
        3,
    )


def test_a_simulation_holds_the_truth_fixed(spec):
    source = LINE.replace("X, Y, E", "X, E, Y=None")
    design = {"X": {"linspace": [0, 1, 5000]}, "E": 0.5}
    data, truth = simulate_model("line", spec(source), {"m": 2, "c": 1}, design, "data", 1, "here")
    assert data["y"].dims == ("data",)
    assert float(truth["m"]) == 2
    residual = (data["y"] - 2 * data["X"] - 1) / 0.5
    assert abs(float(residual.mean())) < 4 / np.sqrt(5000)
    assert abs(float(residual.std()) - 1) < 0.05
    again, _ = simulate_model("line", spec(source), {"m": 2, "c": 1}, design, "data", 1, "here")
    np.testing.assert_array_equal(data["y"], again["y"])
    _, drawn = simulate_model("line", spec(source), "prior", design, "data", 1, "here")
    assert set(drawn.data_vars) == {"m", "c"}
    with pytest.raises(UserError, match="no site 'mm'"):
        simulate_model("line", spec(source), {"mm": 2}, design, "data", 1, "here")
    with pytest.raises(UserError, match="no value for the site 'c'"):
        simulate_model("line", spec(source), {"m": 2}, design, "data", 1, "here")


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        (
            "\ndef model(X, Y):\n    k = numpyro.sample('k', dist.Poisson(3))\n    numpyro.sample('y', dist.Normal(k, 1), obs=Y)\n",
            ["'k' (Poisson, shape ())", "discrete", "no method can sum it out"],
        ),
        (
            LINE.replace("m * X + c", "(m * X + c)[:, None]").replace(
                'with numpyro.plate("data", len(X)):', "if True:"
            ),
            ["'y'", "(3,)", "(3, 3)", "compared 3 x 3 times"],
        ),
        (LINE.replace('"m"', '"draw"'), ["'draw'", "rename it"]),
        (
            LINE.replace("c, E)", "c, E[:2])").replace(
                'with numpyro.plate("data", len(X)):', "if True:"
            ),
            ["cannot be evaluated", "line 9"],
        ),
    ],
)
def test_faults_of_shapes_and_names_are_found_before_a_fit(spec, source, parts):
    with pytest.raises(UserError) as fault:
        check_model(bind_model("m", spec(source), TABLE), TABLE, "t.csv")
    for part in parts:
        assert part in str(fault.value)


def test_all_faults_are_listed(spec):
    source = LINE.replace('"m"', '"chain"').replace('"c"', '"draw"')
    assert len(find_model_errors(bind_model("m", spec(source), TABLE), TABLE, "t.csv")) == 2


def test_one_number_for_all_is_a_soft_constraint_and_no_fault(spec):
    source = LINE + "    numpyro.sample('soft', dist.Normal(jnp.ones(4) * m, 1), obs=0.0)\n"
    bound = bind_model("m", spec(source), TABLE)
    check_model(bound, TABLE, "t.csv")
    assert bound.sites["soft"].shape == (4,)
    values = predict_posterior(
        bound, {"m": np.array([1.0, 2.0]), "c": np.array([0.0, 1.0])}, Stream(1)
    )
    np.testing.assert_allclose(
        values["log_likelihood"]["soft"],
        Normal(np.array([[1.0], [2.0]]) * np.ones(4), 1).log_prob(0.0),
    )
    assert make_draws_dataset(bound, values["predicted"], 1, TABLE)["soft"].shape == (1, 2, 4)
    assert make_data_groups(bound, TABLE)["observed_data"]["soft"].values.tolist() == [0] * 4


def test_an_observation_that_the_data_lack_is_told_unless_it_is_meant(spec):
    source = (
        LINE.replace("X, Y, E", "X, E, Y=None, flux=None")
        + "        numpyro.sample('flux', dist.Normal(c, 1), obs=flux)\n"
    )
    with pytest.raises(
        UserError, match=r"argument 'flux', so that the site 'flux' would not be observed.*none"
    ):
        bind_model("m", spec(source), TABLE)
    bound = bind_model("m", spec(source, arguments={"flux": "none"}), TABLE)
    assert bound.sites["flux"].role == "latent"
    option = LINE.replace("X, Y, E", "X, E, Y=None, scale=None").replace(
        "E)", "E if scale is None else E * scale)"
    )
    assert bind_model("m", spec(option), TABLE).sites["y"].role == "observed"
    option = LINE.replace("X, Y, E", "X, E, Y=None, wide=False").replace(
        "E)", "E * (2 if wide else 1))"
    )
    assert bind_model("m", spec(option), TABLE).sites["y"].role == "observed"


def test_a_factor_is_no_site_whatever_is_around_it(spec):
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
    assert list(bind_model("m", spec(source), TABLE).sites) == ["m", "c", "y"]


def test_a_class_that_is_called_like_an_improper_prior_is_proper(spec):
    source = "\nclass ImproperUniform(dist.Normal):\n    pass\n\n" + LINE.replace(
        "dist.Uniform(-5, 5)", "ImproperUniform(0, 1)"
    )
    bound = bind_model("m", spec(source), TABLE)
    assert bound.sites["m"].distribution == "ImproperUniform"
    assert bound.improper_sites == []


@pytest.mark.parametrize(
    ("distribution", "fixed"),
    [
        ("Normal", {"loc", "scale"}),
        ("Dirichlet", set()),
        ("Uniform", set()),
        ("CategoricalProbs", {"probs"}),
    ],
)
def test_constraints_that_depend_on_others_are_told_apart(distribution, fixed):
    rules = getattr(distributions, distribution).arg_constraints
    assert {name for name, rule in rules.items() if _is_fixed(rule)} == fixed


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        ("Poisson(m**2), obs=Y.at[1].set(-1.0)", "a whole number, 0 or more"),
        ("Gamma(m**2, 1), obs=Y.at[1].set(-1.0)", "above 0"),
        ("Bernoulli(logits=m), obs=Y.at[1].set(2.0)", "0 or 1"),
        ("Beta(1 + m**2, 1), obs=Y.at[1].set(2.0)", "between 0 and 1"),
    ],
)
def test_what_a_value_has_to_be_is_said_in_words(spec, observed, words):
    data = TABLE.assign(Y=("point", [0.0, 1.0, 0.0]))
    source = f"\ndef model(X, Y, E):\n    m = numpyro.sample('m', dist.Normal())\n    numpyro.sample('y', dist.{observed})\n"
    found = find_model_errors(bind_model("m", spec(source), data), data, "t.csv")
    assert any(f"has to be {words};" in sentence for sentence in found), found


def test_improper_priors_inside_plates_and_events(spec):
    source = """
def model(X, Y):
    m = numpyro.sample("m", dist.ImproperUniform(dist.constraints.real, (), ()))
    with numpyro.plate("groups", 2):
        s = numpyro.sample("s", dist.ImproperUniform(dist.constraints.positive, (), ()))
    p = numpyro.sample("p", dist.ImproperUniform(dist.constraints.simplex, (), (3,)))
    numpyro.sample("y", dist.Normal(m * X + p, s[0]), obs=Y)
"""
    bound = bind_model("m", spec(source), TABLE)
    assert bound.improper_sites == ["m", "s", "p"]
    assert bound.sites["s"].dims == ("groups",)
    check_model(bound, TABLE, "t.csv")
    assert "m" in render_graph(bound)
