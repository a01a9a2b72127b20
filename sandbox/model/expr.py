"""Metric expressions over SLIs, for runbook triggers and conditional beats: `saturation > 0.9 and error_ratio > 5%`.

Names of SLIs, numbers, quantities (`5%`, `800ms`, `1h30m`, `120/s`), `+ - * /`, comparisons, `and`, `or`, `not` and parentheses,
with Python's precedence. A small tokeniser turns quantities into numbers in base units; the standard library's `ast` parses the
rest, and only the node types named here are compiled.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from . import units
from .errors import nearest
from .slis import SLIS, Unit

MAX_LENGTH = 400
_MAX_DEPTH = 25

Values = Mapping[str, float]
_Number = Callable[[Values], float | None]
_Truth = Callable[[Values], bool | None]


class ExpressionError(ValueError):
    """An expression that cannot be used. `column` counts from 1 within its text."""

    def __init__(self, message: str, column: int) -> None:
        self.column = column
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. `names` are the SLIs that it reads.

    Args:
        text: the expression.

    Raises:
        ExpressionError: it cannot be read, names no SLI, or mixes units.
    """

    text: str
    names: frozenset[str] = field(init=False, compare=False)
    _number: _Number | None = field(init=False, compare=False, repr=False)
    _truth: _Truth | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compile the text."""
        compiler = _Compiler(self.text)
        result = compiler.compile()
        object.__setattr__(self, "names", frozenset(compiler.names))
        object.__setattr__(self, "_number", result.number if isinstance(result, _Arithmetic) else None)
        object.__setattr__(self, "_truth", None if isinstance(result, _Arithmetic) else result)

    @property
    def is_condition(self) -> bool:
        """Whether it is true or false, rather than a number."""
        return self._truth is not None

    def evaluate(self, values: Values) -> bool | None:
        """Whether the condition holds; None where a name without data leaves that open (`a or b` holds if `b` alone does).

        NaN and a division by zero count as no data.

        Raises:
            TypeError: it is a number, not a condition.
        """
        if self._truth is None:
            raise TypeError(f"{self.text!r} is a number, not a condition")
        return self._truth(values)

    def value(self, values: Values) -> float | None:
        """The number in base units; None without data.

        Raises:
            TypeError: it is a condition, not a number.
        """
        if self._number is None:
            raise TypeError(f"{self.text!r} is a condition, not a number")
        return self._number(values)


_TOKEN = re.compile(
    r"(?P<quantity>(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+(?![\w.])|\d+(?:\.\d+)?\s*(?:%|/\s*[smh](?!\w)))"
    r"|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<operator><=|>=|==|!=|[<>+\-*/()])"
    r"|(?P<space>\s+)",
    re.ASCII,
)
_PARSERS: Mapping[Unit, Callable[[object], float]] = {
    Unit.SHARE: units.parse_share,
    Unit.PER_SECOND: units.parse_rate,
    Unit.SECONDS: units.parse_duration,
}


@dataclass(frozen=True, slots=True)
class _Arithmetic:
    """A compiled number with its unit; None where any unit will do. `literal` is a bare number, as it stands."""

    number: _Number
    unit: Unit | None
    literal: float | None = None


@dataclass(slots=True)
class _Compiler:
    """One pass from text to closures. Columns of the rewritten text are mapped back to those of the text."""

    text: str
    names: set[str] = field(default_factory=set)
    columns: dict[int, int] = field(default_factory=dict)
    literals: dict[int, Unit | None] = field(default_factory=dict)

    def compile(self) -> _Arithmetic | _Truth:
        rewritten = self._rewrite()
        try:
            tree = ast.parse(rewritten, mode="eval")
        except SyntaxError as error:
            column = self._column(error.offset - 1 if error.offset else len(rewritten))
            rest = self.text[column - 1 :].strip()[:20]
            message = f"cannot be read from {rest!r} on" if rest else "something is missing at the end"
            if "never closed" in error.msg:
                message = "the parenthesis is never closed"
            raise ExpressionError(message, column) from None
        except (MemoryError, RecursionError):  # what the parser raises for too much nesting
            raise ExpressionError(f"is nested deeper than {_MAX_DEPTH} levels", 1) from None
        return self._any(tree.body, 0)

    def _rewrite(self) -> str:
        if len(self.text) > MAX_LENGTH:
            raise ExpressionError(f"is longer than {MAX_LENGTH} characters", 1)
        out: list[str] = []
        length, position = 0, 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._unreadable(position)
            token, unit = match[0], None
            if match.lastgroup != "space":
                if match.lastgroup in ("quantity", "number"):
                    token, unit = self._quantity(token, position)
                    self.literals[length] = unit
                self.columns[length] = position + 1
                out.append(token)
                length += len(token) + 1
            position = match.end()
        if not out:
            raise ExpressionError("is empty", 1)
        return " ".join(out)

    def _quantity(self, token: str, position: int) -> tuple[str, Unit | None]:
        unit: Unit | None = None
        if token[-1].isdigit():
            value = float(token)
        else:
            unit = Unit.SHARE if "%" in token else Unit.PER_SECOND if "/" in token else Unit.SECONDS
            try:
                value = _PARSERS[unit](token)
            except units.UnitError as error:
                raise ExpressionError(str(error), position + 1) from None
        if not math.isfinite(value):
            raise ExpressionError(f"{token!r} is too large", position + 1)
        return repr(value), unit

    def _unreadable(self, position: int) -> ExpressionError:
        word = re.match(r"[\w.%/]+", self.text[position:])
        if word and word[0][0].isdigit():
            hint = "units are %, ms, s, m, h, d, /s, /m, /h"
            return ExpressionError(f"{word[0][:20]!r} is not a quantity: {hint}", position + 1)
        hint = "use names, numbers, + - * /, comparisons, and, or, not, parentheses"
        return ExpressionError(f"{self.text[position]!r} has no meaning here: {hint}", position + 1)

    def _column(self, offset: int) -> int:
        """The column in the text of what stands at `offset` in the rewritten text."""
        known = [start for start in self.columns if start <= offset]
        if not known or (offset > max(self.columns) and offset not in self.columns):
            return len(self.text.rstrip()) + 1
        return self.columns[max(known)]

    def _error(self, node: ast.expr, message: str) -> ExpressionError:
        return ExpressionError(message, self._column(node.col_offset))

    def _any(self, node: ast.expr, depth: int) -> _Arithmetic | _Truth:
        if depth > _MAX_DEPTH:
            raise self._error(node, f"is nested deeper than {_MAX_DEPTH} levels")
        match node:
            case ast.Name(id=name):
                return self._sli(node, name)
            case ast.Constant(value=float() as value):
                unit = self.literals.get(node.col_offset)
                return _Arithmetic(lambda _values: value, unit, value if unit is None else None)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=inner):
                return self._signed(self._arithmetic(inner, depth + 1), isinstance(sign, ast.USub))
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return _negation(self._condition(inner, depth + 1))
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() as op):
                left, right = self._arithmetic(node.left, depth + 1), self._arithmetic(node.right, depth + 1)
                return self._binary(node, op, left, right)
            case ast.BoolOp(op=op, values=parts):
                return _junction([self._condition(part, depth + 1) for part in parts], isinstance(op, ast.And))
            case ast.Compare():
                return self._comparison(node, depth)
        raise self._error(node, "has no meaning here: use names, numbers, + - * /, comparisons, and, or, not, parentheses")

    def _sli(self, node: ast.expr, name: str) -> _Arithmetic:
        if name not in SLIS:
            raise self._error(node, f"unknown SLI {name[:40]!r}; {nearest(name[:40], SLIS)}")
        self.names.add(name)

        def read(values: Values) -> float | None:
            value = values.get(name)
            return None if value is None or math.isnan(value) else value

        return _Arithmetic(read, SLIS[name].unit)

    def _arithmetic(self, node: ast.expr, depth: int) -> _Arithmetic:
        result = self._any(node, depth)
        if not isinstance(result, _Arithmetic):
            raise self._error(node, "a number is needed here, this is a condition")
        return result

    def _condition(self, node: ast.expr, depth: int) -> _Truth:
        result = self._any(node, depth)
        if isinstance(result, _Arithmetic):
            raise self._error(node, "a condition is needed here, such as saturation > 0.9; this is a number")
        return result

    @staticmethod
    def _signed(inner: _Arithmetic, negative: bool) -> _Arithmetic:
        if not negative:
            return inner
        number = inner.number
        literal = None if inner.literal is None else -inner.literal

        def negated(values: Values) -> float | None:
            value = number(values)
            return None if value is None else -value

        return _Arithmetic(negated, inner.unit, literal)

    def _binary(self, node: ast.expr, op: ast.operator, left: _Arithmetic, right: _Arithmetic) -> _Arithmetic:
        if isinstance(op, (ast.Add, ast.Sub)):
            unit = self._common(node, left, right)
            return _Arithmetic(
                _binary(operator.add if isinstance(op, ast.Add) else operator.sub, left.number, right.number), unit
            )
        if isinstance(op, ast.Mult):
            unit = left.unit if right.literal is not None or right.unit is Unit.SHARE else None
            unit = right.unit if left.literal is not None or left.unit is Unit.SHARE else unit
            return _Arithmetic(_binary(operator.mul, left.number, right.number), unit)
        return _Arithmetic(_binary(operator.truediv, left.number, right.number), left.unit if right.literal is not None else None)

    def _common(self, node: ast.expr, left: _Arithmetic, right: _Arithmetic) -> Unit | None:
        """The unit of both sides of a sum or comparison."""
        if left.unit is not None and right.unit is not None and left.unit is not right.unit:
            raise self._error(node, f"wrong unit: {left.unit} and {right.unit} do not go together")
        unit = left.unit or right.unit
        if unit is Unit.SECONDS and any(side.literal for side in (left, right)):  # a bare 0 needs no unit
            raise self._error(node, "wrong unit: a time needs its unit, such as 800ms or 2s")
        return unit

    def _comparison(self, node: ast.Compare, depth: int) -> _Truth:
        sides = [self._arithmetic(side, depth + 1) for side in (node.left, *node.comparators)]
        parts: list[_Truth] = []
        for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
            compare = _COMPARISONS.get(type(op))
            if compare is None:
                raise self._error(node, "has no meaning here: comparisons are < <= > >= == !=")
            self._common(node, left, right)
            parts.append(_compared(compare, left.number, right.number))
        return parts[0] if len(parts) == 1 else _junction(parts, conjunction=True)


_COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def _binary(op: Callable[[float, float], float], left: _Number, right: _Number) -> _Number:
    def combined(values: Values) -> float | None:
        a, b = left(values), right(values)
        if a is None or b is None:
            return None
        try:
            result = op(a, b)
        except ZeroDivisionError:
            return None
        return None if math.isnan(result) else result

    return combined


def _compared(op: Callable[[float, float], bool], left: _Number, right: _Number) -> _Truth:
    def compared(values: Values) -> bool | None:
        a, b = left(values), right(values)
        return None if a is None or b is None else op(a, b)

    return compared


def _negation(inner: _Truth) -> _Truth:
    def negated(values: Values) -> bool | None:
        truth = inner(values)
        return None if truth is None else not truth

    return negated


def _junction(parts: list[_Truth], conjunction: bool) -> _Truth:
    """`and` or `or` over parts that may be open: decided by the first part that settles it (Kleene's three-valued logic)."""

    def joined(values: Values) -> bool | None:
        truths = [part(values) for part in parts]
        if (not conjunction) in truths:
            return not conjunction
        return None if None in truths else conjunction

    return joined
