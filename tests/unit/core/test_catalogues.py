"""What is declared once holds everywhere: the desired state and its differences, actions and the fields they change, faults."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drillbox.sandbox.model.actions import ACTIONS, Action, InapplicableError
from drillbox.sandbox.model.errors import Exit, nearest
from drillbox.sandbox.model.events import BODIES
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.params import Kind, Param, Params, Value, parse_params
from drillbox.sandbox.model.retraining import WAITS
from drillbox.sandbox.model.service import (
    Autoscaler,
    Fallback,
    Gateway,
    ServiceSpec,
    Workload,
    differences,
    fields_of,
    get,
    with_fields,
)

SHARE = st.floats(0.0, 1.0)
COUNT = st.integers(0, 64)
VERSION = st.sampled_from(["", "v1", "v2", "v3"])
WORKLOAD = st.builds(Workload, VERSION, VERSION, COUNT, st.integers(1, 8), COUNT, st.sampled_from(["", "all#1"]))
SPEC = st.builds(
    ServiceSpec,
    champion=WORKLOAD,
    candidate=WORKLOAD,
    shadow=WORKLOAD,
    autoscaler=st.builds(Autoscaler, st.booleans(), COUNT, COUNT, st.floats(0.05, 1.0)),
    gateway=st.builds(Gateway, st.floats(0.05, 60.0), st.integers(0, 10), SHARE, SHARE, SHARE, SHARE),
    fallback=st.sampled_from(list(Fallback)),
)


@given(SPEC, SPEC)
def test_differences_applied_to_the_one_give_the_other(before: ServiceSpec, after: ServiceSpec) -> None:
    changes = differences(before, after, "me")
    assert with_fields(before, {change.field: change.after for change in changes}) == after
    assert with_fields(after, {change.field: change.before for change in changes}) == before
    assert all(change.before != change.after and change.by == "me" for change in changes)
    paths = [path for path, _ in fields_of(before)]
    assert [change.field for change in changes] == [path for path in paths if get(before, path) != get(after, path)]


@given(SPEC)
def test_nothing_differs_from_itself(spec: ServiceSpec) -> None:
    assert differences(spec, spec, "me") == ()
    assert with_fields(spec, dict(fields_of(spec))) == spec


@pytest.mark.parametrize("path", ["champion", "champion.no", "no.replicas", "", "champion.replicas.x", "gateway."])
def test_a_path_without_a_field_is_an_error(path: str) -> None:
    with pytest.raises(KeyError):
        with_fields(ServiceSpec(), {path: 1})
    with pytest.raises(KeyError):
        get(ServiceSpec(), path)


def values_of(param: Param) -> st.SearchStrategy[Value]:
    """Valid values of a parameter."""
    if param.kind is Kind.SWITCH:
        return st.booleans()
    if param.kind is Kind.CHOICE:
        return st.sampled_from(param.choices)
    if param.kind is Kind.TEXT:
        return st.just("two words")
    if param.kind is Kind.NAME:
        return st.sampled_from(["v1", "v2", "all", "model-champion-1"])
    low = 0.0 if param.minimum is None else param.minimum
    high = (1.0 if param.kind is Kind.SHARE else 1000.0) if param.maximum is None else param.maximum
    return st.integers(int(low), int(high)) if param.kind is Kind.COUNT else st.floats(low, high)


@st.composite
def asked(draw: st.DrawFn, action: Action) -> Params:
    """Valid parameters of an action, some of the optional ones left out."""
    given_ = [param for param in action.params if param.required or draw(st.booleans())]
    return parse_params(action.params, {param.name: draw(values_of(param)) for param in given_}, base_units=True)


PLANNED = [action for action in ACTIONS.values() if action.plan is not None]


@pytest.mark.parametrize("action", PLANNED, ids=lambda action: action.name)
@given(spec=SPEC, number=st.integers(1, 999), data=st.data())
def test_an_action_changes_only_the_fields_that_its_table_names(
    action: Action, spec: ServiceSpec, number: int, data: st.DataObject
) -> None:
    params = data.draw(asked(action))
    assert action.plan is not None
    try:
        wanted = action.plan(spec, params, number)
    except InapplicableError as error:
        assume(str(error))
        return
    assert {change.field for change in differences(spec, wanted, "me")} <= set(action.fields)
    assert action.plan(spec, params, number) == wanted, "a plan is a function"


EVERYTHING = with_fields(
    ServiceSpec(autoscaler=Autoscaler(enabled=False, minimum=5, maximum=6), gateway=Gateway(canary_weight=0.5, shadow_share=0.5)),
    {
        "champion.version": "v1",
        "champion.previous": "v0",
        "candidate.version": "v2",
        "candidate.replicas": 2,
        "shadow.version": "v9",
        "features.quarantined": "precip",
    },
)
ONE_OF_EACH: dict[str, dict[str, Value]] = {
    "scale": {"replicas": 7},
    "restart": {"replica": "all"},
    "set-autoscaler": {"enabled": True, "minimum": 2, "maximum": 9, "target": 0.7},
    "shed": {"share": 0.3},
    "fallback": {"mode": "always"},
    "set-timeout": {"timeout": 2.0},
    "set-retries": {"retries": 3, "budget": 0.1},
    "roll-back": {},
    "stage": {"version": "v3", "replicas": 4},
    "set-canary": {"weight": 0.1},
    "promote": {},
    "shadow": {"version": "v3", "share": 0.2},
    "quarantine": {"feature": "temp"},
    "release-feature": {"feature": "precip"},
    "pin-feed": {"feed": "v1"},
    "restart-pipeline": {},
    "roll-back-config": {},
    "set-limits": {"memory": 2048.0, "cpu": 2.0},
    "pin-artifacts": {"source": "mirror"},
    "cordon": {"node": "node-1"},
    "uncordon": {"node": "node-2"},
    "drain": {"node": "node-1"},
    "set-quota": {"client": "partner", "share": 0.5},
    "drop-label": {"label": "request_id"},
    "restart-monitoring": {},
    "retrain": {"days": 30},
    "freeze-retraining": {},
    "resume-retraining": {},
    "approve": {},
    "reject": {},
    "abort-canary": {},
    "restart-scheduler": {},
    "set-retraining": {
        "every": 24.0, "drift": 2.0, "decay": 0.2, "cooldown": 1.0, "days": 7, "gate": False, "margin": 0.1, "approval": "hand",
        "canary": False,
    },
}  # fmt: skip
IN_STATE: dict[str, dict[str, Value]] = {
    "roll-back-config": {"platform.pushed": "gateway.threshold=0.4;gateway.timeout=3.0;servers.cpu=1.5;servers.settings=usual-2"},
    "uncordon": {"platform.cordoned": "node-2"},
    "resume-retraining": {"retraining.frozen": True},
    "approve": {"retraining.stage": f"run-1: {WAITS}"},
    "reject": {"retraining.stage": "run-1: training"},
}
"""What must be so for an action to make sense, beside `EVERYTHING`."""


def test_every_action_with_a_plan_is_tried_below() -> None:
    assert sorted(ONE_OF_EACH) == sorted(action.name for action in PLANNED)


@pytest.mark.parametrize("name", sorted(ONE_OF_EACH))
def test_every_field_of_the_table_can_change(name: str) -> None:
    action = ACTIONS[name]
    assert action.plan is not None
    spec = with_fields(EVERYTHING, {"champion.concurrency": 3, "champion.queue": 5, **IN_STATE.get(name, {})})
    wanted = action.plan(spec, parse_params(action.params, ONE_OF_EACH[name], base_units=True), 1)
    changed = {change.field for change in differences(spec, wanted, "me")}
    assert changed == set(action.fields) - ({"platform.batch"} if name == "set-quota" else set()), "a quota is of one client"


def test_two_restarts_of_the_same_replica_are_two() -> None:
    plan = ACTIONS["restart"].plan
    assert plan is not None
    once = plan(ServiceSpec(), {"replica": "all"}, 1)
    assert differences(once, plan(once, {"replica": "all"}, 2), "me")


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("scale", {"replicas": 7}, "the autoscaler keeps between 5 and 6 replicas; change its bounds with set-autoscaler"),
        ("set-autoscaler", {"minimum": 9}, "minimum 9 is above maximum 6"),
        ("roll-back", {}, "there is no version before v1 to roll back to"),
        ("set-canary", {"weight": 0.1}, "there is no candidate to send traffic to; start one with stage"),
        ("promote", {}, "there is no candidate to promote; start one with stage"),
        ("release-feature", {"feature": "temp"}, "temp is not in quarantine; precip is"),
    ],
)
def test_what_makes_no_sense_says_what_would(name: str, params: dict[str, Value], reason: str) -> None:
    spec = with_fields(EVERYTHING, {"autoscaler.enabled": True, "champion.previous": "", "candidate.replicas": 0})
    plan = ACTIONS[name].plan
    assert plan is not None
    with pytest.raises(InapplicableError, match=re.escape(reason)):
        plan(spec, params, 1)


def test_a_rollback_returns_and_a_second_one_goes_forward_again() -> None:
    plan = ACTIONS["roll-back"].plan
    assert plan is not None
    back = plan(EVERYTHING, {}, 1)
    assert (back.champion.version, back.champion.previous, back.gateway.canary_weight) == ("v0", "v1", 0.0)
    assert plan(back, {}, 2).champion == EVERYTHING.champion


def test_a_promotion_can_be_rolled_back() -> None:
    promote, back = ACTIONS["promote"].plan, ACTIONS["roll-back"].plan
    assert promote is not None
    assert back is not None
    promoted = promote(EVERYTHING, {}, 1)
    assert (promoted.champion.version, promoted.champion.previous, promoted.candidate.replicas) == ("v2", "v1", 0)
    assert back(promoted, {}, 2).champion.version == "v1"


@pytest.mark.parametrize("name", sorted({**ACTIONS, **FAULTS}))
def test_everything_declared_has_a_name_a_component_and_help(name: str) -> None:
    one = ACTIONS.get(name) or FAULTS[name]
    pattern = r"[a-z]+(-[a-z]+)*" if name in ACTIONS else r"[a-z]+(\.[a-z]+(_[a-z]+)*)"
    assert re.fullmatch(pattern, name)
    assert one.name == name
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", one.component)
    assert one.help.endswith(".")
    assert "\n" not in one.help
    assert len({param.name for param in one.params}) == len(one.params)
    for param in one.params:
        assert param.help
        assert re.fullmatch(r"[a-z]+", param.name)
        assert param.default is None or param.parse(param.default, base_units=True) == param.default
        assert (param.kind is Kind.CHOICE) == bool(param.choices)
        assert not (param.optional and param.default is not None), "an optional parameter has no default"


def test_a_table_names_fields_that_exist_once() -> None:
    paths = {path for path, _ in fields_of(ServiceSpec())}
    for action in ACTIONS.values():
        assert set(action.fields) <= paths
        assert len(set(action.fields)) == len(action.fields)
        assert bool(action.fields) == (action.plan is not None)
        assert not action.mitigating or action.plan is not None


def test_events_have_no_field_that_the_journal_uses_itself() -> None:
    for body in BODIES.values():
        assert not {field.name for field in dataclasses.fields(body)} & {"n", "t", "to", "is"}


@given(st.lists(st.sampled_from(list(Exit))))
def test_the_gravest_exit_code_wins(codes: list[Exit]) -> None:
    order = [Exit.PASSED, Exit.FAILED, Exit.USAGE, Exit.ABORTED, Exit.STACK, Exit.INTERRUPTED]
    assert Exit.gravest(codes) == max(codes, key=order.index, default=Exit.PASSED)


def test_hints_name_the_nearest_or_all() -> None:
    assert nearest("scal", ACTIONS) == "did you mean 'scale'?"
    assert nearest("overflo", Fallback) == "did you mean 'overflow'?"
    assert nearest("xyz", ["b", "a"]) == "choose one of a, b"
    assert nearest("xyz", []) == "there is none"
