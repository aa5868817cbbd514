"""Read YAML files by the rules of the YAML 1.2 core schema."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from posterity.errors import UserError


class _Loader(yaml.CSafeLoader):
    """A loader of YAML 1.2: `no` and `on` are words, 1e-3 is a number, a repeated key an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping. Raises MarkedYAMLError for a repeated key."""
        keys = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in keys:
                raise yaml.MarkedYAMLError(
                    problem=f"the key '{key}' is given twice", problem_mark=key_node.start_mark
                )
            keys.add(key)
        return super().construct_mapping(node, deep)


def _drop_resolvers(*types: str) -> dict[str, list[Any]]:
    """Return the implicit resolvers of YAML 1.1 without those of some types."""
    tags = [f"tag:yaml.org,2002:{name}" for name in types]
    return {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in tags]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.yaml_implicit_resolvers = _drop_resolvers("bool", "float", "timestamp")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_FLOAT = r"""^[-+]?(?:
    (?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?
    | [0-9]+[eE][-+]?[0-9]+
    | \.(?:inf|Inf|INF)
    | \.(?:nan|NaN|NAN)
)$"""
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(_FLOAT, re.VERBOSE), list("-+.0123456789")
)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the content of a YAML file, a mapping. Raises UserError with line and reason."""
    text = ""
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise UserError(f"{path}{_explain_yaml_error(error, text)}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Check the file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: invalid YAML ({reason}). Write the file in UTF-8.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected keys with values (title: ..., data: ...).")
    return content


def _explain_yaml_error(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return line, reason and remedy of a YAML error."""
    mark = error.problem_mark
    if mark is None:
        return f": invalid YAML ({error.problem}). Check the file."
    is_tab = text[mark.index : mark.index + 1] == "\t"
    reason = "a tab where blanks are needed" if is_tab else error.problem
    place = f", line {mark.line + 1}"
    return f"{place}: invalid YAML ({reason}). Fix this line or the one above it."
