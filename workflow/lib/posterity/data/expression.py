"""The small language of `derive` and `select`: arithmetic, comparisons and a few functions on the columns of a table."""

import ast
import keyword
import operator
import re
import unicodedata
from collections.abc import Callable, Iterable

import numpy as np

from posterity.errors import UserError, hint


def _is_present(values: np.ndarray) -> np.ndarray:
    """Tell which numbers are finite, and which texts are there."""
    values = np.asarray(values)
    return _is_text(values) if values.dtype.kind == "O" else np.isfinite(values)


def _is_missing(values: np.ndarray) -> np.ndarray:
    """Tell which numbers are NaN, and which texts are missing."""
    values = np.asarray(values)
    return ~_is_text(values) if values.dtype.kind == "O" else np.isnan(values)


def _is_text(values: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda value: isinstance(value, str), otypes=[bool])(values)


def _conditions_only(function: Callable) -> Callable:
    """Let a logical operator take conditions only: `x > 3 & e < 1` means x > (3 & e) < 1, which nobody wants."""

    def apply(*values):
        for value in values:
            if (np.ndim(value) == 0 and not isinstance(value, bool | np.bool)) or np.asarray(
                value
            ).dtype.kind not in "biu":
                raise TypeError(
                    "&, |, ~, and, or, not join conditions; put each comparison into brackets, as in (x > 3) & (e < 1)"
                )
        return function(*values)

    return apply


FUNCTIONS = {
    name: getattr(np, name)
    for name in ("log", "log10", "log2", "exp", "sqrt", "abs", "sin", "cos", "tan")
}
FUNCTIONS |= {
    "where": np.where,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "isfinite": _is_present,
    "isnan": _is_missing,
}
CONSTANTS = {"pi": np.pi, "nan": np.nan}
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: _conditions_only(np.logical_and),
    ast.BitOr: _conditions_only(np.logical_or),
    ast.And: _conditions_only(np.logical_and),
    ast.Or: _conditions_only(np.logical_or),
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: _conditions_only(np.logical_not),
    ast.Not: _conditions_only(np.logical_not),
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda values, choices: np.isin(values, choices),
    ast.NotIn: lambda values, choices: ~np.isin(values, choices),
}


def evaluate_expression(text: str, columns: dict[str, np.ndarray], where: str) -> np.ndarray:
    """
    Evaluate an expression on columns of equal length.

    Nothing but the names of the columns, numbers, texts, lists, the operators of Python and `FUNCTIONS` is understood, so a
    study file can do no harm. `where` names the place of the expression (file and key) in messages.

    Raises UserError for an expression that is none, or that uses a name that is not there.
    """
    names, shown, text = columns | CONSTANTS, text, _without_keywords(text, columns)
    identifiers = {_identifier(name): name for name in names}

    def value(node: ast.expr):
        match node:
            case ast.Constant(value=int() | float() | str() as constant):
                return constant
            case ast.Name(id=name):
                if name not in identifiers:
                    raise UserError(
                        f"{where}: '{shown}' uses '{name}', which is no column: {hint(name, names)}"
                    )
                if identifiers[name] in CONSTANTS and identifiers[name] in columns:
                    remedy = "give the column another name with `columns:` and use that, or write the number out"
                    raise UserError(
                        f"{where}: '{shown}' uses '{name}', which is a column and a number; {remedy}"
                    )
                return names[identifiers[name]]
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [value(item) for item in items]
            case ast.UnaryOp(op=op, operand=operand):
                return OPERATORS[type(op)](value(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](value(left), value(right))
            case ast.BoolOp(op=op, values=values):
                result = value(values[0])
                for item in values[1:]:
                    result = OPERATORS[type(op)](result, value(item))
                return result
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                operands = [value(left), *map(value, comparators)]
                result = True
                for op, a, b in zip(ops, operands, operands[1:], strict=False):
                    if type(op) not in OPERATORS:
                        break
                    result = np.logical_and(result, OPERATORS[type(op)](a, b))
                else:
                    return result
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                if name not in FUNCTIONS:
                    raise UserError(
                        f"{where}: '{shown}' calls '{name}', which is no function here: {hint(name, FUNCTIONS)}"
                    )
                return FUNCTIONS[name](*map(value, arguments))
        raise UserError(
            f"{where}: '{shown}' has a part that the expression language does not know: '{ast.unparse(node)}'"
        )

    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise UserError(
            f"{where}: '{shown}' is no expression; write for example log10(x) or (x > 3) & (e < 1)"
        ) from None
    try:
        with np.errstate(all="ignore"):
            return value(tree)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(
            f"{where}: '{shown}' cannot be computed on these columns: {error}"
        ) from None


def list_used_columns(text: str, columns: Iterable[str]) -> list[str]:
    """List the columns that an expression uses, in order; none where it is no expression (`evaluate` tells)."""
    try:
        tree = ast.parse(_without_keywords(text, columns).strip(), mode="eval")
    except (SyntaxError, ValueError):
        return []
    identifiers = {_identifier(name): name for name in columns}
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [
        node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called
    ]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(identifiers[node.id] for node in found if node.id in identifiers))


def _identifier(name: str) -> str:
    """Give the name that Python reads for a column: letters in their plain form (µ has two), and no keyword."""
    return f"_{name}_" if _shadows(name) else unicodedata.normalize("NFKC", name)


def _shadows(name: str) -> bool:
    return keyword.iskeyword(name) and name not in (
        "and",
        "or",
        "not",
        "in",
    )  # a column may well be called lambda


def _without_keywords(text: str, columns: Iterable[str]) -> str:
    """Rename columns that are called as a keyword, but not within quotes."""
    words = "|".join(name for name in columns if _shadows(name))
    if not words:
        return text
    return re.sub(
        rf"""('[^']*'|"[^"]*")|\b({words})\b""", lambda found: found[1] or f"_{found[2]}_", text
    )
