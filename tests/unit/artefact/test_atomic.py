"""One writer of a file at a time, and no file that is half written."""

import subprocess
import sys
import threading

import pytest
from conftest import ROOT

from posterity.artefact.atomic import _claims, claim_files, release_files, replace_file
from posterity.errors import UserError

OTHER = "import sys; from posterity.artefact.atomic import claim_files; claim_files([sys.argv[1]])"


@pytest.fixture
def file(tmp_path):
    yield tmp_path / "results/a.txt"
    _claims.clear()


def write(file, text):
    with replace_file(file) as beside:
        beside.write_text(text)


def claimed_by_another(file):
    subprocess.run(
        [sys.executable, "-c", OTHER, str(file)],
        env={"PYTHONPATH": str(ROOT / "workflow/lib")},
        check=True,
    )


def test_the_last_to_claim_a_file_writes_it(file):
    claim_files([str(file)])
    write(file, "mine")
    claimed_by_another(file)
    with pytest.raises(UserError, match=r"a\.txt: another job has taken it over"):
        write(file, "mine again")
    assert file.read_text() == "mine"
    release_files([str(file)])  # not mine any more: the other's claim stays
    assert [path.name for path in sorted(file.parent.iterdir())] == [".a.txt.claim", "a.txt"]


def test_a_file_is_not_taken_back_when_the_later_job_is_done(file):
    claim_files([str(file)])
    claimed_by_another(file)
    (file.parent / ".a.txt.claim").unlink()  # as the other does at its end
    with pytest.raises(UserError, match="taken it over"):
        write(file, "mine")
    assert not list(file.parent.iterdir())


def test_a_claim_goes_with_its_job(file):
    claim_files([str(file)])
    write(file, "mine")
    release_files([str(file)])
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]
    write(file, "without a claim, as in a notebook")
    assert file.read_text().startswith("without")


def test_a_fault_leaves_the_earlier_file(file):
    write(file, "whole")
    with pytest.raises(ZeroDivisionError), replace_file(file) as beside:
        beside.write_text("ha")
        1 / 0  # noqa: B018
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]
    assert file.read_text() == "whole"


def test_a_reader_never_sees_half_a_file(file):
    texts = ["a" * 1_000_000, "b" * 1_000_000]
    write(file, texts[0])
    done = threading.Event()

    def rewrite():
        try:
            for round in range(50):
                write(file, texts[round % 2])
        finally:
            done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(file.read_text())
    writer.join()
    assert seen <= set(texts)


def test_scratch(file, tmp_path, monkeypatch):
    monkeypatch.setenv("NODE", str(tmp_path / "node"))
    monkeypatch.setenv("POSTERITY_SCRATCH", "$NODE/disk")
    with pytest.raises(UserError, match=r"scratch: \$NODE/disk is no folder on .*; name one"):
        write(file, "text")
    (tmp_path / "node/disk").mkdir(parents=True)
    with replace_file(file) as beside:
        assert beside.parent == tmp_path / "node/disk"
        beside.write_text("text")
    assert file.read_text() == "text"
    assert not list((tmp_path / "node/disk").iterdir())
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]


def test_a_job_that_was_submitted_earlier_and_starts_later_gives_way(file, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    claim_files([str(file)])
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    with pytest.raises(UserError, match="the later job 12 makes it; this one, 9,"):
        claim_files([str(file)])
    monkeypatch.setenv("SLURM_JOB_ID", "13")
    claim_files([str(file)])
    assert " 13 " in (file.parent / ".a.txt.claim").read_text()


def test_the_earlier_version_is_not_put_back_over_the_later_one(tmp_path, monkeypatch):
    """Snakemake, around a job that gives way, would copy its backup into the place."""
    monkeypatch.chdir(tmp_path)
    backup = tmp_path / ".snakemake/backups/results/a.txt"
    backup.parent.mkdir(parents=True)
    backup.write_text("earlier")
    claim_files(["results/a.txt"])
    claimed_by_another(tmp_path / "results/a.txt")
    with pytest.raises(UserError, match="taken it over"):
        write("results/a.txt", "mine")
    assert not backup.exists()
