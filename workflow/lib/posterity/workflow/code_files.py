"""The Python files that a result depends on: those of its stage, and those of the user."""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from posterity.config.registry import METHODS
from posterity.errors import UserError
from posterity.python_files import import_closure, user_files


@cache
def list_stage_code(folder: Path, stage: str, *modules: str, nested: bool = True) -> list[str]:
    """
    List the files of a stage: its script and the library modules that it imports.

    Parameters
    ----------
    folder : Path
        The folder `workflow/` of the repository.
    stage : str
        Name of the script in `workflow/scripts`.
    *modules : str
        Library modules that no import statement of the script leads to, such as `plots/corner`.
    nested : bool
        Whether imports in the functions of the script count. A script that chooses one of several
        modules needs False.

    Returns
    -------
    list of str
        Paths relative to the working directory, sorted.
    """
    library = folder / "lib"
    files = import_closure(folder / "scripts" / f"{stage}.py", library, nested=nested)
    for module in modules:
        files += import_closure(library / "posterity" / f"{module}.py", library)
    return make_relative(files)


@cache
def list_user_code(folder: Path, file: str) -> list[str]:
    """
    List a file of the user (model.py, simulate.py, figures.py) and all local files that it imports.

    Raises UserError if one of them is not valid Python.
    """
    try:
        return user_files(file, folder / "lib")
    except SyntaxError as error:
        place = f"{error.filename or file}, line {error.lineno}"
        raise UserError(f"{place}: {error.msg}. Fix the file.") from None


def make_relative(paths: Iterable[Path]) -> list[str]:
    """Return paths relative to the working directory, sorted, each once."""
    return sorted({os.path.relpath(path) for path in paths})


def list_method_modules(settings: dict) -> list[str]:
    """Return the library modules that a fit imports by name, given its settings."""
    modules = [f"inference/methods/{settings['method']}"]
    if METHODS[settings["method"]].enumerates_discrete:
        modules.append("inference/enumeration")
    watches_convergence = bool({"ess", "rhat"} & settings.get("stop_when", {}).keys())
    saves_summaries = "summary" in settings.get("store", {}).values()
    if settings.get("resample") or watches_convergence or saves_summaries:
        modules += ["stats/summary", "stats/importance"]
    if settings.get("init") == "pathfinder":
        modules.append("inference/methods/pathfinder")
    return modules
