"""Chains of a kernel of NumPyro's."""

import numpy as np
import pytest
from numpyro.infer import AIES, NUTS

from posterity.config.schema import complete_settings
from posterity.errors import UserError
from posterity.inference.chains import KernelProgram, KernelSpec, check_walkers, sample_chains
from posterity.inference.methods import aies
from posterity.inference.run import RunOptions
from posterity.runtime.rng import Stream

MODEL = """
def model(y):
    mu = numpyro.sample("mu", dist.Normal(0, 2))
    numpyro.deterministic("double", 2 * mu)
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)
"""
MIXTURE = """
def model(y):
    mu = numpyro.sample("mu", dist.Normal(3, 1))
    with numpyro.plate("row", len(y)):
        z = numpyro.sample("z", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
        numpyro.deterministic("mean", mu * z)
        numpyro.sample("y", dist.Normal(mu * z, 1), obs=y)
"""
FIELDS = {"steps": lambda state: state.num_steps}


@pytest.fixture
def model(bind_source):
    return bind_source(MODEL, y=np.array([0.3, 2.5, 1.1]))


def make_nuts(function, init_strategy):
    return NUTS(function, init_strategy=init_strategy)


def make_settings(**changes):
    return complete_settings("nuts", **{"chains": 2, "warmup": 50, "draws": 30} | changes)


def sample(model, options=RunOptions(), **changes):
    settings = make_settings(**changes)
    return sample_chains(
        model, settings, Stream(1, ("t",)), options, make_nuts, FIELDS, evaluations="steps"
    )


def make_program(model, warmup=50, cache_key=None):
    from numpyro.infer import init_to_uniform

    spec = KernelSpec(
        lambda: NUTS(model.full_data, init_strategy=init_to_uniform()), FIELDS, cache_key or {}
    )
    keys = Stream(1).keys("chain", 2)
    return KernelProgram(spec, model, keys, warmup, 30, {"mu": 1, "double": 1})


def test_sites_and_fields_have_the_axes_chain_and_draw(model):
    result, fields = sample(model)
    assert {name: values.shape for name, values in result.posterior.items()} == {
        "mu": (2, 30),
        "double": (2, 30),
    }
    np.testing.assert_array_equal(result.posterior["double"], 2 * result.posterior["mu"])
    assert fields["steps"].shape == (2, 30)
    assert result.sampling == "chains"


def test_evaluations_count_the_warmup_too(model):
    result, fields = sample(model)
    assert result.gradient_evaluations > fields["steps"].sum()


def test_draws_do_not_depend_on_the_largest_number_of_draws(model):
    short, _ = sample(model)
    long, _ = sample(model, draws=45)
    np.testing.assert_array_equal(long.posterior["mu"][:, :30], short.posterior["mu"])


def test_only_the_chosen_sites_are_recorded_and_thinned(model):
    result, fields = sample(model, RunOptions(thin={"double": 10}))
    whole, _ = sample(model)
    assert list(result.posterior) == ["double"]
    np.testing.assert_array_equal(result.posterior["double"], whole.posterior["double"][:, ::10])
    assert fields["steps"].shape == (2, 30)


def test_discrete_sites_are_drawn_after_the_run(bind_source):
    model = bind_source(MIXTURE, y=np.array([0.1, 3.2, 2.9, -0.4]))
    result, _ = sample(model)
    assert result.posterior["z"].shape == (2, 30, 4)
    mu = np.asarray(result.posterior["mu"])
    np.testing.assert_allclose(result.posterior["mean"], mu[:, :, None] * result.posterior["z"])


def test_ensemble_has_walkers_as_chains(model):
    settings = complete_settings("aies", chains=6, warmup=20, draws=15)
    result, fields = sample_chains(
        model,
        settings,
        Stream(1, ("t",)),
        RunOptions(),
        lambda function, start: AIES(function, init_strategy=start),
        {"acceptance_rate": lambda state: state.inner_state.accept_prob},
        ensemble=True,
    )
    assert result.posterior["mu"].shape == (6, 15)
    rate = fields["acceptance_rate"]
    assert rate.shape == (6, 15)
    np.testing.assert_array_equal(rate, np.tile(rate[0], (6, 1)))  # one number for all walkers


def test_warmup_can_be_cut(model):
    program = make_program(model)
    program.compile()
    state, _ = program.advance(program.start(), 5, False)
    (inner, _) = program.cut_warmup(state)
    np.testing.assert_array_equal(inner.i, [49, 49])


def test_warmup_computes_no_sites(model):
    program = make_program(model)
    program.compile()
    _, values = program.advance(program.start(), 5, False)
    assert not np.asarray(values["double"]).any()


def test_cache_key_has_all_that_the_loop_depends_on(model, bind_source):
    key = make_program(model).cache_key
    other = bind_source(MODEL.replace("Normal(0, 2)", "Normal(0, 3)"), y=np.array([0.3, 2.5, 1.1]))
    assert make_program(model).cache_key == key
    assert make_program(other).cache_key != key
    assert make_program(model, warmup=51).cache_key != key
    assert make_program(model, cache_key={"target_accept": 0.9}).cache_key != key


@pytest.mark.parametrize(
    ("chains", "init", "message"),
    [
        (5, "uniform", "5 walkers for 1 latent numbers are too few or odd. Choose an even number"),
        (2, "uniform", r"at least 4, better twice the latent numbers \(2\)"),
        (6, {"mu": 1.0}, "init: walkers that all start at one value never leave it"),
    ],
)
def test_unsuitable_walkers_are_an_error(model, chains, init, message):
    with pytest.raises(UserError, match=message):
        check_walkers(model, {"method": "aies", "chains": chains, "init": init})


@pytest.mark.long
def test_initial_values_are_where_the_chains_start(model):
    result, _ = sample(model, init={"mu": 1.5}, warmup=0, draws=2)
    np.testing.assert_allclose(result.initial_values["mu"], [1.5, 1.5])
    result, _ = sample(model, warmup=0, draws=2)
    assert set(result.initial_values) == {"mu"}
    assert result.initial_values["mu"].shape == (2,)
    assert np.ptp(result.initial_values["mu"]) > 0
    assert (np.abs(result.initial_values["mu"]) < 2).all()


def test_initial_values_of_walkers_have_the_axis_chain(model):
    settings = complete_settings("aies", chains=6, warmup=2, draws=2)
    result = aies.fit(model, settings, Stream(1, ("t",)))
    assert result.initial_values["mu"].shape == (6,)
    assert len(set(result.initial_values["mu"])) == 6
