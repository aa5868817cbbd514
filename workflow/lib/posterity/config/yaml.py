"""Read YAML files by the rules of the YAML 1.2 core schema."""

import re
from pathlib import Path

import yaml

from posterity.errors import UserError


class _Loader(yaml.CSafeLoader):
    """YAML without the traps of version 1.1: `no` and `on` are words, 1e-3 is a number, a key given twice is a fault."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key '{key}' is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, regexp)
        for tag, regexp in resolvers
        if tag.rpartition(":")[2] not in ("bool", "float", "timestamp")
    ]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)


def read_yaml(path: str | Path) -> dict:
    """Read a YAML file whose top level is a mapping. Raises UserError with file, line and reason."""
    text = ""
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        tab = mark and text[mark.index : mark.index + 1] == "\t"
        problem = "a tab where blanks are needed" if tab else error.problem
        raise UserError(
            f"{path}{line}: this is no YAML ({problem}); mend the line or the one above it"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: this is no YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected keys with values (title: ..., data: ...)")
    return content
