"""Expressions of rules. One declaration renders as PromQL and evaluates natively (`program`)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from .program import Bound, Column, Expr, Labels, Program, Step, reader
from .promql import AGGREGATES, Selector, Value, divide, histogram_quantile, quoted, window_text


@dataclass(frozen=True, slots=True)
class Instant:
    """The present values of series."""

    selector: Selector

    def promql(self) -> str:
        """The expression in PromQL."""
        return str(self.selector)

    def bind(self, program: Program) -> Bound:
        """Add its step."""
        return program.add_instant(self.selector)


@dataclass(frozen=True, slots=True)
class Rate:
    """The increase of counters per second over the last `window` seconds."""

    selector: Selector
    window: float

    def promql(self) -> str:
        """The expression in PromQL."""
        return f"rate({self.selector}[{window_text(self.window)}])"

    def bind(self, program: Program) -> Bound:
        """Add its step."""
        return program.add_range(self.selector, self.window, self.window)


@dataclass(frozen=True, slots=True)
class Increase:
    """The increase of counters over the last `window` seconds."""

    selector: Selector
    window: float

    def promql(self) -> str:
        """The expression in PromQL."""
        return f"increase({self.selector}[{window_text(self.window)}])"

    def bind(self, program: Program) -> Bound:
        """Add its step."""
        return program.add_range(self.selector, self.window, 1.0)


@dataclass(frozen=True, slots=True)
class Missing:
    """An element without labels that is never there, as an aggregate over no series. All of them share one step."""

    def promql(self) -> str:
        """The expression in PromQL."""
        return "vector(0) == 1"

    def bind(self, program: Program) -> Bound:
        """Add its step."""
        return program.add([()], lambda _slots: [None])


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`sum`, `avg`, `max`, `min` or `count` over the elements, one result for each set of values of the labels in `by`."""

    operation: str
    of: Expr
    by: tuple[str, ...] = ()

    def promql(self) -> str:
        """The expression in PromQL."""
        by = f" by ({', '.join(self.by)}) " if self.by else ""
        return f"{self.operation}{by}({self.of.promql()})"

    def bind(self, program: Program) -> Bound:
        """Add its step."""
        bound = program.bind(self.of)
        if not bound.labels and not self.by:
            return program.bind(Missing())
        if self.operation == "sum" and not self.by and len(bound.labels) == 1:
            return Bound(((),), bound.slot)  # the sum of one element is that element
        groups: dict[Labels, list[int]] = {} if self.by else {(): []}
        for index, labels in enumerate(bound.labels):
            groups.setdefault(tuple(pair for pair in labels if pair[0] in self.by), []).append(index)
        function, slot, members = AGGREGATES[self.operation], bound.slot, list(groups.values())
        readers = [reader(group) for group in members]

        def whole(slots: list[Column]) -> Column:
            values = slots[slot]
            there = [value for value in values if value is not None] if None in values else values
            return [function(there) if there else None]  # type: ignore[arg-type]  # none of them is None

        def grouped(slots: list[Column]) -> Column:
            values = slots[slot]
            if None not in values:
                return [function(read(values)) for read in readers]  # type: ignore[arg-type]  # as above
            out: list[Value] = []
            for group in members:
                there = [value for i in group if (value := values[i]) is not None]
                out.append(function(there) if there else None)
            return out

        return program.add(list(groups), grouped if self.by else whole)


def sum_of(expr: Expr, *by: str) -> Aggregate:
    """`sum by (...) (expr)`."""
    return Aggregate("sum", expr, by)


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile estimated from the cumulative counts of buckets, whose label `le` is their upper bound."""

    quantile: float
    of: Expr

    def promql(self) -> str:
        """The expression in PromQL."""
        return f"histogram_quantile({self.quantile!r}, {self.of.promql()})"

    def bind(self, program: Program) -> Bound:
        """Add its step."""
        bound = program.bind(self.of)
        histograms: dict[Labels, list[tuple[float, int]]] = {}
        for index, labels in enumerate(bound.labels):
            rest = tuple(pair for pair in labels if pair[0] != "le")
            histograms.setdefault(rest, []).append((float(dict(labels)["le"]), index))
        quantile, slot = self.quantile, bound.slot
        members = [sorted(buckets) for buckets in histograms.values()]
        tables = [([bound for bound, _ in buckets], reader([index for _, index in buckets])) for buckets in members]

        def step(slots: list[Column]) -> Column:
            values, out = slots[slot], []
            for bounds, read in tables:
                counts = read(values)
                missing = counts.count(None) == len(counts)
                out.append(None if missing else histogram_quantile(quantile, bounds, counts))
            return out

        return program.add(list(histograms), step)


class Operation(StrEnum):
    """Operations between two vectors, or a vector and a number. A comparison keeps those elements on the left that meet it."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="
    EQUAL = "=="
    DIFFERS = "!="
    AND = "and"


_ARITHMETIC: dict[Operation, Callable[[float, float], float]] = {
    Operation.ADD: operator.add,
    Operation.SUBTRACT: operator.sub,
    Operation.MULTIPLY: operator.mul,
    Operation.DIVIDE: divide,
}
_COMPARISONS: dict[Operation, Callable[[float, float], bool]] = {
    Operation.ABOVE: operator.gt,
    Operation.AT_LEAST: operator.ge,
    Operation.BELOW: operator.lt,
    Operation.AT_MOST: operator.le,
    Operation.EQUAL: operator.eq,
    Operation.DIFFERS: operator.ne,
}


def _combine(operation: Operation) -> Callable[[float, float], Value]:
    """What an operation makes of two values that are there."""
    if operation in _ARITHMETIC:
        return _ARITHMETIC[operation]
    if operation is Operation.AND:
        return lambda left, _right: left
    compare = _COMPARISONS[operation]
    return lambda left, right: left if compare(left, right) else None


@dataclass(frozen=True, slots=True)
class Binary:
    """An operation between elements with the same labels, or with a number on one side."""

    operation: Operation
    left: Expr | float
    right: Expr | float

    def promql(self) -> str:
        """The expression in PromQL."""
        return f"{_operand(self.left)} {self.operation} {_operand(self.right)}"

    def bind(self, program: Program) -> Bound:
        """Add its step."""
        if isinstance(self.left, (int, float)):
            return self._bind_left_number(program, self.left)
        if self.operation is Operation.DIVIDE and isinstance(self.left, OrZero) and not isinstance(self.right, (int, float)):
            part, whole = program.bind(self.left.of), program.bind(self.right)
            if part.labels == whole.labels == ((),):
                return program.add([()], _share(part.slot, whole.slot))
        left = program.bind(self.left)
        slot = left.slot
        if isinstance(self.right, (int, float)):
            return program.add(left.labels, _with_number(slot, len(left.labels), self.operation, self.right))
        right = program.bind(self.right)
        places = {labels: index for index, labels in enumerate(right.labels)}
        pairs = [(index, places[labels]) for index, labels in enumerate(left.labels) if labels in places]
        other = right.slot
        if len(pairs) == 1:
            (first, second) = pairs[0]
            return program.add([left.labels[first]], _of_pair((slot, first), (other, second), self.operation))
        combine = _combine(self.operation)

        def step(slots: list[Column]) -> Column:
            ours, theirs, out = slots[slot], slots[other], []
            for i, j in pairs:
                a, b = ours[i], theirs[j]
                out.append(None if a is None or b is None else combine(a, b))
            return out

        return program.add([left.labels[index] for index, _ in pairs], step)

    def _bind_left_number(self, program: Program, number: float) -> Bound:
        if isinstance(self.right, (int, float)) or self.operation not in _ARITHMETIC:
            raise ValueError(f"a number on the left needs arithmetic with a vector: {self.promql()}")
        right = program.bind(self.right)
        slot, size = right.slot, len(right.labels)
        if size == 1 and self.operation is Operation.SUBTRACT:
            return program.add(right.labels, lambda slots: [None if (value := slots[slot][0]) is None else number - value])
        combine = _combine(self.operation)
        return program.add(right.labels, _each(slot, size, lambda value: combine(number, value)))


def _each(slot: int, size: int, function: Callable[[float], Value]) -> Step:
    """A step that applies a function to every element that is there. Most vectors have one element: that case is quick."""
    if size != 1:
        return lambda slots: [None if value is None else function(value) for value in slots[slot]]
    return lambda slots: [None if (value := slots[slot][0]) is None else function(value)]


def _with_number(slot: int, size: int, operation: Operation, number: float) -> Step:
    """A step for a vector and a number on its right. The usual cases on one element are written out: calls are most of a step."""
    if size == 1 and operation is Operation.DIVIDE and number:
        return lambda slots: [None if (value := slots[slot][0]) is None else value / number]
    if size == 1 and operation is Operation.ABOVE:
        return lambda slots: [value if (value := slots[slot][0]) is not None and value > number else None]
    combine = _combine(operation)
    return _each(slot, size, lambda value: combine(value, number))


def _of_pair(ours: tuple[int, int], theirs: tuple[int, int], operation: Operation) -> Step:
    """A step for one element on each side, given by slot and place."""
    (slot, i), (other, j) = ours, theirs
    combine = _combine(operation)

    def divided(slots: list[Column]) -> Column:
        a, b = slots[slot][i], slots[other][j]
        if a is None or b is None:
            return [None]
        return [a / b if b else divide(a, b)]

    def combined(slots: list[Column]) -> Column:
        a, b = slots[slot][i], slots[other][j]
        return [None if a is None or b is None else combine(a, b)]

    return divided if operation is Operation.DIVIDE else combined


def _share(part: int, whole: int) -> Step:
    """A quotient whose numerator falls back to 0, the form of every share: there are many, so one step does both."""

    def step(slots: list[Column]) -> Column:
        a, b = slots[part][0], slots[whole][0]
        if b is None:
            return [None]
        if a is None:
            a = 0.0
        return [a / b if b else divide(a, b)]

    return step


def _operand(side: Expr | float) -> str:
    if isinstance(side, (int, float)):
        return number_text(side)
    return f"({side.promql()})" if isinstance(side, Binary) else side.promql()


def number_text(number: float) -> str:
    """A number that Prometheus reads as the very same float64."""
    return str(int(number)) if number == int(number) and math.fabs(number) < 1e15 else repr(number)


@dataclass(frozen=True, slots=True)
class OrZero:
    """An expression without labels, or 0 where it has no value."""

    of: Expr

    def promql(self) -> str:
        """The expression in PromQL."""
        return f"({self.of.promql()} or vector(0))"

    def bind(self, program: Program) -> Bound:
        """Add its step."""
        bound = program.bind(self.of)
        if bound.labels != ((),):
            raise ValueError(f"only a vector without labels can fall back to 0: {self.of.promql()}")
        slot = bound.slot
        return program.add(bound.labels, lambda slots: [0.0 if (value := slots[slot][0]) is None else value])


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result of an earlier recording rule in the same group. `labels` are those that the rule gives to its result."""

    record: str
    labels: Labels = ()

    def promql(self) -> str:
        """The expression in PromQL."""
        inner = ",".join(f"{name}={quoted(value)}" for name, value in self.labels)
        return f"{self.record}{{{inner}}}" if inner else self.record

    def bind(self, program: Program) -> Bound:
        """Add its step."""
        wanted = set(self.labels)
        found = [(labels, place) for (record, labels), place in program.recorded.items() if record == self.record]
        matching = [(labels, place) for labels, place in found if wanted <= set(labels)]
        places = [place for _, place in matching]
        if len(places) == 1 and not any(slot == places[0][0] and index for slot, index in program.recorded.values()):
            return Bound((matching[0][0],), places[0][0])  # the whole of an earlier result: no step of its own
        return program.add([labels for labels, _ in matching], lambda slots: [slots[slot][i] for slot, i in places])
