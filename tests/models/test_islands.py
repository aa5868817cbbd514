"""
Test four separate modes, whose masses and evidence are known exactly.

The checks of convergence fail if chains cannot move between the modes.
"""

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT, make_spec

from posterity.config.schema import complete_settings
from posterity.diagnostics.convergence import check_convergence
from posterity.inference.methods import nested, nuts
from posterity.model.bind import bind_model
from posterity.model.model import trace_conditioned
from posterity.python_files import load_module
from posterity.runtime.rng import Stream
from posterity.stats.summary import summarise_draws

FOLDER = ROOT / "workflow/models/islands"
CENTRES = np.sqrt(2) * np.array([[-1.5, 0.0], [0.0, 1.5], [0.0, -1.5], [1.5, 0.0]])
MASSES = np.array([2, 2, 2, 1]) / 7


@pytest.fixture(scope="module")
def bound():
    return bind_model("islands", make_spec(FOLDER / "model.py"), xr.Dataset())


def test_the_density_is_a_sum_of_four_gaussians(bound):
    rng = np.random.default_rng(1)
    for x in rng.uniform(-3, 3, (20, 2)):
        sites = trace_conditioned(bound, {"x": x}, {})
        found = float(sites["islands"]["fn"].log_prob(sites["islands"]["value"]))
        each = MASSES * np.exp(-0.5 * ((x - CENTRES) ** 2).sum(1) / 0.25**2) / (2 * np.pi * 0.25**2)
        assert found == pytest.approx(np.log(7 * each.sum()), rel=1e-10)


@pytest.mark.long
def test_nested_agrees_with_the_exact_masses_and_evidence(bound):
    result = nested.fit(bound, complete_settings("nested"), Stream(1, ("islands",)))
    error = float(result.evidence["ln_z_error"])
    assert error < 0.1
    assert abs(float(result.evidence["ln_z"]) - np.log(7 / 400)) < 4 * error
    nearest = np.linalg.norm(result.posterior["x"][0][:, None] - CENTRES, axis=2)
    assert nearest.min(1).max() < 6 * 0.25
    found = np.bincount(nearest.argmin(1), minlength=4) / len(nearest)
    np.testing.assert_allclose(found, MASSES, atol=0.05)
    for place in range(4):
        inside = result.posterior["x"][0][nearest.argmin(1) == place]
        np.testing.assert_allclose(inside.mean(0), CENTRES[place], atol=0.05)
        np.testing.assert_allclose(inside.std(0), 0.25, atol=0.03)


def test_convergence_checks_fail_if_chains_do_not_cross(bound):
    chosen = complete_settings("nuts", warmup=500, draws=500)
    draws = nuts.fit(bound, chosen, Stream(1, ("islands",))).posterior["x"]
    nearest = np.linalg.norm(draws[:, :, None] - CENTRES, axis=3).argmin(2)
    assert (nearest == nearest[:, :1]).all() and len(set(nearest[:, 0])) > 1
    summary = summarise_draws(
        bound.to_dataset({"x": draws}, ("chain", "draw"), xr.Dataset()), "hdi", 0.9
    )
    limits = {"rhat": 1.01, "ess_bulk": 400, "ess_tail": 400, "mcse": 0.05}
    found = {check.name: check.status for check in check_convergence(summary, 4, limits, {"x"})}
    assert set(found.values()) == {"fail"}, found


def test_figure_and_model_have_the_same_modes():
    drawn, model = load_module(FOLDER / "figures.py"), load_module(FOLDER / "model.py")
    np.testing.assert_allclose(drawn.CENTRES, np.sqrt(2) * np.array(model.CENTRES))
    assert (model.SD, list(model.WEIGHTS)) == (drawn.SD, list(drawn.WEIGHTS))
