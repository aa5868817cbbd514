"""Files of the user's are imported as they stand."""

import os
import sys

from posterity.python_files import load_module


def test_an_edit_of_one_length_within_one_second_counts(tmp_path, monkeypatch):
    """Python's cache of bytecode goes by length and whole seconds, and would take the second file for the first."""
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    file = tmp_path / "model.py"
    for width in ("0.3", "100"):
        file.write_text(f"width = {width}\n")
        os.utime(file, (1e9, 1e9))
        assert load_module(file).width == float(width)


def test_what_lies_beside_can_be_imported_and_the_path_is_put_back(tmp_path):
    (tmp_path / "beside_of_test_imports.py").write_text("one = 1\n")
    (tmp_path / "model.py").write_text("from beside_of_test_imports import one\n")
    assert load_module(tmp_path / "model.py").one == 1
    assert str(tmp_path) not in sys.path
