"""Which files a piece of code consists of: a file and, transitively, the local files that it imports."""

import ast
import os
from functools import cache
from pathlib import Path

# Logging and messages have no influence on any result; an edit here makes nothing be computed again.
UNTRACKED = frozenset({"errors", "job", "progress"})


@cache
def _imported(file: Path, root: Path) -> tuple[Path, ...]:
    """List the files below `root` that the module-level statements of `file` import."""
    names, relative = [], []
    for node in ast.parse(file.read_bytes()).body:
        for statement in ast.walk(node) if isinstance(node, ast.If | ast.Try | ast.With) else [node]:
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
            found += [candidate for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py") if candidate.is_file()]
    return tuple(dict.fromkeys(found))


def closure(file: Path, root: Path) -> list[Path]:
    """
    List `file` and all files below `root` that it imports, directly or through others, sorted.

    Only imports at module level count: a stage names what it imports later (a method, a kind of figure) itself.
    Modules in `UNTRACKED` are left out. Raises SyntaxError and OSError as reading the files does.
    """
    todo, seen = [Path(file)], set()
    while todo:
        path = todo.pop()
        if path not in seen and not (path.parent.name == "posterity" and path.stem in UNTRACKED):
            seen.add(path)
            todo += _imported(path, Path(root))
    return sorted(seen)


def of_user(file: str | Path, library: Path) -> list[str]:
    """
    List a file of the user's (model.py, simulate.py, figures.py) and what it imports from beside it and from the library.

    Raises SyntaxError and OSError as reading the files does.
    """
    file, library = Path(file), Path(library)
    beside = {str(path) for path in closure(file, file.parent)}
    return sorted(beside | {os.path.relpath(path) for path in closure(file, library) if library in path.parents})
