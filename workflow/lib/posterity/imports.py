"""Import a file of the user's: a model, a simulation, figures. What lies beside it can be imported by it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load(file: str | Path) -> ModuleType:
    """Import a Python file by its path, with its folder first on the search path. Raises what the file raises."""
    path = Path(file).resolve()
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module
