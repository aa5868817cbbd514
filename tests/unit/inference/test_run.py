"""Fits that are killed, stopped, or driven until it is enough."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import VOLATILE_ATTRIBUTES
from posterity.config.schema import complete_settings
from posterity.inference.checkpoint import Checkpoint

MODEL = """
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def model(x, y=None):
    m = numpyro.sample("m", dist.Normal(0, 10))
    c = numpyro.sample("c", dist.Normal(0, 10))
    far = numpyro.sample("far", dist.Normal(jnp.zeros(3), 1).to_event(1))
    numpyro.deterministic("sum", m + c + far.sum())
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(m * x + c, 1.0), obs=y)
"""
NUTS = {
    "method": "nuts",
    "chains": 4,
    "warmup": 3000,
    "draws": 30000,
    "target_accept": 0.8,
    "max_tree_depth": 10,
}
NUTS |= {"dense_mass": False, "init": "uniform", "reparam": {}, "stop_when": {}}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("driving")
    (folder / "model.py").write_text(MODEL)
    x = np.linspace(0, 10, 50)
    data = xr.Dataset(
        {"x": ("row", x), "y": ("row", 2 * x + 1 + np.random.default_rng(1).normal(size=50))}
    )
    write_artefact(
        folder / "data.nc", {"data": data}, {"study": "study", "source": "test", "data_hash": "1"}
    )
    return folder


def process(place, name, settings, checkpoint=True, threads=2):
    kept = place / f"checkpoint-{name}" if checkpoint else "none"
    script = Path(__file__).with_name("fit_once.py")
    return subprocess.Popen(
        [
            sys.executable,
            str(script),
            str(place),
            str(place / f"{name}.nc"),
            str(kept),
            json.dumps(settings),
            str(threads),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process) -> str:
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    return text


def same(one: Path, other: Path) -> None:
    """Assert that two artefacts agree bit for bit in all variables, and in all attributes but times and host."""
    first, second = read_artefact(one), read_artefact(other)
    xr.testing.assert_identical(
        *(
            tree.map_over_datasets(lambda data: data.drop_attrs(deep=False))
            for tree in (first, second)
        )
    )
    attributes = [
        {k: v for k, v in tree.attrs.items() if k not in VOLATILE_ATTRIBUTES}
        for tree in (first, second)
    ]
    assert attributes[0] == attributes[1]


def reported(line: str) -> dict[str, int]:
    """Read a report of the fit from a line of its output; empty for another line."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def killed(place, name, settings, moment, number=signal.SIGKILL):
    """Start a fit and end it at a moment (a share of the iterations, as it reports); return what it said."""
    running, said = process(place, name, settings), []
    for line in running.stdout:
        said.append(line)
        if reported(line).get("done", -1) >= moment * (settings["warmup"] + settings["draws"]):
            time.sleep(random.Random(f"{name} {moment}").uniform(0, 0.03))
            running.send_signal(number)
            break
    rest, _ = running.communicate(timeout=300)
    return running.returncode, "".join(said) + rest


@pytest.fixture(scope="module")
def whole(place) -> Path:
    """The fit that nothing happened to."""
    finish(process(place, "whole", NUTS, checkpoint=False))
    return place / "whole.nc"


def test_a_fit_killed_in_warm_up_and_in_draws_ends_as_if_nothing_had_been(place, whole):
    for moment in (0.03, 0.4, 0.9):
        code, said = killed(place, "killed", NUTS, moment)
        assert code == -signal.SIGKILL, said
    assert "going on from the checkpoint" in finish(process(place, "killed", NUTS))
    same(place / "killed.nc", whole)
    assert not (place / "checkpoint-killed").exists()


@pytest.mark.long
def test_twenty_kills_at_random_moments(place, whole):
    """Ten fits, each killed twice, in warm-up or in draws."""
    moments = random.Random(20)
    for fit in range(10):
        name = f"random{fit}"
        for moment in sorted([moments.uniform(0, 0.12), moments.uniform(0.05, 0.95)]):
            code, said = killed(place, name, NUTS, moment)
            assert code == -signal.SIGKILL, said
        finish(process(place, name, NUTS))
        same(place / f"{name}.nc", whole)


@pytest.mark.long
def test_a_notice_to_end_is_heeded_between_chunks(place, whole):
    code, said = killed(place, "noticed", NUTS, 0.3, signal.SIGTERM)
    assert code == 1 and "stopped by SIGTERM after" in said and "the next run goes on from" in said
    assert "going on from the checkpoint" in finish(process(place, "noticed", NUTS))
    same(place / "noticed.nc", whole)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 4])
def test_threads_change_nothing(place, whole, threads):
    name = f"threads{threads}"
    finish(process(place, name, NUTS, threads=threads))
    same(place / f"{name}.nc", whole)


@pytest.mark.long
def test_a_checkpoint_of_other_inputs_is_refused(place):
    killed(place, "other", NUTS, 0.3)
    changed = NUTS | {"target_accept": 0.9, "draws": 500}
    said = finish(process(place, "other", changed))
    assert "the checkpoint is of other inputs (settings differ); the fit starts anew" in said
    finish(process(place, "fresh", changed, checkpoint=False))
    same(place / "other.nc", place / "fresh.nc")


@pytest.mark.parametrize("file", ["state.npz", "draws-0.npz"])
@pytest.mark.parametrize("content", ["empty", "text", "flipped", "missing"])
def test_a_damaged_checkpoint_is_told_and_left(tmp_path, file, content):
    kept = Checkpoint(tmp_path / "kept", {"data": "1"}, tmp_path / "posterior.nc")
    kept.add(0, {"m": np.arange(1000.0)})
    kept.save([np.arange(1000)], {"done": 5}, 1)
    saved, sentence = kept.load()
    assert (
        sentence == ""
        and saved.about["done"] == 5
        and saved.leaves[0].tolist() == list(range(1000))
    )
    broken = tmp_path / "kept" / file
    match content:
        case "missing":
            broken.unlink()
        case "flipped":
            data = bytearray(broken.read_bytes())
            data[len(data) // 2] ^= 255
            broken.write_bytes(data)
        case _:
            broken.write_bytes({"empty": b"", "text": b"no checkpoint"}[content])
    saved, sentence = kept.load()
    assert saved is None
    assert ("anew" in sentence) == (content != "missing" or file != "state.npz"), sentence
    assert Checkpoint(tmp_path / "none", {}, tmp_path / "posterior.nc").load() == (None, "")


@pytest.mark.long
def test_goals_end_a_fit_early_and_at_the_same_draw(place):
    settings = NUTS | {"warmup": 500, "stop_when": {"ess": 2000, "rhat": 1.01}}
    for name in ("goal", "goal-again"):
        finish(process(place, name, settings, threads=1 if name == "goal" else 2))
    same(place / "goal.nc", place / "goal-again.nc")
    fit = read_artefact(place / "goal.nc")
    assert fit.attrs["stopped"] == "ess and rhat"
    from posterity.stats.summary import summarise_draws

    summary = summarise_draws(get_group(fit, "posterior"), "hdi", 0.9)
    assert 2000 <= min(summary["ess_bulk"].min(), summary["ess_tail"].min()) < 5000
    assert summary["r_hat"].max() <= 1.01


@pytest.mark.long
def test_minutes_end_a_fit_with_draws_even_in_a_long_warm_up(place):
    settings = NUTS | {"warmup": 2_000_000, "draws": 2_000_000, "stop_when": {"minutes": 0.02}}
    finish(process(place, "minutes", settings))
    fit = read_artefact(place / "minutes.nc")
    draws = get_group(fit, "posterior")
    assert fit.attrs["stopped"] == "minutes" and 0 < fit.attrs["warmup"] < 2_000_000
    assert 4 <= draws.sizes["draw"] < 2_000_000
    assert abs(float(draws["m"].mean()) - 2) < 0.2
    assert (
        len(np.unique(get_group(fit, "sample_stats")["step_size"])) == 4
    )  # adaptation has ended, in each chain


@pytest.mark.long
@pytest.mark.parametrize(
    "chosen",
    [
        complete_settings("svi", steps=20000, tolerance=0, restarts=5),
        complete_settings("nested", live_points=500, runs=2),
    ],
    ids=["svi", "nested"],
)
def test_other_methods_go_on_too(place, chosen):
    name = chosen["method"]
    finish(process(place, f"{name}-whole", chosen, checkpoint=False))
    running, told = process(place, name, chosen), 0
    for line in running.stdout:
        told += "done" in reported(line)
        if told == 3:
            running.send_signal(signal.SIGKILL)
            break
    running.communicate(timeout=300)
    assert running.returncode == -signal.SIGKILL
    assert "going on from the checkpoint" in finish(process(place, name, chosen))
    same(place / f"{name}.nc", place / f"{name}-whole.nc")
