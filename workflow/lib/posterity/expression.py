"""The small language of `derive` and `select`: arithmetic, comparisons and a few functions on the columns of a table."""

import ast
import keyword
import operator
import re

import numpy as np

from posterity.errors import UserError, hint

FUNCTIONS = {name: getattr(np, name) for name in ("log", "log10", "log2", "exp", "sqrt", "abs", "sin", "cos", "tan", "isfinite")}
FUNCTIONS |= {"where": np.where, "minimum": np.minimum, "maximum": np.maximum, "isnan": np.isnan}
CONSTANTS = {"pi": np.pi, "nan": np.nan}
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: np.logical_and,
    ast.BitOr: np.logical_or,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: np.logical_not,
    ast.Not: np.logical_not,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda values, choices: np.isin(values, choices),
    ast.NotIn: lambda values, choices: ~np.isin(values, choices),
}


def evaluate(text: str, columns: dict[str, np.ndarray], where: str) -> np.ndarray:
    """
    Evaluate an expression on columns of equal length.

    Nothing but the names of the columns, numbers, texts, lists, the operators of Python and `FUNCTIONS` is understood, so a
    study file can do no harm. `where` names the place of the expression (file and key) in messages.

    Raises UserError for an expression that is none, or that uses a name that is not there.
    """
    names, shown = columns | CONSTANTS, text
    for name in columns:
        if keyword.iskeyword(name) and name not in ("and", "or", "not", "in"):  # a column may well be called lambda
            text = re.sub(rf"\b{name}\b", f"_{name}_", text)
            names[f"_{name}_"] = columns[name]

    def value(node: ast.expr):
        match node:
            case ast.Constant(value=int() | float() | str() as constant):
                return constant
            case ast.Name(id=name):
                if name not in names:
                    raise UserError(f"{where}: '{shown}' uses '{name}', which is no column: {hint(name, names)}")
                return names[name]
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
                    raise UserError(f"{where}: '{shown}' calls '{name}', which is no function here: {hint(name, FUNCTIONS)}")
                return FUNCTIONS[name](*map(value, arguments))
        raise UserError(f"{where}: '{shown}' has a part that the expression language does not know: '{ast.unparse(node)}'")

    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise UserError(f"{where}: '{shown}' is no expression; write for example log10(x) or (x > 3) & (e < 1)") from None
    try:
        with np.errstate(all="ignore"):
            return value(tree)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: '{shown}' cannot be computed on these columns: {error}") from None
