"""Metric expressions: what they mean, and what is said about bad ones."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.model.expr import Expression, ExpressionError
from drillbox.sandbox.model.slis import SLIS


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("saturation > 0.9", {"saturation": 0.95}, True),
        ("saturation > 0.9", {"saturation": 0.9}, False),
        ("saturation > 0.9 and error_ratio > 5%", {"saturation": 0.95, "error_ratio": 0.06}, True),
        ("error_ratio > 5%", {"error_ratio": 0.05}, False),
        ("latency_p99 >= 800ms", {"latency_p99": 0.8}, True),
        ("latency_p99 < 1m30s", {"latency_p99": 89.0}, True),
        ("request_rate > 120/s * 2", {"request_rate": 241.0}, True),
        ("request_rate > 7200/m", {"request_rate": 121.0}, True),
        ("replicas < replicas_wanted", {"replicas": 3, "replicas_wanted": 4}, True),
        ("not (saturation > 0.5 or error_ratio > 1%)", {"saturation": 0.4, "error_ratio": 0.0}, True),
        ("20% < saturation <= 90%", {"saturation": 0.9}, True),
        ("replicas == 4", {"replicas": 4.0}, True),
        ("replicas != 4", {"replicas": 4.0}, False),
        ("saturation >\n  0.9", {"saturation": 1.0}, True),
        ("1 + 2 * 3 == 7", {}, True),
        ("-saturation < -0.5", {"saturation": 0.6}, True),
        ("latency_p99 > 0", {"latency_p99": 0.1}, True),
    ],
)
def test_conditions(text: str, values: dict[str, float], expected: bool) -> None:
    """Values are in base units."""
    expression = Expression(text)
    assert expression.is_condition
    assert expression.evaluate(values) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("saturation > 0.9", None),
        ("not saturation > 0.9", None),
        ("saturation > 0.9 and replicas > 3", None),
        ("saturation > 0.9 and replicas > 4", False),
        ("saturation > 0.9 or replicas > 3", True),
        ("saturation > 0.9 or replicas > 4", None),
        ("replicas / queue_length > 1", None),
        ("latency_p50 > 1s", None),
    ],
)
def test_no_data_leaves_a_condition_open(text: str, expected: bool | None) -> None:
    """A missing name, NaN and a division by zero are no data; they count only where the rest does not settle it."""
    assert Expression(text).evaluate({"replicas": 4.0, "queue_length": 0.0, "latency_p50": math.nan}) is expected


def test_arithmetic_has_a_value() -> None:
    """`value` is for numbers, `evaluate` for conditions."""
    number = Expression("queue_length / (replicas * 4)")
    assert not number.is_condition
    assert number.names == {"queue_length", "replicas"}
    assert number.value({"queue_length": 8.0, "replicas": 2.0}) == pytest.approx(1.0)
    assert number.value({"queue_length": 8.0}) is None
    with pytest.raises(TypeError, match="not a condition"):
        number.evaluate({})
    with pytest.raises(TypeError, match="not a number"):
        Expression("replicas > 1").value({})


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("saturaton > 1", 1, "unknown SLI 'saturaton'; did you mean 'saturation'?"),
        ("replicas > 1 and latency_p50s > 1s", 18, "did you mean 'latency_p50'?"),
        ("latency_p99 > 800", 1, "a time needs its unit"),
        ("saturation > 5s", 1, "share and seconds do not go together"),
        ("saturation > 5kg", 14, "'5kg' is not a quantity"),
        ("saturation > 130%", 14, "between 0% and 100%"),
        ("saturation >", 13, "something is missing at the end"),
        ("saturation > 1 replicas", 16, "cannot be read from 'replicas'"),
        ("(saturation > 1", 1, "never closed"),
        ("saturation.real > 1", 11, "'.' has no meaning"),
        ("saturation ** 2 > 1", 13, "cannot be read"),
        ("saturation in 3", 1, "comparisons are"),
        ("saturation > True", 14, "has no meaning here"),
        ("__import__('os')", 12, "has no meaning here"),
        ("print(saturation)", 1, "has no meaning here"),
        ("saturation if replicas else 1", 1, "has no meaning here"),
        ("saturation and replicas > 1", 1, "a condition is needed"),
        ("(replicas > 1) + 2", 2, "a number is needed"),
        ("not replicas", 5, "a condition is needed"),
        ("replicas > " + "9" * 380, 12, "too large"),
        ("  ", 1, "is empty"),
        ("replicas > " + "1 + " * 100 + "1", 1, "longer than 400"),
        ("not " * 60 + "replicas > 1", 105, "nested deeper"),
    ],
)
def test_errors_have_a_column(text: str, column: int, message: str) -> None:
    """Every error says what and where; nothing but the whitelist is ever compiled."""
    with pytest.raises(ExpressionError) as raised:
        Expression(text)
    assert message in str(raised.value)
    assert raised.value.column == column


@pytest.mark.parametrize(
    "text", ["-" * 390 + "1 > 0", "(" * 190 + "1" + ")" * 190 + " > 0", "(" * 399, "not " * 98 + "1 > 0", "1" + " > 1" * 90]
)
def test_nesting_never_overflows_a_stack(text: str) -> None:
    """The parser's own limits are errors of the expression as well."""
    try:
        Expression(text).evaluate({})
    except ExpressionError as error:
        assert str(error)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [*SLIS, "and", "or", "not", "(", ")", "<", ">=", "==", "+", "-", "*", "/", "5%", "800ms", "120/s", "0.9", "x", "."]
        ),
        max_size=12,
    )
)
def test_any_text_compiles_or_gives_an_expression_error(tokens: list[str]) -> None:
    """No other exception, and no evaluation ever raises, whether there is data or not."""
    text = " ".join(tokens)
    try:
        expression = Expression(text)
    except ExpressionError as error:
        assert 1 <= error.column <= len(text) + 1
        return
    read = expression.evaluate if expression.is_condition else expression.value
    read({})
    assert read(dict.fromkeys(SLIS, 0.5)) is not None or "/" in text
    assert read(dict.fromkeys(SLIS, 0.0)) is not None or "/" in text
    assert Expression(text) == expression
