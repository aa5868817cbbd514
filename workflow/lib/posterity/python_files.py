"""Python files of the user and of the library: import them by path, list what they define and what they import."""

import ast
import importlib.util
import os
import sys
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from posterity.errors import UserError


class _Source(SourceFileLoader):
    """Compiles the file as it stands: Python's own cache takes an edit within one second, of one length, for none."""

    def get_code(self, fullname: str):
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def load_module(file: str | Path) -> ModuleType:
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


# Files without influence on any result: an edit of them repeats no stage. They hold messages, logging,
# and the registry, which only plans jobs and refuses impossible ones.
UNTRACKED_FILES = frozenset(
    {
        "posterity/config/registry.py",
        "posterity/errors.py",
        "posterity/inference/progress.py",
        "posterity/workflow/job.py",
    }
)


@cache
def _list_local_imports(file: Path, root: Path, nested: bool) -> tuple[Path, ...]:
    """List the files below `root` that `file` imports at module level, or anywhere if `nested`."""
    names, relative = [], []
    for node in ast.parse(file.read_bytes(), str(file)).body:
        walked = nested or isinstance(node, ast.If | ast.Try | ast.With)
        for statement in ast.walk(node) if walked else [node]:
            match statement:
                case ast.Import(names=aliases):
                    names += [alias.name for alias in aliases]
                case ast.ImportFrom(module=module, names=aliases, level=level):
                    prefix = f"{module}." if module else ""
                    listed = [module] * bool(module) + [prefix + alias.name for alias in aliases]
                    if level:
                        relative += [(file.parents[level - 1], name) for name in listed]
                    else:
                        names += listed
    found = []
    for folder, name in [*((root, name) for name in names), *relative]:
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            path = folder.joinpath(*parts[:depth])
            found += [
                candidate
                for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py")
                if candidate.is_file()
            ]
    return tuple(dict.fromkeys(found))


def import_closure(file: Path, root: Path, nested: bool = False) -> list[Path]:
    """
    List `file` and all files below `root` that it imports, directly or through others, sorted.

    Imports at module level count and, if `nested`, imports in the functions of `file` itself. The files in `UNTRACKED_FILES`
    are left out. Raises SyntaxError and OSError as reading the files does.
    """
    first = Path(file)
    todo, seen = [first], set()
    while todo:
        path = todo.pop()
        if path not in seen and not path.as_posix().endswith(tuple(UNTRACKED_FILES)):
            seen.add(path)
            todo += _list_local_imports(path, Path(root), nested and path == first)
    return sorted(seen)


def user_files(file: str | Path, library: Path) -> list[str]:
    """
    List a file of the user's (model.py, simulate.py, figures.py) and what it imports from beside it and from the library.

    Raises SyntaxError and OSError as reading the files does.
    """
    file, library = Path(file), Path(library)
    beside = {str(path) for path in import_closure(file, file.parent)}
    return sorted(
        beside
        | {
            os.path.relpath(path)
            for path in import_closure(file, library)
            if library in path.parents
        }
    )


def read_docstring(file: Path, function: str) -> str:
    """Read the docstring of a function without importing its file."""
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return ast.get_docstring(node) or ""
    return ""


def list_defined_names(file: Path) -> set[str]:
    """List the names that a file defines or imports at module level; nothing is run. Raises UserError for one that is no Python."""
    try:
        body = ast.parse(file.read_bytes()).body
    except (SyntaxError, ValueError) as error:
        reason = (
            f", line {error.lineno}: {error.msg}"
            if isinstance(error, SyntaxError)
            else f": {error}"
        )
        raise UserError(f"{file}{reason}; mend the file") from None
    found = set()
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.ImportFrom(names=aliases) | ast.Import(names=aliases):
                found |= {alias.asname or alias.name for alias in aliases}
    return found
