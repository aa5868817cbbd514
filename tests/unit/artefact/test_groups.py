import numpy as np
import pytest
import xarray as xr

from posterity.artefact.groups import (
    align_draws,
    align_latent_draws,
    get_group,
    list_draw_groups,
    thin_draws,
)


def make_site(numbers, role, factor=1.0):
    """A site whose value is the number of the draw, times a factor."""
    values = factor * np.array([numbers, numbers], float)
    return xr.DataArray(
        values, {"chain": [0, 1], "draw": numbers}, ("chain", "draw"), attrs={"role": role}
    )


@pytest.fixture
def fit():
    every = np.arange(12)
    return xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset({"m": make_site(every, "latent")}),
            "/posterior_thinned_2": xr.Dataset(
                {
                    "z": make_site(every[::2], "latent", 2.0),
                    "mu": make_site(every[::2], "deterministic", 3.0),
                }
            ),
            "/posterior_thinned_3": xr.Dataset({"y": make_site(every[::3], "deterministic", 4.0)}),
            "/posterior_summary": xr.Dataset({"s": ("statistic", [1.0])}),
        }
    )


def test_a_group_that_is_missing_is_empty(fit):
    assert not get_group(fit, "nothing").data_vars


def test_groups_with_draws_are_the_posterior_and_its_thinned_parts(fit):
    assert [list(group.data_vars) for group in list_draw_groups(fit)] == [["m"], ["z", "mu"], ["y"]]


def test_aligned_draws_are_those_that_all_sites_have(fit):
    draws = align_draws(fit)
    assert draws["draw"].values.tolist() == [0, 6]
    assert set(draws.data_vars) == {"m", "z", "mu", "y"}
    np.testing.assert_array_equal(draws["z"], 2 * draws["m"])
    np.testing.assert_array_equal(draws["y"], 4 * draws["m"])


def test_only_the_named_sites_limit_the_common_draws(fit):
    draws = align_draws(fit, ["m", "z"])
    assert draws["draw"].values.tolist() == [0, 2, 4, 6, 8, 10]
    assert set(draws.data_vars) == {"m", "z"}


def test_sites_of_one_group_keep_all_of_its_draws(fit):
    xr.testing.assert_identical(align_draws(fit, ["m"]), get_group(fit, "posterior"))


def test_sites_without_draws_give_an_empty_dataset(fit):
    assert not align_draws(fit, ["s"]).data_vars


def test_thinned_derived_sites_do_not_limit_the_latent_draws(fit):
    draws = align_latent_draws(fit)
    assert set(draws.data_vars) == {"m", "z"}
    assert draws["draw"].values.tolist() == [0, 2, 4, 6, 8, 10]


def test_derived_sites_of_the_posterior_stay_with_the_latent_ones():
    posterior = xr.Dataset(
        {"m": make_site([0, 1], "latent"), "mu": make_site([0, 1], "deterministic")}
    )
    draws = align_latent_draws(xr.DataTree.from_dict({"/posterior": posterior}))
    assert set(draws.data_vars) == {"m", "mu"}


def test_thinned_draws_are_numbered_from_zero(fit):
    draws = thin_draws(get_group(fit, "posterior"), np.array([3, 7]))
    assert draws["draw"].values.tolist() == [0, 1]
    assert draws["m"].values.tolist() == [[3, 7], [3, 7]]
