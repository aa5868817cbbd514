import json

import numpy as np
import pytest
import xarray as xr

import diagnose
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.config.stage import StageIds
from posterity.config.yaml import read_yaml
from posterity.diagnostics.check import checks_from_dataset
from posterity.diagnostics.fit_checks import FIT_CHECKS, FitInputs, check_fit, read_fit_inputs
from posterity.errors import UserError

LEAD = ("chain", "draw")
INTERVAL = {"kind": "hdi", "probability": 0.9}
NAMES = [name for entry in FIT_CHECKS for name in entry.names]
IDS = StageIds("s", "m", "f")


@pytest.fixture(scope="module")
def thresholds():
    from conftest import ROOT

    return read_yaml(ROOT / "config/config.yaml")["defaults"]["checks"]


def make_tree(groups, **attributes):
    tree = xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})
    tree.attrs = {"study": "s", "data_hash": "h"} | attributes
    return tree


def make_data():
    table = xr.Dataset({"y": ("row", [0.1, -0.2])})
    return make_tree({"data": table, "truth": xr.Dataset({"mu": 0.0})}, seed=1)


def make_prior():
    return make_tree({"prior": xr.Dataset()}, model="m", improper="mu")


def make_posterior(draw_kind="chains", chains=4, values=None, groups=None):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(chains, 1000)) if values is None else values
    site = xr.DataArray(values, dims=LEAD, attrs={"role": "latent"})
    draws = {} if draw_kind == "point" else {"posterior": xr.Dataset({"mu": site})}
    settings = json.dumps({"method": "nuts", "max_tree_depth": 10})
    return make_tree(
        draws | (groups or {}),
        model="m",
        fit="f",
        draw_kind=draw_kind,
        settings=settings,
        seed=1,
        wall_time=2.5,
    )


def run_checks(posterior, thresholds, **trees):
    fit = FitInputs(make_data(), make_prior(), posterior, thresholds, INTERVAL, **trees)
    summary, checks = check_fit(fit)
    return summary, {check.name: check for check in checks}


def test_every_check_is_made_once_and_in_order(thresholds):
    _, checks = run_checks(make_posterior(), thresholds)
    assert list(checks) == NAMES
    assert len(set(NAMES)) == len(NAMES)


def test_every_check_has_a_default_threshold(thresholds):
    keys = [name if name != "prior_predictive" else "prior_coverage" for name in NAMES]
    assert set(keys) <= set(thresholds)


def test_chains_are_judged_by_convergence_and_recovery(thresholds):
    summary, checks = run_checks(make_posterior(), thresholds)
    passed = [name for name, check in checks.items() if check.status == "pass"]
    assert passed == ["rhat", "ess_bulk", "ess_tail", "mcse", "tails", "recovery"]
    assert summary["parameter"].values.tolist() == ["mu"]


def test_independent_draws_have_no_rhat(thresholds):
    posterior = make_posterior("independent", chains=1)
    _, checks = run_checks(posterior, thresholds)
    assert checks["rhat"].status == "n/a"
    assert checks["ess_bulk"].status == "pass"


def test_latent_site_that_never_changes_fails(thresholds):
    _, checks = run_checks(make_posterior(values=np.ones((4, 100))), thresholds)
    assert {checks[name].status for name in ("rhat", "ess_bulk", "mcse")} == {"fail"}


def test_point_estimate_skips_the_checks_of_draws(thresholds):
    posterior = make_posterior("point", groups={"point": xr.Dataset({"mu": 0.5})})
    summary, checks = run_checks(posterior, thresholds)
    assert list(checks) == NAMES
    assert summary["point"].values.tolist() == [0.5]
    reasons = {check.name for check in checks.values() if "point estimate" in check.message}
    assert reasons == {
        "rhat",
        "ess_bulk",
        "ess_tail",
        "mcse",
        "tails",
        "ppc",
        "prior_sensitivity",
        "conflict",
        "recovery",
        "loo",
        "loo_pit",
    }


def make_weights(scale):
    log_weights = np.random.default_rng(2).exponential(scale, size=(1, 2000))
    return xr.Dataset({"log_weight": (LEAD, log_weights)})


def test_weights_of_an_approximation_are_checked(thresholds):
    posterior = make_posterior(groups={"weighted_posterior": make_weights(2.0)})
    assert run_checks(posterior, thresholds)[1]["khat"].status == "fail"


def test_weights_of_nested_sampling_are_not_importance_weights(thresholds):
    evidence = xr.Dataset({"ln_z": -1.0, "ln_z_error": 0.1, "ln_z_of_run": ("run", [-1.0])})
    groups = {"weighted_posterior": make_weights(2.0), "evidence": evidence}
    _, checks = run_checks(make_posterior(groups=groups), thresholds)
    assert checks["khat"].status == "n/a"
    assert checks["evidence_error"].status == "pass"


def test_draws_of_a_guide_have_no_effective_size(thresholds):
    densities = xr.Dataset({name: (LEAD, np.zeros((1, 4000))) for name in ("log_p", "log_q")})
    values = np.random.default_rng(1).normal(size=(1, 4000))
    posterior = make_posterior("independent", values=values, groups={"sample_stats": densities})
    summary, checks = run_checks(posterior, thresholds)
    for name in ("rhat", "ess_bulk", "ess_tail", "mcse"):
        assert checks[name].status == "n/a"
        assert "draws are those of the guide" in checks[name].message
    assert np.isnan(summary[["ess_bulk", "ess_tail", "mcse", "r_hat"]].to_array()).all()
    assert np.isfinite(summary[["mean", "sd", "pareto_k"]].to_array()).all()


def test_effective_size_of_resampled_draws_is_that_of_the_weights(thresholds):
    log_weights = np.where(np.arange(2000) < 200, 0.0, -np.inf)[None]
    evidence = xr.Dataset({"ln_z": -1.0, "ln_z_error": 0.1, "ln_z_of_run": ("run", [-1.0])})
    weighted = xr.Dataset({"log_weight": (LEAD, log_weights)})
    posterior = make_posterior(
        "independent",
        values=np.random.default_rng(1).normal(size=(1, 4000)),
        groups={"weighted_posterior": weighted, "evidence": evidence},
    )
    summary, checks = run_checks(posterior, thresholds)
    assert checks["ess_bulk"].value == checks["ess_tail"].value == 200
    assert checks["ess_bulk"].status == "fail"
    assert "worth 200 draws: take more live_points" in checks["ess_bulk"].message
    assert checks["mcse"].value == pytest.approx(200**-0.5)
    assert float(summary["mcse_lower"][0]) == pytest.approx(2.1 * 200**-0.5, rel=0.5)


def test_divergences_with_bad_mixing_fail_and_come_first(thresholds):
    diverging = np.zeros((4, 1000), bool)
    diverging[1, 7] = True
    groups = {"sample_stats": xr.Dataset({"diverging": (LEAD, diverging)})}
    _, checks = run_checks(make_posterior(groups=groups), thresholds)
    assert checks["divergences"].status == "warn"
    values = np.random.default_rng(1).normal(size=(4, 1000)) + np.arange(4)[:, None]
    _, checks = run_checks(make_posterior(values=values, groups=groups), thresholds)
    assert checks["divergences"].status == "fail"
    assert list(checks).index("divergences") < list(checks).index("rhat")


def make_bad_draws(fault):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 200))
    changes = {
        "one stuck chain": lambda: values.__setitem__(2, 0.3),
        "all chains stuck": lambda: values.__setitem__(slice(None), np.arange(4.0)[:, None]),
        "one distinct value": lambda: values.__setitem__(slice(None), 1.0),
        "nearly one value": lambda: values.__setitem__((slice(None), slice(1, None)), 1.0),
        "nan": lambda: values.__setitem__((1, 3), np.nan),
        "all nan": lambda: values.__setitem__(slice(None), np.nan),
        "inf": lambda: values.__setitem__((1, slice(0, 90)), np.inf),
        "both inf": lambda: values.__setitem__((1, slice(0, 2)), [np.inf, -np.inf]),
        "huge": lambda: values.__imul__(1e300),
        "tiny": lambda: values.__imul__(1e-300),
    }
    changes[fault]()
    return values


FAULTS = ("one stuck chain", "all chains stuck", "one distinct value", "nearly one value")
FAULTS += ("nan", "all nan", "inf", "both inf", "huge", "tiny")


@pytest.mark.parametrize("kind", ["chains", "independent"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_check_raises_for_bad_draws(fault, kind, thresholds):
    values = make_bad_draws(fault)
    statistics = xr.Dataset(
        {
            "diverging": (LEAD, np.arange(800).reshape(4, 200) % 20 == 0),
            "energy": (LEAD, values),
            "lp": (LEAD, -values),
            "acceptance_rate": (LEAD, np.zeros((4, 200))),
        }
    )
    weighted = xr.Dataset({"log_weight": (LEAD, values)})
    groups = {"sample_stats": statistics, "weighted_posterior": weighted}
    _, checks = run_checks(make_posterior(kind, values=values, groups=groups), thresholds)
    assert list(checks) == NAMES
    if kind == "chains" and fault not in ("nearly one value", "huge", "tiny"):
        assert checks["rhat"].status == "fail"


@pytest.mark.parametrize("log_p", [np.nan, np.inf, -np.inf])
def test_densities_that_are_not_finite_fail_khat(log_p, thresholds):
    log_q = xr.Dataset({name: (LEAD, np.zeros((1, 4000))) for name in ("log_p", "log_q")})
    log_q["log_p"][0, :900] = log_p
    values = np.random.default_rng(1).normal(size=(1, 4000))
    posterior = make_posterior("independent", values=values, groups={"sample_stats": log_q})
    assert run_checks(posterior, thresholds)[1]["khat"].status == "fail"


def test_sensitivities_are_checked(thresholds):
    columns = {
        "prior": [0.2],
        "prior_error": [0.01],
        "likelihood": [0.03],
        "likelihood_error": [0.001],
        "hyperparameter": [1],
        "diagnosis": ["potential strong prior / weak likelihood"],
    }
    psense = xr.Dataset(
        {name: ("parameter", values) for name, values in columns.items()}, {"parameter": ["mu"]}
    )
    tree = make_tree({"psense": psense}, model="m", fit="f")
    predictive = make_tree({}, model="m", fit="f", factors="jacobian")
    trees = {"sensitivity": tree, "predictive": predictive}
    _, checks = run_checks(make_posterior(), thresholds, **trees)
    assert checks["prior_sensitivity"].status == "warn"
    assert "a factor (jacobian)" in checks["prior_sensitivity"].message


def test_conflicts_are_checked(thresholds):
    columns = {"d": [6.0], "p": [1e-9]}
    conflict = xr.Dataset(
        {name: ("parameter", values) for name, values in columns.items()}, {"parameter": ["mu"]}
    ).assign(push=("bound", []), natural=("bound", []))
    tree = make_tree({"prior_conflict": conflict}, model="m", fit="f")
    _, checks = run_checks(make_posterior(), thresholds, predictive=tree)
    assert checks["conflict"].status == "warn"


@pytest.fixture
def files(tmp_path):
    """The artefacts of a fit on disk."""
    trees = {"data": make_data(), "prior": make_prior(), "posterior": make_posterior()}
    for name, tree in trees.items():
        groups = {key: node.to_dataset() for key, node in tree.children.items()}
        write_artefact(tmp_path / f"{name}.nc", groups, tree.attrs)
    return {name: str(tmp_path / f"{name}.nc") for name in trees}


def test_artefacts_of_another_fit_are_refused(files, thresholds):
    with pytest.raises(UserError, match="fit is f, not g"):
        read_fit_inputs(files, StageIds("s", "m", "g"), thresholds, INTERVAL)


def test_diagnosis_holds_summary_checks_and_sizes(files, thresholds, tmp_path):
    output = str(tmp_path / "diagnosis.nc")
    diagnose.diagnose(files, output, IDS, thresholds, INTERVAL)
    tree = read_artefact(output, study="s", model="m", fit="f", data_hash="h")
    checks = checks_from_dataset(tree["checks"].to_dataset())
    assert [check.name for check in checks] == NAMES
    assert "interval" in tree["summary"].to_dataset()
    sizes = {name: tree.attrs[name] for name in ("draws", "chains", "fit_seconds")}
    assert sizes == {"draws": 4000, "chains": 4, "fit_seconds": 2.5}
