import subprocess
import sys
import threading

import pytest
from conftest import ROOT

from posterity.artefact.atomic import (
    _claims,
    claim_files,
    owns_file,
    release_files,
    replace_file,
)
from posterity.errors import UserError

OTHER = "import sys; from posterity.artefact.atomic import claim_files; claim_files([sys.argv[1]])"


@pytest.fixture
def file(tmp_path):
    yield tmp_path / "results/a.txt"
    _claims.clear()


def write(file, text):
    with replace_file(file) as temporary:
        temporary.write_text(text)


def claim_in_another_process(file):
    subprocess.run(
        [sys.executable, "-c", OTHER, str(file)],
        env={"PYTHONPATH": str(ROOT / "workflow/lib")},
        check=True,
    )


def test_only_the_last_process_to_claim_a_file_writes_it(file):
    claim_files([str(file)])
    write(file, "mine")
    claim_in_another_process(file)
    with pytest.raises(UserError, match=r"a\.txt: another job has taken it over"):
        write(file, "mine again")
    assert file.read_text() == "mine"
    release_files([str(file)])  # the claim of the other process stays
    assert [path.name for path in sorted(file.parent.iterdir())] == [".a.txt.claim", "a.txt"]


def test_a_claim_is_lost_also_after_the_later_job_has_finished(file):
    claim_files([str(file)])
    claim_in_another_process(file)
    (file.parent / ".a.txt.claim").unlink()  # the other process releases the file
    with pytest.raises(UserError, match="taken it over"):
        write(file, "mine")
    assert not list(file.parent.iterdir())


def test_a_released_file_has_no_claim(file):
    claim_files([str(file)])
    write(file, "mine")
    release_files([str(file)])
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]
    write(file, "without a claim, as in a notebook")
    assert file.read_text().startswith("without")


def test_the_earlier_file_remains_after_an_error(file):
    write(file, "whole")
    with pytest.raises(ZeroDivisionError), replace_file(file) as temporary:
        temporary.write_text("ha")
        1 / 0  # noqa: B018
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]
    assert file.read_text() == "whole"


def test_a_reader_never_sees_a_part_of_a_file(file):
    texts = ["a" * 1_000_000, "b" * 1_000_000]
    write(file, texts[0])
    done = threading.Event()

    def rewrite():
        try:
            for index in range(50):
                write(file, texts[index % 2])
        finally:
            done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(file.read_text())
    writer.join()
    assert seen <= set(texts)


def test_scratch_must_exist_and_holds_the_temporary_file(file, tmp_path, monkeypatch):
    monkeypatch.setenv("NODE", str(tmp_path / "node"))
    monkeypatch.setenv("POSTERITY_SCRATCH", "$NODE/disk")
    with pytest.raises(
        UserError, match=r"scratch: \$NODE/disk is not a folder on .*\. .*set `scratch`"
    ):
        write(file, "text")
    (tmp_path / "node/disk").mkdir(parents=True)
    with replace_file(file) as temporary:
        assert temporary.parent == tmp_path / "node/disk"
        temporary.write_text("text")
    assert file.read_text() == "text"
    assert not list((tmp_path / "node/disk").iterdir())
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]


def test_a_job_submitted_earlier_cannot_claim_the_file_of_a_later_one(file, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    claim_files([str(file)])
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    with pytest.raises(
        UserError, match=r"the later job 12 writes this file\. Job 9, submitted before,"
    ):
        claim_files([str(file)])
    monkeypatch.setenv("SLURM_JOB_ID", "13")
    claim_files([str(file)])
    assert " 13 " in (file.parent / ".a.txt.claim").read_text()


def test_the_backup_of_snakemake_is_removed_if_a_later_job_claimed_the_file(tmp_path, monkeypatch):
    """Snakemake would restore the backup over the result of the later job."""
    monkeypatch.chdir(tmp_path)
    backup = tmp_path / ".snakemake/backups/results/a.txt"
    backup.parent.mkdir(parents=True)
    backup.write_text("earlier")
    claim_files(["results/a.txt"])
    claim_in_another_process(tmp_path / "results/a.txt")
    with pytest.raises(UserError, match="taken it over"):
        write("results/a.txt", "mine")
    assert not backup.exists()


def test_an_unset_scratch_in_another_variable_is_none(file, monkeypatch):
    monkeypatch.setenv("NODE", "")
    monkeypatch.setenv("POSTERITY_SCRATCH", "$NODE")
    with replace_file(file) as temporary:
        assert temporary.parent == file.parent
        temporary.write_text("text")


def test_a_process_without_a_claim_owns_each_file(file):
    assert owns_file(file)
    claim_files([str(file)])
    assert owns_file(file)
    claim_in_another_process(file)
    assert not owns_file(file)
