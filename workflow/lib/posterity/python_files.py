"""Python files of the user and of the library: import by path, list definitions and imports."""

import ast
import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from posterity.errors import UserError

# Files without influence on any result: an edit of them repeats no stage. They hold messages,
# logging, and the registry, which only plans jobs and refuses impossible ones.
UNTRACKED_FILES = frozenset(
    {
        "posterity/config/registry.py",
        "posterity/errors.py",
        "posterity/inference/progress.py",
        "posterity/workflow/job.py",
    }
)


class _Source(SourceFileLoader):
    """
    A loader that compiles the file at each import.

    The bytecode cache of Python compares size and whole seconds. It misses an edit that keeps the
    size within one second.
    """

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled file."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def load_module(file: str | Path) -> ModuleType:
    """
    Import a Python file by its path, with its folder first on the search path.

    Raises what the file raises.
    """
    path = Path(file).resolve()
    name = f"{path.parent.name}_{path.stem}"
    loader = _Source(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader, is_package=False)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def _list_statements(body: list[ast.stmt], nested: bool) -> Iterator[ast.AST]:
    """Yield the statements at module level, or all statements if `nested` is true."""
    for node in body:
        if nested or isinstance(node, ast.If | ast.Try | ast.With):
            yield from ast.walk(node)
        else:
            yield node


def _list_imported_names(
    file: Path, root: Path, statements: Iterator[ast.AST]
) -> list[tuple[Path, str]]:
    """Return the dotted names that statements import, each with the folder that it starts from."""
    names: list[tuple[Path, str]] = []
    for statement in statements:
        match statement:
            case ast.Import(names=aliases):
                names += [(root, alias.name) for alias in aliases]
            case ast.ImportFrom(module=module, names=aliases, level=level):
                folder = file.parents[level - 1] if level else root
                prefix = f"{module}." if module else ""
                names += [(folder, module)] if module else []
                names += [(folder, prefix + alias.name) for alias in aliases]
    return names


@cache
def _list_local_imports(file: Path, root: Path, nested: bool = False) -> tuple[Path, ...]:
    """Return the files below `root` that the statements of `file` import."""
    statements = _list_statements(ast.parse(file.read_bytes(), str(file)).body, nested)
    files: dict[Path, None] = {}  # in order, each once
    for folder, name in _list_imported_names(file, root, statements):
        path = folder
        for part in name.split("."):
            path = path / part
            for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
                if candidate.is_file():
                    files[candidate] = None
    return tuple(files)


def import_closure(file: Path, root: Path, nested: bool = False) -> list[Path]:
    """
    Return `file` and all files below `root` that it imports, directly or through others, sorted.

    Only imports at module level count, since a module that imports a method inside a function uses
    one of many. The files in `UNTRACKED_FILES` are left out.

    Parameters
    ----------
    file : Path
        The Python file to start from.
    root : Path
        The folder that absolute imports start from.
    nested : bool
        Whether imports inside functions of `file` itself count, too: a stage's script imports there
        what it needs, to start quickly.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    SyntaxError, OSError
        If a file is not valid Python or cannot be read.
    """
    start = Path(file)
    todo = [start]
    files: set[Path] = set()
    while todo:
        path = todo.pop()
        if path not in files and not path.as_posix().endswith(tuple(UNTRACKED_FILES)):
            files.add(path)
            todo += _list_local_imports(path, Path(root), nested and path == start)
    return sorted(files)


def user_files(file: str | Path, library: str | Path) -> list[str]:
    """
    Return a user's file, and what it imports from its folder and from the library, sorted.

    The file is a model.py, simulate.py or figures.py. Raises SyntaxError and OSError if a file is
    not valid Python or cannot be read.
    """
    start = Path(file)
    root = Path(library)
    local = {str(path) for path in import_closure(start, start.parent)}
    of_library = [path for path in import_closure(start, root) if root in path.parents]
    return sorted(local | {os.path.relpath(path) for path in of_library})


def read_docstring(file: Path, function: str) -> str:
    """Return the docstring of a function, without an import of its file; "" if there is none."""
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return ast.get_docstring(node) or ""
    return ""


def list_defined_names(file: Path) -> set[str]:
    """
    Return the names that a file defines or imports at module level, without running it.

    Raises UserError if the file is not valid Python.
    """
    try:
        body = ast.parse(file.read_bytes()).body
    except SyntaxError as error:
        raise UserError(f"{file}, line {error.lineno}: {error.msg}. Correct the file.") from None
    except ValueError as error:
        raise UserError(f"{file}: {error}. Correct the file.") from None
    names: set[str] = set()
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.ImportFrom(names=aliases) | ast.Import(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
    return names
