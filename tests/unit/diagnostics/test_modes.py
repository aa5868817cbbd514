"""The check of several modes, on searches with known ends."""

import numpy as np
import pytest
import xarray as xr

from posterity.diagnostics.modes import check_modes

THRESHOLD = {"warn": -3, "fail": 3}
LABELS = ["mu[0]", "mu[1]", "s"]


def make_modes(density, distance, values=None, **changes):
    """Return the group `modes` of converged searches."""
    count = len(density)
    here = [-1.0, 2.0, 0.5]
    columns = {
        "log_density": np.array(density, float),
        "distance": np.array(distance, float),
        "barrier": np.full(count, 5.0),
        "rise": np.zeros(count),
        "gradient": np.zeros(count),
    } | {name: np.array(column, float) for name, column in changes.items()}
    variables = {name: ("start", column) for name, column in columns.items()}
    variables["value"] = (("start", "parameter"), [here, *[values or here] * (count - 1)])
    return xr.Dataset(variables, {"parameter": LABELS})


def check(modes, scales=None, skipped=""):
    return check_modes(modes, skipped, THRESHOLD, scales or {})


def test_one_maximum_passes():
    found = check(make_modes([0, -1e-9, 2e-9], [0, 1e-4, 0.02]))
    assert found.status == "pass"
    assert found.message == "3 of 3 searches converged, all to the same maximum"
    assert np.isnan(found.value)


def test_a_second_mode_warns_and_names_what_differs_most():
    modes = make_modes([0, -1.2, 0], [0, 6.4, 0], [3.0, 2.1, 0.5])
    found = check(modes, {"mu[0]": 0.5, "mu[1]": 0.01, "s": 0.1})
    assert (found.status, found.value) == ("warn", -1.2)
    assert "6.4 sd away, 1.20 nats below that of the fit" in found.message
    assert "mu[1] = 2.1 in place of 2, mu[0] = 3 in place of -1" in found.message
    assert "equivalent" not in found.message
    assert "mu[0] = 3 in place of -1, mu[1]" in check(modes).message


def test_a_much_higher_mode_fails():
    found = check(make_modes([0, 9.0, -1.0], [0, 8.0, 7.0], [3.0, 2.0, 0.5]))
    assert (found.status, found.value) == ("fail", 9.0)
    assert "9.00 nats above that of the fit" in found.message
    assert "the fit is in a lower mode" in found.message


def test_relabelled_components_are_named_as_such():
    found = check(make_modes([0, 0.0], [0, 12.0], [2.0, -1.0, 0.5]))
    assert found.status == "warn"
    assert "may be equivalent (relabelled components)" in found.message


@pytest.mark.parametrize(
    "modes",
    [
        make_modes([0, -8.0], [0, 9.0]),  # too low to matter
        make_modes([0, 5.0], [0, 2.5]),  # near
        make_modes([0, -0.01], [0, 5.0], barrier=[0, 0.5]),  # a curved ridge
        make_modes([0, 40.0], [0, 9.0], gradient=[0, 7.0]),  # a density without bound
        make_modes([0, 40.0], [0, 9.0], rise=[0, 1.0]),
        make_modes([0, np.nan], [0, np.nan]),
    ],
)
def test_low_near_or_unconverged_ends_pass(modes):
    assert check(modes).status == "pass"


def test_without_a_search_or_a_maximum_the_check_does_not_apply():
    assert check(xr.Dataset()).status == "n/a"
    found = check(xr.Dataset(), skipped="the fit uses minibatches")
    assert (found.status, found.message) == ("n/a", "the fit uses minibatches")
    unbounded = check(make_modes([0, 0], [0, 9.0], gradient=[7.0, 0.0]))
    assert unbounded.status == "n/a"
    assert "unbounded" in unbounded.message
