"""A real run of two small studies, and what it leaves behind."""

import csv
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT, snakemake

from posterity.artefact.netcdf import read_artefact
from posterity.artefact.provenance import VOLATILE_ATTRIBUTES
from posterity.workflow.job import read_status

FITS = [
    ("small", "line", "a"),
    ("small", "line", "b"),
    ("small", "line_angle", "a"),
    ("other", "line", "a"),
    ("other", "line", "d"),
]
POINT = ("other", "line", "c")
GROUPS = {
    "data.nc": {"data", "truth"},
    "prior.nc": {"prior", "prior_predictive", "observed_data", "constant_data"},
    "posterior.nc": {"posterior", "sample_stats", "observed_data", "constant_data"},
    "predictive.nc": {
        "posterior_predictive",
        "log_likelihood",
        "log_prior",
        "observed_data",
        "sample_stats",
        "posterior",
    },
    "sensitivity.nc": {"psense"},
    "diagnosis.nc": {"summary", "checks"},
    "verdict.nc": {"checks", "fit_verdicts"},
}
PROVENANCE = {
    "study",
    "settings",
    "settings_hash",
    "seed",
    "versions",
    "created_at",
    "git_commit",
    "host",
}


def results(project, *parts):
    return project.joinpath("results", *parts)


def test_every_documented_artefact_exists(finished):
    for study, model, fit in FITS:
        for path in [
            f"{study}/data.nc", f"{study}/{model}/prior.nc", f"{study}/verdict.nc", f"{study}/tables/parameters.csv",
            *(f"{study}/{model}/{fit}/{name}.nc" for name in ("posterior", "diagnosis", "predictive", "sensitivity")),
            *(f"logs/{stage}/{study}/{model}/{fit}.log" for stage in ("fit", "diagnose", "predict", "sensitivity")),
            *(f"benchmarks/{stage}/{study}/{model}/{fit}.tsv" for stage in ("fit", "diagnose", "predict")),
            f"logs/prior/{study}/{model}.log", f"logs/data/{study}.log", "verdicts.csv", f"{study}/comparison.nc",
        ]:  # fmt: skip
            assert results(finished, path).is_file(), path


@pytest.mark.parametrize("name", GROUPS)
def test_artefacts_have_their_groups_and_provenance(finished, name):
    for path in finished.glob(f"results/**/{name}"):
        tree = read_artefact(path)
        expected = (
            {"point", "optimisation", "observed_data"}
            if path.parent.name == "c" and name == "posterior.nc"
            else GROUPS[name]
        )
        assert expected <= set(tree.children), path
        assert set(tree.attrs) >= PROVENANCE, path
        json.loads(tree.attrs["settings"])
        json.loads(tree.attrs["versions"])


def test_a_posterior_records_its_origin(finished):
    attributes = read_artefact(results(finished, "small/line/a/posterior.nc")).attrs
    expected = {
        "model",
        "fit",
        "model_hash",
        "data_hash",
        "device",
        "wall_time",
        "gradient_evaluations",
        "inference_library",
    }
    assert expected <= set(attributes)
    assert json.loads(attributes["settings"])["draws"] == 400
    assert attributes["gradient_evaluations"] > 2 * 700


def test_names_units_and_statistics_follow_the_schema(finished):
    tree = read_artefact(results(finished, "small/line_angle/a/posterior.nc"))
    posterior = tree["posterior"]
    assert list(posterior.data_vars) == ["angle", "b_perp", "m", "c"]
    assert posterior["angle"].dims == ("chain", "draw")
    assert posterior["angle"].attrs == {
        "long_name": "angle of the line",
        "units": "rad",
        "role": "latent",
    }
    wanted = {"diverging", "energy", "lp", "n_steps", "tree_depth", "step_size", "acceptance_rate"}
    assert wanted == set(tree["sample_stats"].data_vars)
    assert tree["observed_data"]["y"].dims == ("point",)


def test_the_summary_has_the_documented_statistics(finished):
    summary = read_artefact(results(finished, "small/line/a/diagnosis.nc"))["summary"]
    assert set(summary.data_vars) == {
        "mean",
        "sd",
        "median",
        "interval",
        "mcse",
        "mcse_lower",
        "mcse_upper",
        "ess_bulk",
        "ess_tail",
        "ess_within",
        "r_hat",
        "pareto_k",
    }
    assert summary["parameter"].values.tolist() == ["m", "c"]


def test_arviz_works_on_the_files(finished):
    """ArviZ summarises and plots posterior.nc, and does loo, psense and ppc on predictive.nc."""
    program = """
import warnings; warnings.simplefilter("ignore")
import matplotlib; matplotlib.use("agg")
import arviz
posterior = arviz.from_netcdf("results/small/line/a/posterior.nc")
table = arviz.summary(posterior)
assert list(table.index) == ["m", "c"], table
arviz.plot_trace(posterior, backend="matplotlib")
predictive = arviz.from_netcdf("results/small/line/a/predictive.nc")
loo = arviz.loo(predictive)
assert loo.n_data_points == 32 and (loo.pareto_k < 0.7).all(), loo
arviz.plot_ppc_dist(predictive, backend="matplotlib")
other = arviz.from_netcdf("results/other/line/a/predictive.nc")
arviz.loo(other)
table = arviz.psense_summary(other)  # the flat prior of `small` cannot be scaled
assert list(table.index) == ["m", "b"], table
"""
    subprocess.run([sys.executable, "-c", program], cwd=finished, check=True)


def test_verdicts_count_expected_failures(finished):
    with results(finished, "verdicts.csv").open(newline="") as file:
        rows = {(row["study"], row["model"], row["fit"]): row for row in csv.DictReader(file)}
    assert set(rows) == {*FITS, POINT}
    expected = {("other", "line", "a"), ("other", "line", "d")}
    assert {place: row["verdict"] for place, row in rows.items()} == {
        place: "expected" if place in expected else "pass" for place in rows
    }
    assert rows["small", "line", "b"]["draws"] == "1000"
    assert "ppc is expected to fail, and does" in rows["other", "line", "a"]["reason"]
    tree = read_artefact(results(finished, "other/verdict.nc"))
    assert tree.attrs["verdict"] == "expected"
    checks = tree["checks"]
    counted = {
        name: checks[name].values.tolist()
        for name in ("fit", "check", "status", "effective_status")
    }
    changed = [row for row in zip(*counted.values(), strict=True) if row[2] != row[3]]
    misfit = (("loo", "warn"), ("loo_pit", "fail"), ("ppc", "fail"))
    assert sorted(changed) == [(fit, *status, "expected") for fit in "ad" for status in misfit]
    assert {"model", "fit", "stage"} <= set(checks.coords)
    status = {fit: {} for fit in "acd"}
    for fit, check, found in zip(
        *(checks[name].values for name in ("fit", "check", "status")), strict=True
    ):
        status[fit][check] = found
    assert status["a"]["ppc"] == status["d"]["ppc"] == "fail"
    assert status["a"]["recovery"] == status["a"]["prior_predictive"] == "n/a"
    with_draws = {"data", "tails", "prior_sensitivity", "conflict"}
    chains = {"rhat", "ess_bulk", "ess_tail", "mcse", "divergences", "e_bfmi", "tree_depth"}
    passed = {
        "a": with_draws | chains,
        "d": with_draws | {"khat", "elbo_convergence", "modes"},
        "c": {"data", "optimum_restarts", "modes"},
    }
    for fit, expected in passed.items():
        found = {str(check) for check, is_ in status[fit].items() if is_ == "pass"}
        assert found == expected, fit


def test_a_point_estimate_has_no_artefacts_that_need_draws(finished):
    tree = read_artefact(results(finished, "other/line/c/posterior.nc"))
    assert tree.attrs["draw_kind"] == "point"
    assert set(tree["point"].data_vars) == {"m", "b"}
    assert tree["optimisation"].sizes == {"start": 4}
    assert not results(finished, "other/line/c/predictive.nc").exists()
    x, y, e = (tree["constant_data"]["x"], tree["observed_data"]["y"], tree["constant_data"]["e"])
    design = np.stack([x, np.ones(20)], axis=1) / e.values[:, None]
    precision = design.T @ design + np.diag([1 / 3**2, 1 / 300**2])
    exact = np.linalg.solve(precision, design.T @ (y.values / e.values))
    np.testing.assert_allclose([tree["point"]["m"], tree["point"]["b"]], exact, rtol=1e-5)


def test_predictions_at_new_covariates_follow_the_model(finished):
    tree = read_artefact(results(finished, "other/line/a/predictive.nc"))
    predicted, there = tree["predictions"]["y"], tree["predictions_constant_data"]
    assert there["x"].values.tolist() == [0, 50, 100, 150, 200, 250, 300]
    assert predicted.dims == ("chain", "draw", "point")
    line = tree["posterior"]["m"] * there["x"] + tree["posterior"]["b"]
    z = ((predicted - line) / 20).values
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 0.05


def test_models_and_fits_are_compared(finished):
    tree = read_artefact(results(finished, "small/comparison.nc"))
    models = tree["models"]
    assert set(models["model"].values) == {"line", "line_angle"}
    assert float(models["weight"].sum()) == pytest.approx(1)
    assert float(models["points"][0]) == 32
    assert set(tree["fit_differences"]["parameter"].values) == {"m", "c"}
    assert tree["fit_pairs"]["agree"].values.tolist() == ["true"]
    with results(finished, "small/tables/fits.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["message"].startswith("agree within Monte Carlo error")
    assert int(row["gradients_a"]) > 0
    other = read_artefact(results(finished, "other/comparison.nc"))
    assert "models" not in other.children
    assert other["fit_pairs"].sizes == {"pair": 3}
    with results(finished, "other/tables/sensitivity.csv").open(newline="") as file:
        assert {row["diagnosis"] for row in csv.DictReader(file)} == {"the data dominate the prior"}


def test_the_first_page_of_the_report_has_a_dash_for_a_missing_number(finished):
    lines = results(finished, "verdicts.rst").read_text().splitlines()
    assert "     - \\-" in lines
    assert "     - -" not in lines  # would begin a list


def test_the_table_for_a_terminal_lists_all_fits(finished):
    command = [sys.executable, "workflow/scripts/verdicts.py", "results/verdicts.csv"]
    lines = subprocess.run(
        command, cwd=finished, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert lines[0].split() == [
        "study",
        "model",
        "fit",
        "verdict",
        "draws",
        "smallest",
        "ESS",
        "largest",
        "R-hat",
        "seconds",
    ]
    found = {tuple(line.split()[:3]): line.split()[3] for line in lines[2:8]}
    expected = {("other", "line", "a"), ("other", "line", "d")}
    assert found == {place: "expected" if place in expected else "pass" for place in (*FITS, POINT)}


def test_tables_for_a_paper_agree_with_the_draws(finished):
    with results(finished, "small/tables/parameters.csv").open(newline="") as file:
        rows = {(row["model"], row["fit"], row["parameter"]): row for row in csv.DictReader(file)}
    row = rows["line", "a", "m"]
    draws = read_artefact(results(finished, "small/line/a/posterior.nc"))["posterior"]["m"]
    assert float(row["mean"]) == pytest.approx(float(draws.mean()))
    assert float(row["lower"]) < float(row["median"]) < float(row["upper"])
    latex = results(finished, "small/tables/parameters.tex").read_text()
    assert latex.count(r"\\") == 1 + len(rows)
    assert "b\\_perp" not in latex
    assert "distance from the origin" in latex


def test_every_figure_is_small_and_complete(finished):
    import xml.etree.ElementTree as tree

    from PIL import Image

    figures = sorted(finished.glob("results/*/figures/*.svg"))
    names = {figure.stem for figure in figures if figure.parts[-3] == "small"}
    kinds = {"data", "corner", "trace", "ppc", "loo_pit", "sensitivity"}
    assert names == {
        *(f"line_{fit}_{kind}" for fit in "ab" for kind in kinds), *(f"line_angle_a_{kind}" for kind in kinds),
        *(f"{model}_{kind}" for model in ("line", "line_angle") for kind in ("prior", "forest", "graph")), "line_fits", "comparison_models",
    }  # fmt: skip
    for figure in figures:
        assert figure.stat().st_size < 300_000, figure
        assert tree.parse(figure).getroot().tag.endswith("svg")
        with Image.open(figure.with_suffix(".png")) as image:
            pixels = np.asarray(image.convert("L"))
        assert min(pixels.shape) > 100
        ink = [(edge < 250).mean() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])]
        assert max(ink) < 0.05, (figure, "something reaches the edge")


def test_only_the_jobs_of_a_file_run_for_it(finished):
    planned = snakemake(
        finished, "-n", "-R", "fit", "--", "results/small/line/b/posterior.nc"
    ).stdout
    assert "fit of small, line, b" in planned
    assert "line_angle" not in planned


def test_after_a_run_no_target_has_work_left(finished):
    targets = (
        "all",
        "fits",
        "datasets",
        "priors",
        "predictions",
        "sensitivities",
        "diagnoses",
        "comparisons",
        "all_figures",
        "all_tables",
        "verdicts",
    )
    assert "Nothing to be done" in snakemake(finished, "-n", *targets).stdout


@pytest.mark.parametrize("studies", ["small,other", '["small"]'])
def test_the_command_line_names_studies(finished, studies):
    planned = snakemake(finished, "-n", "--config", f"studies={studies}", "--", "fits")
    assert planned.returncode == 0, planned.stdout
    assert "Nothing to be done" in planned.stdout


@pytest.mark.long
def test_the_report_is_written_again_for_newer_results_or_other_studies(finished, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(finished, project, symlinks=True)
    shutil.copy2(ROOT / "Makefile", project)
    (project / ".venv").symlink_to(sys.prefix)
    report = project / "results/report.html"

    def written_by(*arguments):
        before = report.stat().st_mtime_ns if report.exists() else 0
        run = subprocess.run(
            ["make", "run", *arguments], cwd=project, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return report.stat().st_mtime_ns > before

    assert written_by()
    assert not written_by()
    (project / "workflow/report/report.css").touch()
    assert written_by()
    assert written_by("STUDIES=small")
    assert not written_by("STUDIES=small")
    (project / "results/small/figures/line_a_corner.svg").unlink()
    assert written_by("STUDIES=small")
    assert written_by()


@pytest.mark.long
def test_a_second_run_on_other_cores_is_bit_identical(finished, tmp_path):
    """Variables are equal bit for bit, and attributes except time and host."""
    names = ("small/line/a/posterior.nc", "small/line/a/predictive.nc", "small/line/a/diagnosis.nc")
    before = {name: read_artefact(results(finished, name)) for name in names}
    again = Path(shutil.copytree(finished, tmp_path / "again", symlinks=True))
    run = snakemake(
        again, "--cores", "1", "-R", "fit", "--", *(f"results/{name}" for name in names)
    )
    assert run.returncode == 0, run.stdout
    for name, old in before.items():
        new = read_artefact(results(again, name))
        assert new.attrs["created_at"] > old.attrs["created_at"]
        volatile = set(VOLATILE_ATTRIBUTES)
        assert {k: v for k, v in old.attrs.items() if k not in volatile} == {
            k: v for k, v in new.attrs.items() if k not in volatile
        }
        for group in old.children:
            xr.testing.assert_identical(old[group].to_dataset(), new[group].to_dataset())


def test_the_default_studies_can_be_planned(project):
    run = snakemake(project, "-n")
    assert run.returncode == 0
    for study in ("line", "hogg"):
        assert f"data of {study}" in run.stdout


def test_every_job_reports_time_and_memory(finished):
    logs = list(finished.glob("results/logs/**/*.log"))
    assert len(logs) > 20
    for log in logs:
        text = log.read_text()
        assert "Traceback" not in text, log
        status = read_status(str(log))
        assert status["state"] == "done", log
        assert status["messages"] == []
        assert 0 < status["seconds"]["imports"] <= status["seconds"]["total"]
        assert status["peak_memory_mb"] > 10
        assert status["host"] == platform.node()
        assert status["slurm_job"] is None
