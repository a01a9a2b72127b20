"""Quantities and parameters: what is written comes back, what has no unit or is out of bounds is refused with a reason."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.model.params import Kind, Param, ParamError, parse_params
from drillbox.sandbox.model.units import (
    UnitError,
    format_clock,
    format_duration,
    format_share,
    parse_count,
    parse_duration,
    parse_number,
    parse_rate,
    parse_share,
)

DAY_MS = 24 * 3600 * 1000


@given(st.integers(0, 30 * DAY_MS))
def test_a_duration_of_whole_milliseconds_is_read_as_it_was_written(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h30m", 5400), ("1h 30m", 5400), ("250ms", 0.25), ("2d", 172800), ("1.5 h", 5400), (" 3 s ", 3)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


def test_a_bare_zero_needs_no_unit() -> None:
    assert parse_duration(0) == parse_duration(0.0) == parse_duration("0s") == 0.0


@pytest.mark.parametrize(
    "raw", ["", "5", 5, 0.5, "5x", "m5", "5m3", "-5s", "5 5s", "1 0s", "1e3s", "inf", None, True, False, [5]]
)
def test_what_is_no_duration_is_refused(raw: object) -> None:
    with pytest.raises(UnitError, match="is not a duration: write a number and its unit"):
        parse_duration(raw)


def test_durations_are_shown_as_people_write_them() -> None:
    shown = [format_duration(seconds) for seconds in (0, 0.25, 1, 90, 300, 5400, 3601.5, -90)]
    assert shown == ["0s", "250ms", "1s", "1m30s", "5m", "1h30m", "1h1.5s", "-1m30s"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "00:00"), (61.9, "01:01"), (3600, "1:00:00"), (-90, "-01:30"), (-3723, "-1:02:03")]
)
def test_the_clock(seconds: float, shown: str) -> None:
    assert format_clock(seconds) == shown


@given(st.floats(0.001, 1e6), st.sampled_from([("s", 1.0), ("m", 60.0), ("h", 3600.0)]))
def test_rates_come_in_three_units(value: float, unit: tuple[str, float]) -> None:
    assert parse_rate(f"{value:.6f}/{unit[0]}") == pytest.approx(round(value, 6) / unit[1])


@pytest.mark.parametrize("raw", ["120", 120, "120/d", "/s", "-1/s", "120 per s", None, True])
def test_what_is_no_rate_is_refused(raw: object) -> None:
    with pytest.raises(UnitError, match="is not a rate"):
        parse_rate(raw)


@given(st.integers(0, 100_000))
def test_a_share_is_read_as_it_was_written(thousandths: int) -> None:
    share = thousandths / 100_000
    assert parse_share(format_share(share)) == pytest.approx(share, abs=1e-12)
    assert parse_share(share) == share


@pytest.mark.parametrize("raw", ["101%", 1.01, -0.1, 95, "0.95", "95", math.nan, math.inf, True, None, 10**400])
def test_what_is_no_share_is_refused(raw: object) -> None:
    with pytest.raises(UnitError, match="is not a share"):
        parse_share(raw)


@pytest.mark.parametrize("raw", ["five", "", math.nan, math.inf, "1e999", "nan", True, None, [1], 10**400])
def test_what_is_no_number_is_refused(raw: object) -> None:
    with pytest.raises(UnitError):
        parse_number(raw)
    with pytest.raises(UnitError):
        parse_count(raw)


def test_a_count_is_whole() -> None:
    assert (parse_count(3), parse_count(3.0), parse_count("3")) == (3, 3, 3)
    assert type(parse_count(3.0)) is int
    with pytest.raises(UnitError, match="3.5 is not a whole number"):
        parse_count(3.5)


def bounded(kind: Kind) -> Param:
    return Param("x", kind, "for a test", minimum=0.1, maximum=0.9)


@given(st.sampled_from([Kind.DURATION, Kind.RATE, Kind.SHARE, Kind.FACTOR]), st.floats(0.0, 1.0))
def test_bounds_are_inclusive_and_in_base_units(kind: Kind, value: float) -> None:
    param = bounded(kind)
    if 0.1 <= value <= 0.9:
        assert param.parse(value, base_units=True) == value
    else:
        with pytest.raises(ParamError, match="is out of bounds: between") as raised:
            param.parse(value, base_units=True)
        assert raised.value.param == "x"


@pytest.mark.parametrize(
    ("param", "words"),
    [
        (Param("x", Kind.DURATION, "", minimum=0.05, maximum=60), "between 50ms and 1m"),
        (Param("x", Kind.COUNT, "", minimum=1), "at least 1"),
        (Param("x", Kind.SHARE, "", maximum=0.5), "at most 50%"),
        (Param("x", Kind.RATE, "", minimum=2), "at least 2/s"),
        (Param("x", Kind.CHOICE, "", choices=("a", "b")), "one of a, b"),
        (Param("x", Kind.NAME, ""), ""),
    ],
)
def test_bounds_in_words(param: Param, words: str) -> None:
    assert param.bounds() == words


@given(st.sampled_from(list(Kind)), st.floats(0.001, 0.999), st.integers(0, 1000), st.booleans())
def test_a_value_is_read_as_it_was_shown(kind: Kind, number: float, count: int, switch: bool) -> None:
    values: dict[Kind, bool | int | float | str] = {
        Kind.COUNT: count,
        Kind.SWITCH: switch,
        Kind.CHOICE: "a",
        Kind.NAME: "pod-1",
        Kind.TEXT: "two words",
    }
    value = values.get(kind, round(number, 3))
    param = Param("x", kind, "for a test", choices=("a", "b") if kind is Kind.CHOICE else ())
    assert param.parse(param.format(value)) == pytest.approx(value)


def test_without_leave_a_bare_number_is_no_duration() -> None:
    with pytest.raises(ParamError, match="is not a duration"):
        bounded(Kind.DURATION).parse(0.5)


@pytest.mark.parametrize(
    ("raw", "value"), [(True, True), ("on", True), ("ON", True), ("true", True), ("off", False), (False, False)]
)
def test_switches(raw: object, value: bool) -> None:
    assert Param("x", Kind.SWITCH, "").parse(raw) is value


@pytest.mark.parametrize("raw", [1, 0, "yes", "", None, 1.0])
def test_what_is_no_switch_is_refused(raw: object) -> None:
    with pytest.raises(ParamError, match="write on or off"):
        Param("x", Kind.SWITCH, "").parse(raw)


def test_choices_name_the_nearest() -> None:
    mode = Param("mode", Kind.CHOICE, "", choices=("off", "overflow", "always"))
    assert mode.parse("always") == "always"
    assert mode.parse(False) == "off"  # YAML 1.1 reads a bare off as false
    with pytest.raises(ParamError, match="unknown value 'overflo'; did you mean 'overflow'?"):
        mode.parse("overflo")
    with pytest.raises(ParamError, match="is not a name"):
        mode.parse(3)


DECLARED = (
    Param("factor", Kind.FACTOR, "how many times", minimum=1.0),
    Param("ramp", Kind.DURATION, "time to get there", default=0.0),
    Param("limit", Kind.COUNT, "at most so many", optional=True),
)


def test_defaults_are_filled_in_and_what_is_optional_is_left_out() -> None:
    assert parse_params(DECLARED, {"factor": 2}) == {"factor": 2.0, "ramp": 0.0}
    assert parse_params(DECLARED, {"factor": "2", "ramp": "1m", "limit": 3}) == {"factor": 2.0, "ramp": 60.0, "limit": 3}


@pytest.mark.parametrize(
    ("raw", "param", "message"),
    [
        ({}, "factor", "parameter 'factor' is missing: how many times"),
        ({"factor": 2, "rmp": "1m"}, "rmp", "unknown parameter 'rmp'; did you mean 'ramp'?"),
        ({"factor": 2, "zzz": 1}, "zzz", "unknown parameter 'zzz'; choose one of factor, limit, ramp"),
        ({"factor": 0.5}, "factor", "0.5 is out of bounds: at least 1"),
        ({"factor": 2, "limit": None}, "limit", "None is not a number"),
    ],
)
def test_the_first_wrong_parameter_is_named(raw: dict[str, object], param: str, message: str) -> None:
    with pytest.raises(ParamError) as raised:
        parse_params(DECLARED, raw)
    assert raised.value.param == param
    assert str(raised.value) == message
