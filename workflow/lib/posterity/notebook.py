"""
For notebooks: a study's settings, its artefacts as one tree, and the functions of the stages.

Paths start at the project's folder, which has to be the working directory.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import xarray as xr

from posterity.artefact.netcdf import read_artefact
from posterity.config.study import check_configuration, load_study
from posterity.config.yaml import read_yaml
from posterity.errors import UserError, hint
from posterity.python_files import load_module, user_files

LIBRARY = Path(__file__).resolve().parents[1]
SCRIPTS = LIBRARY.parent / "scripts"


def load_settings(name: str) -> dict:
    """Load a study in its normal form, with the defaults of config/config.yaml. Raises UserError."""
    settings = check_configuration(read_yaml("config/config.yaml") | {"studies": [name]})
    return load_study(name, settings["defaults"])


def make_stage_arguments(name: str, model: str, fit: str) -> dict:
    """Give what the stages fit and predict share: `stage("fit")(data, output, settings=..., **arguments(study, model, fit))`."""
    settings = load_settings(name)
    spec = settings["models"][model]
    made = {
        "seed": settings["seed"],
        "float_type": settings["float_type"],
        "model_files": user_files(spec["file"], LIBRARY),
    }
    return {"study": name, "model": model, "fit": fit, "model_spec": spec} | made


def load_script(stage: str) -> ModuleType:
    """Import the script of a stage. Raises UserError for a stage that is not there."""
    file = SCRIPTS / f"{stage}.py"
    if not file.is_file():
        raise UserError(
            f"there is no stage '{stage}': {hint(stage, [other.stem for other in SCRIPTS.glob('*.py')])}"
        )
    return load_module(file)


def get_stage(name: str) -> Callable:
    """Take the function of a stage: `stage("fit")(data="...", output="...", ...)`. Its docstring says what it needs."""
    return getattr(load_script(name), name)


def load_results(name: str, results: str | Path = "results") -> xr.DataTree:
    """
    Load all artefacts of a study as one tree: `tree["outliers/nuts/posterior"]`, `tree["data"]`, `tree["comparison/models"]`.

    Groups of data.nc stand at the top, those of a model's prior.nc below the model, those of a fit's artefacts below model and fit,
    and those of predictive.nc, which holds fewer draws, below `predictive` there (so that ArviZ finds what belongs together).
    Groups of the study's own artefacts stand below `comparison` and `verdict`. Attributes of each node say which file it came
    from. Raises UserError if nothing is there, or a file cannot be read.
    """
    folder, nodes = Path(results) / name, {}
    files = {
        "": ["data"],
        "*/": ["prior"],
        "*/*/": ["posterior", "predictive", "sensitivity", "diagnosis"],
    }
    paths = [
        path
        for place, stems in files.items()
        for stem in stems
        for path in sorted(folder.glob(f"{place}{stem}.nc"))
    ]
    paths += [
        path for stem in ("comparison", "verdict") if (path := folder / f"{stem}.nc").is_file()
    ]
    if not paths:
        raise UserError(
            f"{folder}: there are no artefacts of study '{name}'; run it: snakemake --cores 4 --config studies={name}"
        )
    for path in paths:
        tree = read_artefact(path, study=name)
        parts = path.parent.relative_to(folder).parts or (
            (path.stem,) if path.stem in ("comparison", "verdict") else ()
        )
        parts = (*parts, "predictive") if path.stem == "predictive" else parts
        for group, values in tree.children.items():
            nodes["/".join([*parts, str(group)])] = values.to_dataset().assign_attrs(
                values.attrs | {"file": str(path)}
            )
    return xr.DataTree.from_dict(nodes, name=name)
