"""Python files of the user are imported as they are, and their imports are found."""

import os
import sys

import pytest
from conftest import ROOT

from posterity.errors import UserError
from posterity.python_files import (
    UNTRACKED_FILES,
    import_closure,
    list_defined_names,
    load_module,
    read_docstring,
    user_files,
)

LIBRARY = ROOT / "workflow/lib"


def write_files(folder, **files):
    """Write Python files, given by name without extension."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


def list_names(files):
    """Return the names of files without extension."""
    return [file.stem for file in files]


def test_an_edit_of_equal_length_within_one_second_counts(tmp_path, monkeypatch):
    """The bytecode cache of Python compares size and whole seconds, and would miss the edit."""
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    file = tmp_path / "model.py"
    for width in ("0.3", "100"):
        file.write_text(f"width = {width}\n")
        os.utime(file, (1e9, 1e9))
        assert load_module(file).width == float(width)


def test_a_module_imports_from_its_folder_and_the_path_is_restored(tmp_path):
    write_files(
        tmp_path,
        sibling_of_test_imports="one = 1\n",
        model="from sibling_of_test_imports import one\n",
    )
    assert load_module(tmp_path / "model.py").one == 1
    assert str(tmp_path) not in sys.path


def test_the_path_is_restored_if_the_file_raises(tmp_path):
    write_files(tmp_path, model="1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        load_module(tmp_path / "model.py")
    assert str(tmp_path) not in sys.path


def test_the_closure_follows_imports_at_module_level(tmp_path):
    write_files(
        tmp_path,
        model="if True:\n    import physics\n\n\ndef f():\n    import late\n",
        physics="import constants\n",
        constants="",
        late="",
        other="",
    )
    files = import_closure(tmp_path / "model.py", tmp_path)
    assert list_names(files) == ["constants", "model", "physics"]


def test_imports_inside_functions_of_the_first_file_count_on_request(tmp_path):
    """A library module that imports inside a function chooses one of many: that does not count."""
    write_files(
        tmp_path,
        script=(
            "def run():\n    with open('x'):\n        from first import a\n        import second\n"
        ),
        first="def f():\n    import third\n",
        second="import fourth\n",
        third="",
        fourth="",
    )
    script = tmp_path / "script.py"
    assert list_names(import_closure(script, tmp_path)) == ["script"]
    files = import_closure(script, tmp_path, nested=True)
    assert list_names(files) == ["first", "fourth", "script", "second"]


def test_an_import_cycle_ends(tmp_path):
    write_files(tmp_path, a="import b\n", b="import a\n")
    assert list_names(import_closure(tmp_path / "a.py", tmp_path, nested=True)) == ["a", "b"]


def test_files_without_influence_on_results_are_left_out():
    files = import_closure(LIBRARY / "posterity/config/targets.py", LIBRARY)
    names = {file.relative_to(LIBRARY).as_posix() for file in files}
    assert "posterity/python_files.py" in names
    assert not names & UNTRACKED_FILES
    assert all((LIBRARY / name).is_file() for name in UNTRACKED_FILES)


def test_the_closure_of_invalid_python_raises(tmp_path):
    write_files(tmp_path, model="def f(:\n")
    with pytest.raises(SyntaxError):
        import_closure(tmp_path / "model.py", tmp_path)


def test_user_files_are_those_of_the_folder_and_of_the_library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, model="import physics\nfrom posterity.config import merge\n", physics="")
    files = user_files("model.py", LIBRARY)
    assert files[-2:] == ["model.py", "physics.py"]
    assert os.path.relpath(LIBRARY / "posterity/config/merge.py") in files


def test_a_docstring_is_read_without_an_import(tmp_path):
    write_files(tmp_path, figures="1 / 0\n\n\ndef f():\n    'What it shows.'\n\n\ndef g(): pass\n")
    file = tmp_path / "figures.py"
    assert read_docstring(file, "f") == "What it shows."
    assert read_docstring(file, "g") == read_docstring(file, "h") == ""


def test_definitions_assignments_and_imports_are_defined_names(tmp_path):
    write_files(
        tmp_path,
        model="import a as b\nfrom c import d\nx = y = 1\n\n\ndef f(): pass\n\n\nclass G: pass\n",
    )
    assert list_defined_names(tmp_path / "model.py") == {"b", "d", "x", "y", "f", "G"}


def test_a_syntax_error_is_a_user_error_with_its_line(tmp_path):
    write_files(tmp_path, model="x = 1\ndef f(:\n")
    with pytest.raises(UserError, match=r"model\.py, line 2: .*\. Correct the file\."):
        list_defined_names(tmp_path / "model.py")


def test_a_null_byte_is_a_user_error(tmp_path):
    (tmp_path / "model.py").write_bytes(b"x = 1\0")
    with pytest.raises(UserError, match=r"model\.py.*Correct the file\."):
        list_defined_names(tmp_path / "model.py")
