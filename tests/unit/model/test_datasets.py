"""Groups of an artefact from a bound model."""

import numpy as np
from unit.model.line import LINE, TABLE

from posterity.model.bind import bind_model
from posterity.model.datasets import get_observed_values, make_data_groups, make_sample_stats


def test_observed_values_are_those_of_the_data(write_spec):
    values = get_observed_values(bind_model("line", write_spec(LINE), TABLE))
    assert list(values) == ["y"]
    np.testing.assert_array_equal(values["y"], TABLE["Y"])


def test_observations_and_other_variables_are_in_two_groups(write_spec):
    groups = make_data_groups(bind_model("line", write_spec(LINE), TABLE), TABLE)
    np.testing.assert_array_equal(groups["observed_data"]["y"], TABLE["Y"])
    assert set(groups["constant_data"].data_vars) == {"X", "E"}


def test_an_observed_site_names_its_variable(write_spec):
    groups = make_data_groups(bind_model("line", write_spec(LINE), TABLE), TABLE)
    assert groups["observed_data"]["y"].attrs["variable"] == "Y"


def test_data_groups_have_the_coordinate_of_rows(write_spec):
    source = LINE.replace("m * X + c", "numpyro.deterministic('mu', m * X + c)")
    groups = make_data_groups(bind_model("line", write_spec(source), TABLE), TABLE)
    assert "row" in groups["observed_data"].coords


def test_sample_stats_number_chains_and_draws():
    dataset = make_sample_stats({"lp": np.zeros((2, 3))})
    assert dataset["lp"].dims == ("chain", "draw")
    assert dataset["draw"].values.tolist() == [0, 1, 2]


def test_sample_stats_may_be_empty():
    assert not make_sample_stats({}).data_vars
