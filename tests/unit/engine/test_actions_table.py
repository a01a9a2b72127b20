"""The tables of actions and faults say what is so; their parameters are read with units, within bounds, and told back."""

from __future__ import annotations

import re

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from drillbox.sandbox.model.actions import ACTIONS, Action, InapplicableError
from drillbox.sandbox.model.errors import nearest
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.params import Kind, Param, ParamError, Value, parse_params
from drillbox.sandbox.model.service import (
    Autoscaler,
    Change,
    Fallback,
    Gateway,
    ServiceSpec,
    Workload,
    differences,
    fields_of,
    get,
    with_fields,
)
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

SHARE = st.floats(0.0, 1.0)
FEW = st.integers(0, 5)
VERSION = st.sampled_from(["", "v1", "v2", "v3"])
WORKLOAD = st.builds(Workload, VERSION, VERSION, FEW, FEW, FEW, st.sampled_from(["", "all#1"]))
SPEC = st.builds(
    ServiceSpec,
    WORKLOAD,
    WORKLOAD,
    WORKLOAD,
    st.builds(Autoscaler, st.booleans(), FEW, FEW, SHARE),
    st.builds(Gateway, SHARE, FEW, SHARE, SHARE, SHARE, SHARE),
    st.sampled_from(Fallback),
)
PARAMS = [param for action in ACTIONS.values() for param in action.params]
PARAMS += [param for fault in FAULTS.values() for param in fault.params]
NUMERIC = [param for param in PARAMS if param.kind in (Kind.COUNT, Kind.SHARE, Kind.DURATION, Kind.RATE, Kind.FACTOR)]
BOUNDED = [(param, sign) for param in NUMERIC for sign in (-1, 1) if (param.minimum if sign < 0 else param.maximum) is not None]


def values(param: Param) -> st.SearchStrategy[Value]:
    """All values of a parameter, in base units."""
    if param.kind is Kind.SWITCH:
        return st.booleans()
    if param.choices:
        return st.sampled_from(param.choices)
    if param.kind is Kind.NAME:
        return st.sampled_from(["v1", "v2", "v3", "all"])
    low, high = param.minimum or 0.0, 1.0 if param.maximum is None else param.maximum
    if param.kind is Kind.COUNT:
        return st.integers(int(low), 10 if param.maximum is None else int(high))
    # As fine as a person would write it: a thousandth of a second, or of a percent.
    fine = 1000 if param.kind is not Kind.SHARE else 100_000
    return st.integers(round(low * fine), round(high * fine)).map(lambda count: count / fine)


@st.composite
def params_of(draw: st.DrawFn, action: Action) -> dict[str, object]:
    """Parameters as somebody may give them: those that need not be given may be missing."""
    return {param.name: draw(values(param)) for param in action.params if param.required or draw(st.booleans())}


def changed(action: Action, spec: ServiceSpec, raw: dict[str, object], number: int = 7) -> set[str]:
    """Fields that an action changes; none where it makes no sense."""
    if action.plan is None:
        return set()
    try:
        after = action.plan(spec, parse_params(action.params, raw, base_units=True), number)
    except InapplicableError as error:
        assert str(error)
        return set()
    return {change.field for change in differences(spec, after, "you")}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=list(ACTIONS))
@given(data=st.data())
def test_an_action_changes_its_own_fields_only(action: Action, data: st.DataObject) -> None:
    assert changed(action, data.draw(SPEC), data.draw(params_of(action))) <= set(action.fields)


@pytest.mark.parametrize(("name", "field"), [(action.name, field) for action in ACTIONS.values() for field in action.fields])
def test_an_action_can_change_each_of_its_fields(name: str, field: str) -> None:
    action = ACTIONS[name]
    quick = settings(max_examples=2000, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    spec, raw = find(st.tuples(SPEC, params_of(action)), lambda both: field in changed(action, *both), settings=quick)
    assert field in changed(action, spec, raw)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=list(ACTIONS))
def test_an_action_is_described(action: Action) -> None:
    assert action.name == next(name for name, one in ACTIONS.items() if one is action)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", action.name)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", action.component)
    assert re.fullmatch(r"[A-Z].{10,}\.", action.help)
    assert set(action.fields) <= {path for path, _ in fields_of(ServiceSpec())}
    assert bool(action.fields) == (action.plan is not None)
    assert action.duration >= 0


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_described(name: str) -> None:
    fault = FAULTS[name]
    assert fault.name == name
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", name)
    assert re.fullmatch(r"[A-Z].{10,}\.", fault.help)


@pytest.mark.parametrize("param", PARAMS, ids=lambda param: str(param.name))
def test_a_parameter_is_described_and_its_default_is_valid(param: Param) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", param.name)
    assert re.fullmatch(r"[a-z].*[^.]", param.help)
    if param.default is not None:
        assert param.parse(param.default, base_units=True) == param.default
        assert not param.required
    if param.kind is Kind.CHOICE:
        assert param.choices


@pytest.mark.parametrize("one", [*ACTIONS.values(), *FAULTS.values()], ids=lambda one: str(one.name))
def test_names_of_parameters_are_unique(one: Action) -> None:
    names = [param.name for param in one.params]
    assert len(set(names)) == len(names)


# The desired state


@given(SPEC, SPEC)
def test_differences_applied_to_the_one_give_the_other(before: ServiceSpec, after: ServiceSpec) -> None:
    changes = differences(before, after, "you")
    spec = before
    for change in changes:
        assert change.before != change.after
        assert change.by == "you"
        spec = with_fields(spec, {change.field: change.after})
    assert spec == after
    assert with_fields(before, {change.field: change.after for change in changes}) == after
    back = {change.field: (change.after, change.before) for change in differences(after, before, "you")}
    assert back == {change.field: (change.before, change.after) for change in changes}


@given(SPEC)
def test_every_field_is_found_by_its_path(spec: ServiceSpec) -> None:
    for path, value in fields_of(spec):
        assert get(spec, path) == value
    assert not differences(spec, spec, "you")
    assert with_fields(spec, dict(fields_of(spec))) == spec


def test_a_change_names_the_field_by_its_path() -> None:
    spec = ServiceSpec()
    assert differences(spec, with_fields(spec, {"gateway.retries": 4}), "you") == (Change("gateway.retries", 1, 4, "you"),)
    for path in ("gateway.retires", "gateway", "", "fallback.mode"):
        with pytest.raises(KeyError):
            get(spec, path)
        with pytest.raises(KeyError):
            with_fields(spec, {path: 4})


# Parameters


@pytest.mark.parametrize(("param", "sign"), BOUNDED, ids=lambda value: getattr(value, "name", ""))
def test_bounds_are_inclusive(param: Param, sign: int) -> None:
    bound = param.minimum if sign < 0 else param.maximum
    assert bound is not None
    assert param.parse(bound, base_units=True) == bound
    beyond = bound + sign * (1.0 if param.kind is Kind.COUNT else 1e-3)
    with pytest.raises(ParamError, match=r"out of bounds: (between .* and|at least|at most) |is not a share") as caught:
        param.parse(beyond, base_units=True)
    assert caught.value.param == param.name


@pytest.mark.parametrize("param", NUMERIC, ids=lambda param: str(param.name))
@pytest.mark.parametrize(
    "raw", [None, [], {}, True, "", "many", "nan", float("nan"), float("inf"), -float("inf"), "5 parsecs", 10**400]
)
def test_what_is_no_quantity_is_refused(param: Param, raw: object) -> None:
    with pytest.raises(ParamError, match=r".+") as caught:
        param.parse(raw, base_units=True)
    assert caught.value.param == param.name


@pytest.mark.parametrize("param", PARAMS, ids=lambda param: str(param.name))
@given(data=st.data())
def test_a_value_told_is_read_back(param: Param, data: st.DataObject) -> None:
    value = data.draw(values(param))
    again = param.parse(param.format(value))
    if isinstance(value, float):
        assert again == pytest.approx(value, rel=1e-4, abs=1e-3)
    else:
        assert again == value
        assert type(again) is type(value) or isinstance(value, Fallback)


@pytest.mark.parametrize("kind", [Kind.DURATION, Kind.RATE])
def test_a_bare_number_is_for_programs_only(kind: Kind) -> None:
    param = Param("wait", kind, "for a test")
    assert param.parse(5, base_units=True) == 5.0
    with pytest.raises(ParamError, match="write a number and its unit"):
        param.parse(5)


@pytest.mark.parametrize(
    ("raw", "value"), [("on", True), ("OFF", False), (True, True), (False, False), ("true", True), ("false", False)]
)
def test_switches(raw: object, value: bool) -> None:
    assert Param("it", Kind.SWITCH, "for a test").parse(raw) is value


@pytest.mark.parametrize("raw", [1, 0, None, "", "yes", [], 1.0])
def test_what_is_no_switch(raw: object) -> None:
    with pytest.raises(ParamError, match="is not a switch: write on or off"):
        Param("it", Kind.SWITCH, "for a test").parse(raw)


def test_an_off_that_yaml_takes_for_false_is_the_choice() -> None:
    mode = ACTIONS["fallback"].params[0]
    assert mode.parse(False) == "off"
    with pytest.raises(ParamError, match="is not a name"):
        mode.parse(True)
    with pytest.raises(ParamError, match="unknown value 'overflw'; did you mean 'overflow'"):
        mode.parse("overflw")


def test_bounds_in_words() -> None:
    assert Param("a", Kind.DURATION, "", minimum=0.05).bounds() == "at least 50ms"
    assert Param("a", Kind.SHARE, "", maximum=0.5).bounds() == "at most 50%"
    assert Param("a", Kind.RATE, "", minimum=1, maximum=20).bounds() == "between 1/s and 20/s"
    assert Param("a", Kind.CHOICE, "", choices=("x", "y")).bounds() == "one of x, y"
    assert not Param("a", Kind.FACTOR, "").bounds()


def test_all_parameters_at_once() -> None:
    declared = ACTIONS["set-autoscaler"].params
    assert parse_params(declared, {}) == {}
    assert parse_params(declared, {"target": "60%", "enabled": "on"}) == {"enabled": True, "target": 0.6}
    assert parse_params(ACTIONS["silence"].params, {"alert": "Slow"}) == {"alert": "Slow", "duration": 600.0}
    with pytest.raises(ParamError, match="parameter 'alert' is missing: name of the alert"):
        parse_params(ACTIONS["silence"].params, {})
    with pytest.raises(ParamError, match="unknown parameter 'tarjet'; did you mean 'target'") as caught:
        parse_params(declared, {"tarjet": 1})
    assert caught.value.param == "tarjet"


@pytest.mark.parametrize("name", ACTIONS)
def test_the_name_of_an_action_with_a_slip_is_still_understood(name: str) -> None:
    assert nearest(name[:-1], ACTIONS) == f"did you mean {name!r}?"


def test_a_hint_lists_all_where_none_is_near() -> None:
    assert nearest("xyz", ["b", "a"]) == "choose one of a, b"
    assert nearest("xyz", []) == "there is none"


# Units


@given(st.integers(0, 10**10))
def test_durations_are_read_back_to_the_millisecond(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


@given(st.integers(0, 10_000))
def test_shares_are_read_back(basis_points: int) -> None:
    assert parse_share(format_share(basis_points / 10_000)) == pytest.approx(basis_points / 10_000, abs=1e-12)


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("250ms", 0.25),
        (" 2 h ", 7200),
        ("1d", 86400),
        (0, 0),
        (0.0, 0),
        ("1m 30s", 90),
    ],
)
def test_durations(raw: object, seconds: float) -> None:
    assert parse_duration(raw) == seconds


@pytest.mark.parametrize("raw", [5, "5", "-5s", "5 s s", "s", "", "5y", "1,5s", None, False, "1e3s", "9" * 400 + "h", "٣x"])
def test_what_is_no_duration(raw: object) -> None:
    with pytest.raises(UnitError):
        parse_duration(raw)


def test_rates_numbers_and_counts() -> None:
    assert parse_rate("120/s") == 120.0
    assert parse_rate("7200/m") == 120.0
    assert parse_rate("3600/h") == 1.0
    assert parse_number("1e3") == 1000.0
    assert parse_count("4") == parse_count(4.0) == 4
    for raw in ("120", 120, "120/d", "/s", "9" * 400 + "/s"):
        with pytest.raises(UnitError):
            parse_rate(raw)
    for broken in (4.5, "4.5", "inf", None):
        with pytest.raises(UnitError):
            parse_count(broken)
    for wrong in (95, "101%", "-1%", -0.1, "0.95", True, "9" * 400 + "%"):
        with pytest.raises(UnitError):
            parse_share(wrong)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (5400, "1h30m"), (0.25, "250ms"), (61.5, "1m1.5s"), (-60, "-1m"), (86400, "24h")]
)
def test_durations_are_told_as_people_do(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00"), (59.9, "00:59"), (3599, "59:59"), (3600, "1:00:00"), (-90, "-01:30")]
)
def test_drill_time_as_a_clock(seconds: float, text: str) -> None:
    assert format_clock(seconds) == text
