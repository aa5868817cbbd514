import sys

"""What is kept of a fit's draws, and that all that comes after a fit can live with it."""

import csv

import numpy as np
import pytest
import xarray as xr
from conftest import SPEC

from posterity.artefact.groups import align_draws, align_latent_draws, get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.streamed import StreamedArray
from posterity.config.schema import complete_settings
from posterity.errors import UserError
from posterity.inference.checkpoint import Checkpoint
from posterity.inference.records import DrawBuffer
from posterity.inference.storage import summarise_site
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
INTERVAL = {"kind": "eti", "probability": 0.9}
ROWS = 12


@pytest.fixture
def fitted(tmp_path):
    """A function that fits the model with a `store`, and gives the file."""
    (tmp_path / "model.py").write_text(MODEL)
    x = np.linspace(0, 10, ROWS)
    data = xr.Dataset(
        {"x": ("row", x), "y": ("row", 2 * x + 1 + np.random.default_rng(1).normal(size=ROWS))}
    )
    write_artefact(
        tmp_path / "data.nc", {"data": data}, {"study": "study", "source": "test", "data_hash": "1"}
    )

    def fit(name, store, **given):
        given = complete_settings(
            "nuts", **{"chains": 2, "warmup": 300, "draws": 1000, "store": store} | given
        )
        spec, files = SPEC | {"file": str(tmp_path / "model.py")}, [str(tmp_path / "model.py")]
        place = tmp_path / name
        place.mkdir()
        shared = {
            "study": "study",
            "model": "line",
            "model_spec": spec,
            "seed": 1,
            "float_type": "float64",
            "model_files": files,
        }
        data, output = str(tmp_path / "data.nc"), str(place / "posterior.nc")
        get_stage("fit")(
            data, output, fit="nuts", settings=given, checkpoint=place / "checkpoint", **shared
        )
        get_stage("predict")(
            data,
            output,
            str(place / "predictive.nc"),
            fit="nuts",
            settings={"draws": 400},
            **shared,
        )
        return place

    return fit


def test_each_site_is_kept_as_it_was_asked(fitted):
    every, some = (
        read_artefact(fitted(name, store) / "posterior.nc")
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


def test_what_comes_after_lives_with_it(fitted):
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
    rows, _, cells = make_parameters_table([fit], INTERVAL, {}, 1000)
    assert {row["parameter"] for row in rows} == wanted
    assert "nan" not in csv_text(cells)


def csv_text(cells):
    lines = []
    csv.writer(type("Lines", (), {"write": lambda self, text: lines.append(text)})()).writerows(
        cells
    )
    return "".join(lines)


def test_a_latent_site_without_draws_keeps_enough_for_predictions(fitted):
    place = fitted(
        "none", {"z": "none", "line": "none", "level": "none", "c": "summary"}, draws=3000
    )
    fit = read_artefact(place / "posterior.nc")
    assert set(fit["posterior"].data_vars) == {"m"}
    assert set(fit["posterior_thinned_6"].data_vars) == {"z", "c"}
    assert fit["posterior_thinned_6"].sizes["draw"] == 500
    assert list(fit["posterior_summary"].data_vars) == ["c"]
    assert read_artefact(place / "predictive.nc")["posterior_predictive"].sizes["draw"] == 167


def test_draws_that_are_too_many_for_memory_make_the_same_file(fitted, monkeypatch):
    before = fitted("before", STORE | {"c": {"thin": 3}})
    monkeypatch.setattr("posterity.inference.chains.CHUNK_BYTES", 20e3)
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


def test_sites_that_share_no_step_are_predicted_from_the_draws_they_share(fitted):
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


def test_joined_draws_keep_the_order_of_the_model():
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


def test_goals_look_at_thinned_sites_too(fitted):
    stops = []
    for name, store in (
        ("whole", {}),
        ("thin", {"m": {"thin": 10}, "c": {"thin": 10}, "z": "none"}),
    ):
        fit = read_artefact(fitted(name, store, stop_when={"ess": 300}) / "posterior.nc")
        stops.append((fit.attrs["stopped"], fit["sample_stats"].sizes["draw"]))
    assert stops[0] == stops[1]
    assert stops[0][0] == "ess"


def test_odd_sites_are_summarised():
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


def test_pieces_on_disk_are_gone_through_in_blocks(tmp_path, monkeypatch):
    values = np.random.default_rng(0).normal(size=(2, 50, 3, 4))
    folder = Checkpoint(tmp_path / "kept", {}, tmp_path / "output")
    files = [
        folder.add(piece, {"x": values[:, begin:end]})
        for piece, (begin, end) in enumerate([(0, 7), (7, 8), (8, 50)])
    ]
    from posterity.artefact import streamed as artefact_streamed
    from posterity.artefact.streamed import map_npz_array

    stream = StreamedArray(
        values.shape, values.dtype, lambda: (map_npz_array(file, "x") for file in files)
    )
    for size in (1, 1000, 10e3, 1e9):
        monkeypatch.setattr(artefact_streamed, "BLOCK_BYTES", size)
        begins, blocks = zip(*stream.blocks(), strict=True)
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), values)
        assert list(begins) == list(np.cumsum([0, *(block.shape[1] for block in blocks[:-1])]))
    for step in (1, 2, 3, 7, 49, 60):
        thinned = stream.every(step)
        np.testing.assert_array_equal(
            np.concatenate(list(thinned.pieces()), axis=1), values[:, ::step]
        )
        assert thinned.shape == values[:, ::step].shape
    np.testing.assert_array_equal(stream.columns(slice(2, 5)), values.reshape(2, 50, 12)[:, :, 2:5])
    np.testing.assert_allclose(summarise_site(stream), summarise_site(values))


def test_a_site_that_is_not_there_is_told(fitted):
    with pytest.raises(
        UserError, match=r"store: model line has no latent or deterministic site 'lin'.*line"
    ):
        fitted("wrong", {"lin": "none"})


def test_records_of_a_short_chunk_do_not_hold_the_whole_buffer():
    records = DrawBuffer({"y": 2}, (), 20)
    buffer = {"x": np.arange(300.0).reshape(1, 100, 3), "y": np.arange(100.0).reshape(1, 100)}
    records.add(buffer, 10)
    assert all(kept.base is None for kept in records.new[0].values())
    np.testing.assert_array_equal(records["x"], buffer["x"][:, :10])
    np.testing.assert_array_equal(records["y"], buffer["y"][:, :10:2])


@pytest.fixture
def many_rows(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROWS", 101)


def test_thinned_sites_that_are_all_large_are_no_hindrance_to_predictions(many_rows, fitted):
    """predictive.nc repeats the small sites alone."""
    place = fitted("large", {"z": {"thin": 10}})
    predictive = read_artefact(place / "predictive.nc")
    assert set(predictive["posterior"].data_vars) == {"m", "c"}
    assert predictive["posterior_predictive"].sizes["draw"] == 100
