"""`$name` and `${expression}` of OpenSCENARIO: arithmetic, comparisons, logic, a few functions. No code is run."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

_PLAIN = re.compile(r"\$([A-Za-z_]\w*)")
_BRACED = re.compile(r"\$\{([^{}]*)\}")
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "round": lambda x: float(math.floor(x + 0.5)),
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "pow": math.pow,
    "abs": abs,
    "min": min,
    "max": max,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "sign": lambda x: float((x > 0) - (x < 0)),
}
_LARGEST_POWER = 64.0
"""No exponent is larger, so that nothing takes for ever."""


def substitute(text: str, values: Mapping[str, str]) -> str:
    """The text with the values of parameters in it, and its expressions computed.

    Args:
        text: as an attribute has it.
        values: of the parameters.

    Raises:
        ValueError: a parameter that is not declared, or an expression that cannot be computed.
    """
    text = _BRACED.sub(lambda match: _as_text(evaluate(match[1], values)), text)
    return _PLAIN.sub(lambda match: _look_up(match[1], values), text)


def evaluate(expression: str, values: Mapping[str, str]) -> float | bool | str:
    """What an expression amounts to; parameters in it are written `$name`.

    Raises:
        ValueError: a parameter that is not declared, or no expression that can be computed.
    """
    names = dict.fromkeys(_PLAIN.findall(expression))
    known = {f"p_{name}": _as_value(_look_up(name, values)) for name in names}
    plain = _PLAIN.sub(lambda match: f"p_{match[1]}", expression)
    try:
        return _Evaluator(known).of(ast.parse(plain.strip(), mode="eval").body)
    except (SyntaxError, ArithmeticError, TypeError, ValueError) as error:
        raise ValueError(f"the expression {expression!r} cannot be computed: {error}") from error


class _Evaluator:
    """Computes a syntax tree of which only arithmetic and logic are known."""

    def __init__(self, known: Mapping[str, float | bool | str]) -> None:
        self._known = known

    def of(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return value
            case ast.Name(id="true" | "True"):
                return True
            case ast.Name(id="false" | "False"):
                return False
            case ast.Name(id=name) if name in self._known:
                return self._known[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.of(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.of(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.of(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return self._combine(op, self.of(left), self.of(right))
            case ast.BoolOp(op=op, values=values):
                parts = [bool(self.of(value)) for value in values]
                return all(parts) if isinstance(op, ast.And) else any(parts)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                return _COMPARISONS[type(op)](self.of(left), self.of(right))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                return _FUNCTIONS[name](*(self.of(argument) for argument in args))
        raise ValueError(f"{ast.unparse(node)!r} is not among numbers, parameters, operators and functions")

    def _combine(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(op, ast.Pow) and abs(right) > _LARGEST_POWER:
            raise ValueError(f"the exponent {right:g} is too large")
        found = _OPERATORS[type(op)](left, right)
        if isinstance(found, complex):
            raise ValueError(f"{left:g} to the power of {right:g} is no real number")
        return found


def _look_up(name: str, values: Mapping[str, str]) -> str:
    if name not in values:
        there = ", ".join(f"${other}" for other in values) or "none"
        raise ValueError(f"the parameter ${name} is not declared; there are {there}")
    return values[name]


def _as_value(text: str) -> float | bool | str:
    if text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _as_text(value: float | bool | str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else number_as_text(value)


def number_as_text(value: float) -> str:
    """A number as files write it: whole ones without a point, so that they can be ids too."""
    value = float(value)
    return str(int(value)) if value.is_integer() else repr(value)
