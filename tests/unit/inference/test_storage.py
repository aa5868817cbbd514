"""Storage of a fit's draws, and the stages that read them."""

import csv
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import fit as fit_stage
from posterity.artefact.groups import align_draws, align_latent_draws, get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.streamed import StreamedArray
from posterity.config.schema import complete_settings
from posterity.config.stage import ComputeSettings, ModelSource, StageIds
from posterity.errors import UserError
from posterity.inference.result import FitResult
from posterity.inference.storage import (
    MIN_LATENT_DRAWS,
    assemble_groups,
    compute_thinning_steps,
    describe_result,
    select_draws,
    summarise_site,
)
from posterity.notebook import get_stage
from posterity.report.tables import make_parameters_table
from posterity.stats.summary import summarise_draws, summarise_fit

MODEL = """
import numpyro
import numpyro.distributions as dist


def model(x, y=None):
    m = numpyro.sample("m", dist.Normal(0, 10))
    c = numpyro.sample("c", dist.Normal(0, 10))
    with numpyro.plate("row", len(x)):
        z = numpyro.sample("z", dist.Normal(0, 1))
        line = numpyro.deterministic("line", m * x + c)
        numpyro.deterministic("level", line + z)
        numpyro.sample("y", dist.Normal(line + z, 1.0), obs=y)
"""
STORE = {"z": {"thin": 10}, "line": "summary", "level": "none"}
SPEC = {"function": "model", "arguments": {}, "observed": None, "dims": {}}
LATENT = SimpleNamespace(
    name="line",
    site_names=lambda role: ["m", "c", "z"] if role == "latent" else [],
)
INTERVAL = {"kind": "eti", "probability": 0.9}
ROWS = 12


@pytest.fixture
def fitted(tmp_path):
    """A function that fits the model with a `store`, may predict, and returns the folder."""
    file = tmp_path / "model.py"
    file.write_text(MODEL)
    x = np.linspace(0, 10, ROWS)
    y = 2 * x + 1 + np.random.default_rng(1).normal(size=ROWS)
    data = xr.Dataset({"x": ("row", x), "y": ("row", y)})
    attributes = {"study": "study", "source": "test", "data_hash": "1"}
    path = str(tmp_path / "data.nc")
    write_artefact(path, {"data": data}, attributes)
    ids = StageIds("study", "line", "nuts")
    model = ModelSource(SPEC | {"file": str(file)}, [str(file)])
    compute = ComputeSettings(1, "float64")

    def fit(name, store, *, predicts=True, **changes):
        changes = {"chains": 2, "warmup": 300, "draws": 1000, "store": store} | changes
        settings = complete_settings("nuts", **changes)
        folder = tmp_path / name
        folder.mkdir()
        output = str(folder / "posterior.nc")
        job = fit_stage.FitJob(str(folder / "checkpoint"))
        fit_stage.fit(path, output, ids, model, settings, compute, job=job)
        if predicts:
            predictive = str(folder / "predictive.nc")
            get_stage("predict")(path, output, predictive, ids, model, {"draws": 400}, compute)
        return folder

    return fit


def test_each_site_is_stored_as_the_fit_says(fitted):
    every, some = (
        read_artefact(fitted(name, store, predicts=False) / "posterior.nc")
        for name, store in (("every", {}), ("some", STORE))
    )
    whole, kept = get_group(every, "posterior"), get_group(some, "posterior")
    assert set(kept.data_vars) == {"m", "c"}
    xr.testing.assert_identical(
        kept,
        whole[["m", "c"]].drop_vars([name for name in whole.coords if name not in kept.coords]),
    )
    thinned = get_group(some, "posterior_thinned_10")
    np.testing.assert_array_equal(thinned["draw"], np.arange(0, 1000, 10))
    np.testing.assert_array_equal(thinned["z"], whole["z"][:, ::10])
    assert thinned["z"].attrs == whole["z"].attrs
    summary = get_group(some, "posterior_summary")
    assert set(summary.data_vars) == {"line"}
    line = whole["line"].values.reshape(2000, ROWS)
    expected = [line.mean(0), line.std(0, ddof=1), *np.quantile(line, [0.05, 0.5, 0.95], axis=0)]
    np.testing.assert_allclose(
        summary["line"].sel(statistic=["mean", "sd", "q5", "median", "q95"]), expected, rtol=1e-12
    )
    alone = summarise_draws(whole[["line"]], **INTERVAL)
    for name in ("mcse", "ess_bulk", "ess_tail", "r_hat"):
        np.testing.assert_allclose(summary["line"].sel(statistic=name), alone[name], rtol=1e-12)


def test_later_stages_read_thinned_and_summarised_sites(fitted):
    place = fitted("some", STORE)
    fit, predictive = read_artefact(place / "posterior.nc"), read_artefact(place / "predictive.nc")
    assert (
        predictive["posterior_predictive"].sizes["draw"] == 100
    )  # those that m, c and z have in common
    assert predictive["sample_stats"].sizes["draw"] == predictive["posterior"].sizes["draw"] == 100
    np.testing.assert_array_equal(predictive["posterior"]["m"], fit["posterior"]["m"][:, ::10])
    summary = summarise_fit(fit, **INTERVAL)
    wanted = {"m", "c", *(f"{site}[{row}]" for site in ("z", "line") for row in range(ROWS))}
    assert set(summary["parameter"].values) == wanted
    assert np.isnan(summary["interval"].sel(parameter="line[3]")).all()
    assert (summary["r_hat"] < 1.1).all()
    table = make_parameters_table([fit], INTERVAL, {}, 1000)
    rows, cells = table.rows, table.cells
    assert {row["parameter"] for row in rows} == wanted
    assert "nan" not in csv_text(cells)


def csv_text(cells):
    lines = []
    csv.writer(type("Lines", (), {"write": lambda self, text: lines.append(text)})()).writerows(
        cells
    )
    return "".join(lines)


@pytest.mark.long
def test_latent_site_without_draws_keeps_enough_for_predictions(fitted):
    place = fitted(
        "none", {"z": "none", "line": "none", "level": "none", "c": "summary"}, draws=3000
    )
    fit = read_artefact(place / "posterior.nc")
    assert set(fit["posterior"].data_vars) == {"m"}
    assert set(fit["posterior_thinned_6"].data_vars) == {"z", "c"}
    assert fit["posterior_thinned_6"].sizes["draw"] == 500
    assert list(fit["posterior_summary"].data_vars) == ["c"]
    assert read_artefact(place / "predictive.nc")["posterior_predictive"].sizes["draw"] == 167


@pytest.mark.long
def test_draws_on_disk_make_the_same_file(fitted, monkeypatch):
    before = fitted("before", STORE | {"c": {"thin": 3}})
    monkeypatch.setattr("posterity.inference.program.CHUNK_BYTES", 20e3)
    monkeypatch.setattr("posterity.inference.records.MAX_BUFFER_BYTES", 20e3)
    monkeypatch.setattr("posterity.inference.run.MAX_BUFFER_BYTES", 20e3)
    monkeypatch.setattr("posterity.artefact.streamed.BLOCK_BYTES", 10e3)
    monkeypatch.setattr("posterity.artefact.netcdf.MAX_LOADED_BYTES", 1e3)
    streamed = []
    monkeypatch.setattr(
        StreamedArray,
        "blocks",
        lambda self, real=StreamedArray.blocks: (streamed.append(self.shape), real(self))[1],
    )
    after = fitted("after", STORE | {"c": {"thin": 3}})
    assert (2, 1000) in streamed
    assert (2, 100, ROWS) in streamed
    trees = [read_artefact(place / "posterior.nc").load() for place in (before, after)]
    for tree in trees:
        tree.attrs = {}
        for node in tree.subtree:
            for values in node.variables.values():
                values.encoding = {}
    xr.testing.assert_identical(*trees)
    for tree in trees:
        tree.close()
    lazy = read_artefact(after / "posterior.nc")
    xr.testing.assert_identical(
        summarise_fit(lazy, **INTERVAL), summarise_fit(trees[0], **INTERVAL)
    )
    lazy.close()


@pytest.mark.long
def test_sites_of_different_intervals_are_predicted_from_their_common_draws(fitted):
    place = fitted(
        "steps",
        {"m": {"thin": 4}, "c": {"thin": 6}, "z": "none", "line": {"thin": 5}, "level": "none"},
        draws=3000,
    )
    fit, predictive = read_artefact(place / "posterior.nc"), read_artefact(place / "predictive.nc")
    assert set(fit.children) >= {
        "posterior",
        "posterior_thinned_5",
        "posterior_thinned_6",
    }  # z: every 6th, a divisor of 12
    assert fit["posterior"]["m"].sizes["draw"] == 750
    assert predictive["posterior_predictive"].sizes["draw"] == 125  # every 24th
    assert {"m", "c", "z"} <= set(predictive["posterior"].data_vars)
    np.testing.assert_array_equal(predictive["posterior"]["m"], fit["posterior"]["m"][:, ::6])


def test_aligned_draws_keep_the_order_of_the_model():
    sites = [f"site{i}" for i in range(20)]  # a set of so many would be in another order
    group = xr.Dataset(
        {site: (("chain", "draw"), np.zeros((2, 5)), {"role": "latent"}) for site in sites},
        {"draw": np.arange(5)},
    )
    for groups in (
        {"posterior": group},
        {"posterior": group[sites[:12]], "posterior_thinned_1": group[sites[12:]]},
    ):
        fit = xr.DataTree.from_dict(groups)
        assert (
            list(align_latent_draws(fit).data_vars)
            == list(align_draws(fit, sites[::-1]).data_vars)
            == sites
        )


@pytest.mark.long
def test_goals_judge_all_draws_of_thinned_sites(fitted):
    stops = []
    for name, store in (
        ("whole", {}),
        ("thin", {"m": {"thin": 10}, "c": {"thin": 10}, "z": "none"}),
    ):
        fit = read_artefact(fitted(name, store, stop_when={"ess": 300}) / "posterior.nc")
        stops.append((fit.attrs["stopped"], fit["sample_stats"].sizes["draw"]))
    assert stops[0] == stops[1]
    assert stops[0][0] == "ess"


def test_boolean_and_empty_sites_are_summarised():
    draws = np.random.default_rng(0).normal(size=(2, 100, 3))
    assert summarise_site(draws > 0)[0] == pytest.approx((draws > 0).mean((0, 1)))
    assert summarise_site(np.zeros((2, 100, 0))).shape == (9, 0)
    empty = xr.Dataset(
        {
            "d": (("chain", "draw", "i"), np.zeros((2, 100, 0))),
            "m": (("chain", "draw"), draws[:, :, 0]),
        }
    )
    assert list(summarise_draws(empty, **INTERVAL)["parameter"].values) == ["m"]


def test_unknown_site_is_an_error_with_a_hint(fitted):
    with pytest.raises(
        UserError, match=r"store: model line has no latent or deterministic site 'lin'.*line"
    ):
        fitted("wrong", {"lin": "none"})


@pytest.fixture
def many_rows(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROWS", 101)


@pytest.mark.long
def test_large_thinned_sites_are_not_repeated_in_the_predictions(many_rows, fitted):
    """predictive.nc repeats the small sites alone."""
    place = fitted("large", {"z": {"thin": 10}})
    predictive = read_artefact(place / "predictive.nc")
    assert set(predictive["posterior"].data_vars) == {"m", "c"}
    assert predictive["posterior_predictive"].sizes["draw"] == 100


@pytest.fixture
def bound(bind_source):
    return bind_source(MODEL.partition("dist\n")[2], x=np.arange(4.0), y=np.arange(4.0))


@given(
    draws=st.integers(2, 100_000),
    first=st.integers(1, 60),
    second=st.integers(1, 60),
)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_step_of_a_latent_site_without_draws_divides_or_is_a_multiple(draws, first, second):
    store = {"m": {"thin": first}, "c": {"thin": second}, "z": "none"}
    step = compute_thinning_steps({"store": store, "chains": 1, "draws": draws}, LATENT)["z"]
    common = np.lcm(first, second)
    assert common % step == 0 or step % common == 0
    assert step == 1 or draws // step >= MIN_LATENT_DRAWS


def test_steps_follow_the_choice_of_each_site(bound):
    store = {"m": "all", "c": {"thin": 5}, "line": "summary", "level": "none"}
    steps = compute_thinning_steps({"store": store, "chains": 2, "draws": 100}, bound)
    assert steps == {"m": 1, "c": 5, "z": 1, "line": 1}


def test_all_draws_are_recorded_if_a_rule_decides_their_number(bound):
    chosen = {"store": {"z": "none"}, "chains": 2, "draws": 5000}
    assert compute_thinning_steps(chosen, bound)["z"] == 10
    assert compute_thinning_steps(chosen | {"stop_when": {"ess": 400}}, bound)["z"] == 1


def make_result(**parts) -> FitResult:
    return FitResult("chains", 3, 0.5, 1.5, stopped="draws", warmup=10, **parts)


def test_weighted_draws_of_a_deterministic_site_without_draws_are_dropped(bound):
    weighted = {name: np.zeros((2, 5)) for name in ("m", "line", "level")}
    store = {"m": "none", "line": "summary"}
    stored = select_draws(make_result(weighted=weighted), {}, store, bound)
    assert set(stored.weighted) == {"m", "level"}


def test_groups_without_values_are_left_out(bound):
    data = xr.Dataset({"x": ("row", np.arange(4.0)), "y": ("row", np.arange(4.0))})
    result = make_result(posterior={"m": np.zeros((2, 6)), "c": np.ones((2, 6))})
    stored = select_draws(result, {"m": 1, "c": 3}, {}, bound)
    groups, streams = assemble_groups(result, stored, bound, data)
    assert set(groups) == {"posterior", "posterior_thinned_3", "observed_data", "constant_data"}
    np.testing.assert_array_equal(groups["posterior_thinned_3"]["draw"], [0, 3])
    assert streams == {"posterior": {}, "posterior_thinned_3": {}}


def test_attributes_say_how_the_fit_went():
    attributes = describe_result(make_result())
    assert attributes["draw_kind"] == "chains"
    assert (attributes["stopped"], attributes["warmup"]) == ("draws", 10)
    assert (attributes["compile_seconds"], attributes["run_seconds"]) == (0.5, 1.5)
