"""
The public interface for notebooks: settings, artefacts and stages of a study.

All paths are relative to the working directory, which has to be the folder of the project.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from posterity.artefact.netcdf import read_artefact
from posterity.config.stage import ComputeSettings, ModelSource, StageIds
from posterity.config.study import check_configuration, load_study
from posterity.config.yaml import read_yaml
from posterity.errors import UserError, hint
from posterity.python_files import load_module, user_files
from posterity.stats.arviz_bridge import remove_stub_modules

LIBRARY = Path(__file__).resolve().parents[1]
SCRIPTS = LIBRARY.parent / "scripts"
FIT_ARTEFACTS = ("posterior", "predictive", "sensitivity", "diagnosis")
STUDY_ARTEFACTS = ("comparison", "verdict")


def load_settings(name: str) -> dict:
    """
    Load the settings of a study as a run sees them, with the defaults of config/config.yaml.

    Parameters
    ----------
    name : str
        Id of the study: `line` for config/studies/line.yaml.

    Returns
    -------
    dict
        All keys of the study, defaults included.

    Raises
    ------
    UserError
        If config/config.yaml or the study has an error.

    Examples
    --------
    >>> settings = load_settings("line")
    >>> settings["fits"]["nuts"]["draws"]
    5000
    """
    settings = check_configuration(read_yaml("config/config.yaml") | {"studies": [name]})
    return load_study(name, settings["defaults"])


def load_results(name: str, results: str | Path = "results") -> xr.DataTree:
    """
    Load all artefacts of a study as one tree.

    Groups of data.nc are at the top, those of prior.nc below their model, those of the artefacts of
    a fit below model and fit. Groups of predictive.nc are one level further down, below
    `predictive`: they hold fewer draws, and ArviZ finds together what belongs together. Groups of
    comparison.nc and verdict.nc are below `comparison` and `verdict`.

    Parameters
    ----------
    name : str
        Id of the study.
    results : str or Path
        The folder of the results.

    Returns
    -------
    xarray.DataTree
        The groups. The attribute `file` of each names the artefact that it comes from.

    Raises
    ------
    UserError
        If the study has no artefacts, or one of them cannot be read.

    Examples
    --------
    >>> tree = load_results("line")
    >>> slope = tree["line/nuts/posterior"]["m"]
    >>> tree["comparison/models"]["weight"].values
    """
    folder = Path(results) / name
    groups = {}
    for path in _list_artefacts(folder):
        tree = read_artefact(path, study=name)
        parts = list(path.parent.relative_to(folder).parts)
        if path.stem in ("predictive", *STUDY_ARTEFACTS):
            parts.append(path.stem)
        for group, node in tree.children.items():
            values = node.to_dataset().assign_attrs(node.attrs | {"file": str(path)})
            groups["/".join([*parts, str(group)])] = values
    if not groups:
        raise UserError(
            f"{folder}: study '{name}' has no artefacts. "
            f"Run it: snakemake --cores 4 --config studies={name}"
        )
    return xr.DataTree.from_dict(groups, name=name)


def get_stage(name: str) -> Callable[..., None]:
    """
    Return the function of a stage. It reads and writes the files that its arguments name.

    Parameters
    ----------
    name : str
        Name of the stage and its script: `data`, `prior`, `fit`, `predict`, `sensitivity`,
        `diagnose`, `compare`, `figures`, `tables`, `verdict`, `gate` or `verdicts`.

    Returns
    -------
    callable
        The function. Its docstring lists its parameters.

    Raises
    ------
    UserError
        If there is no such stage.

    Examples
    --------
    >>> fit = get_stage("fit")
    >>> help(fit)
    """
    file = SCRIPTS / f"{name}.py"
    if not file.is_file():
        stages = [script.stem for script in SCRIPTS.glob("*.py")]
        raise UserError(f"there is no stage '{name}': {hint(name, stages)}")
    remove_stub_modules()  # of ArviZ, which a notebook imports before the stage imports NumPyro
    return getattr(load_module(file), name)


def make_stage_arguments(study: str, model: str, fit: str) -> dict[str, Any]:
    """
    Return the arguments that the stages `fit` and `predict` share.

    Parameters
    ----------
    study : str
        Id of a study, whose settings are read.
    model : str
        Id of one of its models.
    fit : str
        Id of the fit. It may be new, since it only names the artefact.

    Returns
    -------
    dict
        `ids` (StageIds), `model` (ModelSource) and `compute` (ComputeSettings).

    Raises
    ------
    UserError
        If the study has an error, or no such model.

    Examples
    --------
    >>> settings = load_settings("line")
    >>> arguments = make_stage_arguments("line", "line", "short")
    >>> method = settings["fits"]["nuts"] | {"draws": 1000}
    >>> get_stage("fit")("results/line/data.nc", "short.nc", settings=method, **arguments)
    """
    settings = load_settings(study)
    if model not in settings["models"]:
        raise UserError(
            f"config/studies/{study}.yaml: there is no model '{model}': "
            f"{hint(model, settings['models'])}"
        )
    spec = settings["models"][model]
    return {
        "ids": StageIds(study, model, fit),
        "model": ModelSource(spec, user_files(spec["file"], LIBRARY)),
        "compute": ComputeSettings(settings["seed"], settings["float_type"]),
    }


def _list_artefacts(folder: Path) -> list[Path]:
    """Return the artefacts in the folder of a study, those of the study first."""
    paths = [folder / "data.nc", *sorted(folder.glob("*/prior.nc"))]
    for stem in FIT_ARTEFACTS:
        paths += sorted(folder.glob(f"*/*/{stem}.nc"))
    paths += [folder / f"{stem}.nc" for stem in STUDY_ARTEFACTS]
    return [path for path in paths if path.is_file()]
