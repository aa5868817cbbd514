"""Lint, format, environment."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, snakemake

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "Snakefile", "workflow"],
        ["codespell"],
    ],
    ids=["ruff", "ruff-format", "snakefmt", "codespell"],
)
def test_clean(command):
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakemake_lint(project):
    run = snakemake(project, "--lint")
    assert run.returncode == 0, run.stdout


def test_the_conda_file_has_the_locks_pins():
    pins = re.findall(r"^[\w.-]+==[^\\\n]+", (ROOT / "envs/posterity.lock").read_text(), flags=re.M)
    listed = yaml.safe_load((ROOT / "envs/posterity.yaml").read_text())["dependencies"][-1]["pip"]
    assert listed == [pin.strip() for pin in pins]
    assert len(pins) > 50


def test_the_locks_have_hashes_and_no_address():
    for lock in (ROOT / "envs").glob("*.lock"):
        text = lock.read_text()
        assert "://" not in text
        packages = re.split(r"^(?=[\w.-]+==)", text, flags=re.M)[1:]
        assert packages
        assert all("--hash=sha256:" in package for package in packages), lock


def test_each_stage_is_a_rule_and_a_script_of_one_name():
    text = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    rules = re.findall(r"^rule (\w+):", text, flags=re.M)
    scripts = re.findall(r'"\.\./scripts/(\w+)\.py"', text)
    assert rules == scripts
    assert sorted(rules) == sorted(file.stem for file in (ROOT / "workflow/scripts").glob("*.py"))
    for key in ("log", "benchmark", "threads", "resources", "conda", "message"):
        assert len(re.findall(rf"^    {key}:", text, flags=re.M)) == len(rules), key


@pytest.mark.parametrize("broken", ["none", "shim", "old"])
def test_the_python_is_found_by_running_candidates(tmp_path, broken):
    """Shims that fail and older versions are passed over; without any, one plain sentence."""
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/setup.sh").write_text(
        re.sub(r" *\\?\n +/usr/bin/\S+ .*; do", "; do", (ROOT / "envs/setup.sh").read_text())
    )
    (tmp_path / "bin").mkdir()
    scripts = {"none": "", "shim": "#!/bin/sh\nexit 127\n", "old": "#!/bin/sh\nexit 1\n"}
    for name in ("python3", "python3.13"):
        (tmp_path / "bin" / name).write_text(scripts[broken] or "#!/bin/sh\nexit 126\n")
        (tmp_path / "bin" / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:/nowhere",
        "HOME": str(tmp_path),
        "PYENV_ROOT": str(tmp_path / "pyenv"),
    }
    command = ["/bin/sh", "envs/setup.sh", "find"]
    environment["PATH"] += (
        ":/usr/bin:/bin"
        if not Path("/usr/bin/python3.13").exists() and not Path("/usr/bin/python3.12").exists()
        else ""
    )
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "needs Python 3.12 or 3.13" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

    version = tmp_path / "pyenv/versions/3.13.0/bin"
    version.mkdir(parents=True)
    (version / "python3").symlink_to(sys.executable)
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).exists()
