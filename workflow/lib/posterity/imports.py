"""Import a file of the user's: a model, a simulation, figures. What lies beside it can be imported by it."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType


class _Source(SourceFileLoader):
    """Compiles the file as it stands: Python's own cache takes an edit within one second, of one length, for none."""

    def get_code(self, fullname: str):
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def load(file: str | Path) -> ModuleType:
    """Import a Python file by its path, with its folder first on the search path. Raises what the file raises."""
    path = Path(file).resolve()
    name = f"{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Source(name, str(path)))
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module
