import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from posterity.config.registry import FIGURE_KINDS, METHODS
from posterity.python_files import UNTRACKED_FILES, import_closure

LIBRARY = ROOT / "workflow/lib"

PRIOR = [
    "model/bind",
    "model/datasets",
    "model/dependencies",
    "model/preflight",
    "prediction/predict",
]
FIT = [
    "inference/checkpoint",
    "inference/run",
    "inference/storage",
    "model/bind",
    "model/datasets",
    "model/preflight",
]
PREDICT = [
    "model/bind",
    "model/datasets",
    "prediction/groups",
    "prediction/new_data",
    "prediction/predict",
    "prediction/statistics",
]

# what a stage imports by name once it runs, as its rule lists it
LATER = {
    "data": [],
    "prior": PRIOR,
    "fit": [*FIT, "inference/enumeration", "inference/methods/nuts"],
    "fit svi": [*FIT, "inference/methods/svi"],
    "fit map": [*FIT, "inference/methods/map"],
    **{
        f"fit {method}": [*FIT, f"inference/methods/{method}"]
        for method in METHODS
        if method not in ("nuts", "svi", "map")
    },
    "predict": PREDICT,
    "sensitivity": [],
    "compare": [],
    "diagnose": [],
    "verdict": [],
    "verdicts": ["artefact/netcdf"],
    "gate": [],
    "tables": [],
    **{f"figures {kind}": [f"plots/{kind}"] for kind in FIGURE_KINDS},
}


assert all(f"inference/methods/{method}" in str(LATER) for method in METHODS)


def listed(script, modules):
    files = set(import_closure(ROOT / f"workflow/scripts/{script}.py", LIBRARY))
    for module in modules:
        files |= set(import_closure(LIBRARY / f"posterity/{module}.py", LIBRARY))
    return {file for file in files if LIBRARY in file.parents}


PROGRAM = f"""
import sys, json, os, importlib
sys.path[:0] = [{str(LIBRARY)!r}, {str(ROOT / "workflow/scripts")!r}]
import jax, numpyro.infer.autoguide, optax, pandas, scipy.stats, xarray, netCDF4, matplotlib.pyplot, corner, arviz_stats, pygraphviz
for stage, names in json.loads(sys.argv[1]).items():  # other packages are there already: each stage costs no more than its own
    if os.fork() == 0:
        importlib.import_module(stage.split()[0])
        for name in names:
            importlib.import_module(name)
        files = [m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "posterity"]
        os.write(1, (json.dumps({{stage: files}}) + chr(10)).encode())
        os._exit(0)
    os.wait()
"""


def test_listed_modules_are_those_that_are_imported():
    later = {
        stage: [f"posterity.{module.replace('/', '.')}" for module in modules]
        for stage, modules in LATER.items()
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps(later)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {
        stage: files
        for line in done.stdout.splitlines()
        for stage, files in json.loads(line).items()
    }
    assert set(found) == set(LATER), done.stderr
    untracked = {LIBRARY / name for name in UNTRACKED_FILES}
    package = set(LIBRARY.rglob("__init__.py"))  # hold a docstring only
    for stage, files in found.items():
        imported = {Path(file) for file in files}
        assert listed(stage.split()[0], LATER[stage]) - package == imported - untracked - package, (
            stage
        )


def test_what_fits_depend_on_is_a_short_list():
    files = {
        str(file.relative_to(LIBRARY / "posterity").with_suffix(""))
        for file in listed("fit", LATER["fit"])
    }
    names = {name for name in files if not name.endswith("__init__")}
    expected = {
        "artefact/atomic",
        "artefact/groups",
        "artefact/netcdf",
        "artefact/provenance",
        "artefact/streamed",
        "config/stage",
        "python_files",
    }
    expected |= {f"runtime/{name}" for name in ("compile_cache", "device", "rng")}
    expected |= {
        f"model/{name}"
        for name in (
            "bind",
            "datasets",
            "dependencies",
            "handlers",
            "model",
            "preflight",
            "reparam",
        )
    }
    expected |= {
        f"inference/{name}"
        for name in (
            "chains",
            "checkpoint",
            "enumeration",
            "hamiltonian",
            "initial_values",
            "methods/nuts",
            "program",
            "records",
            "result",
            "run",
            "stopping",
            "storage",
        )
    }
    assert names == expected
    assert not {f"posterity/{name}.py" for name in names} & UNTRACKED_FILES


@pytest.mark.parametrize(
    ("stage", "forbidden"),
    [
        ("figures data", "jaxlib"),
        ("figures graph", "matplotlib"),
        ("diagnose", "matplotlib"),
        ("fit", "matplotlib"),
        ("fit", "arviz_stats"),
    ],
)
def test_a_stage_imports_only_what_it_needs(stage, forbidden):
    names = [f"posterity.{module.replace('/', '.')}" for module in LATER[stage]]
    program = (
        f"import sys; sys.path[:0] = [{str(LIBRARY)!r}, {str(ROOT / 'workflow/scripts')!r}]\n"
        f"import importlib; importlib.import_module({stage.split()[0]!r}); [importlib.import_module(name) for name in {names}]\n"
        f"sys.exit({forbidden!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_imports_of_a_model_from_beside_it_belong_to_it(tmp_path):
    (tmp_path / "physics.py").write_text("import constants\n")
    (tmp_path / "constants.py").write_text("c = 3e8\n")
    (tmp_path / "other.py").write_text("")
    (tmp_path / "model.py").write_text(
        "import numpy\ntry:\n    from physics import law\nexcept ImportError:\n    pass\n"
    )
    assert [file.name for file in import_closure(tmp_path / "model.py", tmp_path)] == [
        "constants.py",
        "model.py",
        "physics.py",
    ]


def test_packages_beside_a_model_belong_to_it(tmp_path):
    (tmp_path / "pkg").mkdir()
    for name, text in {
        "__init__": "from . import law",
        "law": "from .deep import x",
        "deep": "x = 1",
        "other": "",
    }.items():
        (tmp_path / f"pkg/{name}.py").write_text(text + "\n")
    (tmp_path / "model.py").write_text("import pkg.law\n")
    assert [file.stem for file in import_closure(tmp_path / "model.py", tmp_path)] == [
        "model",
        "__init__",
        "deep",
        "law",
    ]
