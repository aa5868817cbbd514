"""The tracked files of each stage are exactly the library modules that it imports."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from posterity.config.registry import FIGURE_KINDS, METHODS
from posterity.python_files import UNTRACKED_FILES, import_closure
from posterity.workflow.code_files import list_method_modules, list_stage_code

LIBRARY = ROOT / "workflow/lib"
SCRIPTS = ROOT / "workflow/scripts"
# Stages whose code depends on the job, with the modules that their rules name
NAMED_MODULES = {
    **{f"fit {method}": list_method_modules({"method": method}) for method in METHODS},
    **{f"figures {kind}": [f"plots/{kind}"] for kind in FIGURE_KINDS},
}
STAGES = {
    **{script.stem: [] for script in SCRIPTS.glob("*.py") if script.stem not in ("fit", "figures")},
    **NAMED_MODULES,
}


def is_module(node, alias):
    """Return whether an import statement takes a module from its package."""
    return (LIBRARY / node.module.replace(".", "/") / f"{alias.name}.py").is_file()


def list_imports(stage):
    """Return what a job of a stage imports: its script, imports in the functions of it, modules."""
    script = stage.split()[0]
    names = [script]
    if script != "figures":  # it imports one of several modules
        for node in ast.walk(ast.parse((SCRIPTS / f"{script}.py").read_bytes())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("posterity"):
                names.append(node.module)
                names += [
                    f"{node.module}.{alias.name}" for alias in node.names if is_module(node, alias)
                ]
    return names + [f"posterity.{module.replace('/', '.')}" for module in STAGES[stage]]


def list_tracked(stage):
    """Return the library modules among the tracked files of a stage."""
    script = stage.split()[0]
    nested = script != "figures"
    files = list_stage_code(ROOT / "workflow", script, *STAGES[stage], nested=nested)
    paths = [Path(file).resolve() for file in files]
    return {path for path in paths if LIBRARY in path.parents}


# Other packages are imported once, so that each stage takes no longer than its own modules.
PROGRAM = f"""
import sys, json, os, importlib
sys.path[:0] = [{str(LIBRARY)!r}, {str(SCRIPTS)!r}]
import jax, numpyro.infer.autoguide, optax, pandas, scipy.stats, xarray, netCDF4
import matplotlib.pyplot, corner, arviz_stats, pygraphviz
for stage, names in json.loads(sys.argv[1]).items():
    if os.fork() == 0:
        for name in names:
            importlib.import_module(name)
        modules = [m for n, m in sys.modules.items() if n.split(".")[0] == "posterity"]
        files = [module.__file__ for module in modules]
        os.write(1, (json.dumps({{stage: files}}) + chr(10)).encode())
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def imported():
    """The files of the library that a process of each stage has imported."""
    imports = {stage: list_imports(stage) for stage in STAGES}
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps(imports)],
        capture_output=True,
        text=True,
        check=True,
    )
    files = {}
    for line in process.stdout.splitlines():
        files |= json.loads(line)
    assert set(files) == set(STAGES), process.stderr
    return files


def test_tracked_modules_are_those_that_are_imported(imported):
    untracked = {LIBRARY / name for name in UNTRACKED_FILES}
    packages = set(LIBRARY.rglob("__init__.py"))  # they hold a docstring only
    for stage, files in imported.items():
        expected = {Path(file) for file in files} - untracked - packages
        assert list_tracked(stage) - packages == expected, stage


def test_packages_of_the_library_hold_a_docstring_only():
    for file in LIBRARY.rglob("__init__.py"):
        (statement,) = ast.parse(file.read_bytes()).body
        assert isinstance(statement, ast.Expr), file


def test_fits_depend_on_few_modules():
    files = {
        str(file.relative_to(LIBRARY / "posterity").with_suffix(""))
        for file in list_tracked("fit nuts")
    }
    folders = {
        "artefact": ("atomic", "groups", "netcdf", "provenance", "streamed"),
        "config": ("stage",),
        "runtime": ("compile_cache", "device", "rng"),
        "model": (
            "bind", "datasets", "dependencies", "handlers", "model", "preflight", "range_checks",
            "reparam", "sites", "trace_errors",
        ),
        "inference": (
            "chains", "checkpoint", "enumeration", "hamiltonian", "initial_values",
            "methods/nuts", "program", "records", "result", "run", "stopping", "storage",
        ),
    }  # fmt: skip
    expected = {f"{folder}/{name}" for folder, names in folders.items() for name in names}
    names = {name for name in files if not name.endswith("__init__")}
    assert names == expected | {"python_files"}
    assert not {f"posterity/{name}.py" for name in names} & UNTRACKED_FILES


@pytest.mark.parametrize(
    ("settings", "module"),
    [
        ({"method": "nuts"}, "inference/enumeration"),
        ({"method": "nuts", "init": "pathfinder"}, "inference/methods/pathfinder"),
        ({"method": "nuts", "stop_when": {"ess": 400}}, "stats/summary"),
        ({"method": "nuts", "store": {"z": "summary"}}, "stats/importance"),
        ({"method": "svi", "resample": True}, "stats/importance"),
    ],
)
def test_settings_of_a_fit_name_modules(settings, module):
    assert module in list_method_modules(settings)
    assert module not in list_method_modules({"method": "map", "stop_when": {"minutes": 1}})


@pytest.mark.parametrize(
    ("stage", "forbidden"),
    [
        ("figures data", "jaxlib"),
        ("figures graph", "matplotlib"),
        ("diagnose", "matplotlib"),
        ("fit nuts", "matplotlib"),
        ("fit nuts", "arviz_stats"),
    ],
)
def test_a_stage_imports_only_what_it_needs(stage, forbidden):
    program = (
        f"import sys; sys.path[:0] = [{str(LIBRARY)!r}, {str(SCRIPTS)!r}]\n"
        f"import importlib; [importlib.import_module(name) for name in {list_imports(stage)}]\n"
        f"sys.exit({forbidden!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_imports_in_functions_count_for_the_first_file_only(tmp_path):
    (tmp_path / "script.py").write_text("import first\n\n\ndef run():\n    import second\n")
    (tmp_path / "first.py").write_text("def run():\n    import third\n")
    for name in ("second", "third"):
        (tmp_path / f"{name}.py").write_text("")

    def list_names(nested):
        return [file.stem for file in import_closure(tmp_path / "script.py", tmp_path, nested)]

    assert list_names(nested=False) == ["first", "script"]
    assert list_names(nested=True) == ["first", "script", "second"]


def test_modules_next_to_a_model_belong_to_it(tmp_path):
    (tmp_path / "physics.py").write_text("import constants\n")
    (tmp_path / "constants.py").write_text("c = 3e8\n")
    (tmp_path / "other.py").write_text("")
    (tmp_path / "model.py").write_text(
        "import numpy\ntry:\n    from physics import law\nexcept ImportError:\n    pass\n"
    )
    files = import_closure(tmp_path / "model.py", tmp_path)
    assert [file.name for file in files] == ["constants.py", "model.py", "physics.py"]


def test_packages_next_to_a_model_belong_to_it(tmp_path):
    (tmp_path / "pkg").mkdir()
    modules = {
        "__init__": "from . import law",
        "law": "from .deep import x",
        "deep": "x = 1",
        "other": "",
    }
    for name, text in modules.items():
        (tmp_path / f"pkg/{name}.py").write_text(text + "\n")
    (tmp_path / "model.py").write_text("import pkg.law\n")
    files = import_closure(tmp_path / "model.py", tmp_path)
    assert [file.stem for file in files] == ["model", "__init__", "deep", "law"]
