"""The tables of actions and faults say what is so; their parameters are read with units, within bounds, and told back."""

from __future__ import annotations

import re

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from drillbox.sandbox.model.actions import ACTIONS, Action, InapplicableError
from drillbox.sandbox.model.errors import nearest
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.features import ONLINE, listed
from drillbox.sandbox.model.params import Kind, Param, ParamError, Value, parse_params
from drillbox.sandbox.model.platform import ARTIFACTS, LABELS, NODES
from drillbox.sandbox.model.retraining import WAITS
from drillbox.sandbox.model.service import (
    Approval,
    Autoscaler,
    Fallback,
    Features,
    Gateway,
    Monitoring,
    Platform,
    Retraining,
    Servers,
    ServiceSpec,
    Workload,
    differences,
    fields_of,
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
    st.builds(Features, st.sets(st.sampled_from(ONLINE)).map(listed), st.sampled_from(["v1", "latest"])),
    st.builds(
        Retraining,
        st.booleans(),
        SHARE,
        SHARE,
        SHARE,
        SHARE,
        FEW,
        st.booleans(),
        SHARE,
        st.sampled_from(Approval),
        st.booleans(),
        stage=st.sampled_from(["", "run-1: training", f"run-1: {WAITS}"]),
    ),
    st.sampled_from(Fallback),
    st.builds(Servers, SHARE, SHARE, st.sampled_from(ARTIFACTS), st.sampled_from(["usual", "revision-2"])),
    st.builds(
        Platform,
        st.sets(st.sampled_from(NODES)).map(listed),
        st.just(""),
        SHARE,
        SHARE,
        st.sampled_from(["", "gateway.threshold=0.4", "gateway.timeout=3.0;servers.cpu=1.5", "servers.settings=revision-3"]),
    ),
    st.builds(Monitoring, st.sets(st.sampled_from(LABELS)).map(listed)),
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
    if param.kind is Kind.TEXT:
        return st.sampled_from(["v1", "two words", "Umlaute: äöü"])
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


@pytest.mark.parametrize("name", ACTIONS)
def test_the_name_of_an_action_with_a_slip_is_still_understood(name: str) -> None:
    assert nearest(name[:-1], ACTIONS) == f"did you mean {name!r}?"
