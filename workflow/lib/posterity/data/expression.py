"""Expressions of `derive` and `select`: arithmetic, comparisons and a few functions of columns."""

import ast
import keyword
import operator
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from posterity.errors import UserError, hint


def _is_present(values: np.ndarray) -> np.ndarray:
    """Return which numbers are finite, or which texts are not missing."""
    values = np.asarray(values)
    return _is_text(values) if values.dtype.kind == "O" else np.isfinite(values)


def _is_missing(values: np.ndarray) -> np.ndarray:
    """Return which numbers are NaN, or which texts are missing."""
    values = np.asarray(values)
    return ~_is_text(values) if values.dtype.kind == "O" else np.isnan(values)


def _is_text(values: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda value: isinstance(value, str), otypes=[bool])(values)


def _conditions_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """
    Restrict a logical operator to conditions.

    Python reads `x > 3 & e < 1` as `x > (3 & e) < 1`. The restriction makes this an error.
    """

    def apply(*values: Any) -> Any:
        if not all(map(_is_condition, values)):
            raise TypeError(
                "&, |, ~, and, or, not combine conditions only. "
                "Put each comparison in brackets, as in (x > 3) & (e < 1)"
            )
        return function(*values)

    return apply


def _is_condition(value: Any) -> bool:
    if np.ndim(value) == 0:
        return isinstance(value, bool | np.bool)
    return np.asarray(value).dtype.kind in "biu"


FUNCTIONS: dict[str, Callable[..., Any]] = {
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
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
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
LOGICAL_WORDS = ("and", "or", "not", "in")


def evaluate_expression(text: str, columns: dict[str, np.ndarray], where: str) -> Any:
    """
    Evaluate an expression on columns of equal length.

    An expression has names of columns, numbers, texts, lists, `CONSTANTS`, the operators of
    Python, and calls of `FUNCTIONS`.

    Parameters
    ----------
    text : str
        The expression.
    columns : dict of str to array
        Columns by name, each of the same shape.
    where : str
        Place of the expression (file and key) for messages.

    Returns
    -------
    array or number
        The values. A number if the expression uses no column.

    Raises
    ------
    UserError
        If the expression cannot be parsed or computed, or uses an unknown name.
    """
    evaluator = _Evaluator(text, columns, where)
    try:
        tree = ast.parse(_escape_keywords(text, columns).strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise UserError(
            f"{where}: cannot parse '{text}'. Examples: log10(x), (x > 3) & (e < 1)."
        ) from None
    try:
        with np.errstate(all="ignore"):
            return evaluator.evaluate(tree)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(
            f"{where}: '{text}' cannot be computed on these columns: {error}."
        ) from None


def list_used_columns(text: str, columns: Iterable[str]) -> list[str]:
    """Return the columns that an expression uses, in order; none if it cannot be parsed."""
    columns = list(columns)
    try:
        tree = ast.parse(_escape_keywords(text, columns).strip(), mode="eval")
    except (SyntaxError, ValueError):
        return []
    names = {_make_identifier(name): name for name in columns}
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and id(node) not in functions and node.id in names
    ]
    nodes.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(names[node.id] for node in nodes))


class _Evaluator:
    """Evaluates the syntax tree of one expression; `text` and `where` are for messages."""

    def __init__(self, text: str, columns: dict[str, np.ndarray], where: str):
        self.text = text
        self.columns = columns
        self.where = where
        self.values: dict[str, Any] = columns | CONSTANTS
        self.names = {_make_identifier(name): name for name in self.values}

    def evaluate(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int() | float() | str() as constant):
                return constant
            case ast.Name(id=identifier):
                return self._look_up(identifier)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.evaluate(item) for item in items]
            case ast.UnaryOp(op=op, operand=operand):
                return OPERATORS[type(op)](self.evaluate(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](self.evaluate(left), self.evaluate(right))
            case ast.BoolOp(op=op, values=values):
                return self._combine(op, values)
            case ast.Compare(ops=ops) if all(type(op) in OPERATORS for op in ops):
                return self._compare(node)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
        raise UserError(
            f"{self.where}: '{self.text}' has a part that expressions do not support: "
            f"'{ast.unparse(node)}'. Use names of columns, numbers, operators and functions."
        )

    def _look_up(self, identifier: str) -> Any:
        if identifier not in self.names:
            raise UserError(
                f"{self.where}: '{self.text}' uses '{identifier}', which is not a column: "
                f"{hint(identifier, self.values)}"
            )
        name = self.names[identifier]
        if name in CONSTANTS and name in self.columns:
            raise UserError(
                f"{self.where}: '{self.text}' uses '{name}', which is both a column and a "
                "constant. Rename the column with `columns:`, or write the number."
            )
        return self.values[name]

    def _combine(self, op: ast.boolop, values: list[ast.expr]) -> Any:
        result = self.evaluate(values[0])
        for value in values[1:]:
            result = OPERATORS[type(op)](result, self.evaluate(value))
        return result

    def _compare(self, node: ast.Compare) -> Any:
        operands = [self.evaluate(operand) for operand in (node.left, *node.comparators)]
        result: Any = True
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            result = np.logical_and(result, OPERATORS[type(op)](left, right))
        return result

    def _call(self, name: str, arguments: list[ast.expr]) -> Any:
        if name not in FUNCTIONS:
            raise UserError(
                f"{self.where}: '{self.text}' calls '{name}', which is not a function: "
                f"{hint(name, FUNCTIONS)}"
            )
        return FUNCTIONS[name](*map(self.evaluate, arguments))


def _make_identifier(name: str) -> str:
    """
    Return the name under which Python reads a column.

    Python normalises letters (µ has two code points). A keyword gets underscores.
    """
    return f"_{name}_" if _is_reserved(name) else unicodedata.normalize("NFKC", name)


def _is_reserved(name: str) -> bool:
    """Return whether a column of this name, such as lambda, hides a keyword of Python."""
    return keyword.iskeyword(name) and name not in LOGICAL_WORDS


def _escape_keywords(text: str, columns: Iterable[str]) -> str:
    """Put underscores around columns whose name is a keyword, except inside quotes."""
    words = "|".join(name for name in columns if _is_reserved(name))
    if not words:
        return text
    pattern = rf"""('[^']*'|"[^"]*")|\b({words})\b"""
    return re.sub(pattern, lambda match: match[1] or f"_{match[2]}_", text)
