"""The routes: who may see what, cursors, commands and control, and errors with a message."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import replace

import pytest
from host_kit import Served

from drillbox.sandbox.api import wire
from drillbox.sandbox.journal import encode
from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.events import Cleared, Injected, Role
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.scenario import Runbook
from drillbox.sandbox.operators import Scripted
from drillbox.sandbox.session import DrillSession, Phase

Serve = Callable[[str], Served]
INCIDENTS = ["monday-rush", "after-the-burst", "slow-afternoon"]


@pytest.fixture
def rush(serve: Serve) -> Served:
    """Two minutes into the drill."""
    served = serve("monday-rush")
    for _ in range(120):
        served.session.advance()
    return served


def quiet(runbook: Runbook) -> Runbook:
    """Without the diagnosis, which names the cause as any operator may."""
    return replace(runbook, steps=tuple(step for step in runbook.steps if step.action != "diagnose"))


def all_that_an_operator_sees(served: Served) -> str:
    """The text of every view and of the stream, until the drill is over."""
    get = served.operator.get
    metrics = get("/v1/catalogue").json()["metrics"]
    parts = [get(f"/v1/{view}").text for view in ("snapshot", "events", "logs", "changes")]
    parts += [get("/v1/query", params={"expr": name, "start": 0, "end": 240, "step": 5}).text for name in metrics]
    with served.stream() as stream:
        parts += [str(frame) for frame in stream]
    return "".join(parts)


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_operator_finds_no_injector(serve: Serve, name: str) -> None:
    served = serve(name)
    session = served.session
    session.run(Scripted(quiet(session.scenario.reference)))
    hidden = [event for event in session.events(role=Role.FACILITATOR) if isinstance(event.body, Injected | Cleared)]
    words = {beat.fault for beat in session.scenario.timeline} | {f'"{beat.id}"' for beat in session.scenario.timeline}
    assert hidden
    assert words
    seen = all_that_an_operator_sees(served)
    assert len(seen) > 10_000
    assert not [word for word in words if word in seen]
    told = served.facilitator.get("/v1/events").text
    assert [word for word in words if word in told]
    with served.stream(facilitator=True) as stream:
        assert [event.number for frame in stream for event in wire.read_frame(frame)[1]] == list(range(session.snapshot().events))


def test_the_catalogue_of_an_operator_is_the_same_in_every_drill(serve: Serve) -> None:
    """The causes that a diagnosis can name are all there are: they tell nothing of this drill."""
    mine, others = (serve(name).operator.get("/v1/catalogue").json() for name in INCIDENTS[:2])
    assert mine == others
    assert mine["faults"] == []
    (diagnose,) = (action for action in mine["actions"] if action["name"] == "diagnose")
    assert set(FAULTS) < set(diagnose["params"][1]["choices"])
    rest = json.dumps([action for action in mine["actions"] if action["name"] != "diagnose"])
    assert not [name for name in FAULTS if name in rest]


def test_the_catalogue_of_a_facilitator_has_the_faults(rush: Served) -> None:
    found = wire.CatalogueOut.model_validate_json(rush.facilitator.get("/v1/catalogue").content).catalogue()
    assert found.faults == rush.session.catalogue(Role.FACILITATOR).faults
    assert {fault.name for fault in found.faults} == set(FAULTS)
    assert [action.name for action in found.actions] == [action.name for action in rush.session.catalogue().actions]


@pytest.mark.parametrize("role", list(Role))
def test_events_come_page_by_page_without_gap_or_repeat(rush: Served, role: Role) -> None:
    client = rush.facilitator if role is Role.FACILITATOR else rush.operator
    wanted = [json.loads(json.dumps(encode(event))) for event in rush.session.events(role=role)]
    got: list[object] = []
    after = -1
    while True:
        page = client.get("/v1/events", params={"after": after, "limit": 7}).json()
        assert len(page["events"]) <= 7
        got += page["events"]
        if not page["events"]:
            assert page["next"] == after
            break
        after = page["next"]
    assert got == wanted


def test_a_number_between_two_visible_events_is_a_cursor_too(rush: Served) -> None:
    (hidden, *_) = (event.number for event in rush.session.events(role=Role.FACILITATOR) if isinstance(event.body, Injected))
    shown = [event["n"] for event in rush.operator.get("/v1/events", params={"after": hidden}).json()["events"]]
    assert shown == [event.number for event in rush.session.events(hidden)]
    assert hidden not in shown
    assert rush.operator.get("/v1/events", params={"after": 10**9}).json() == {"events": [], "next": 10**9}


def test_a_snapshot_survives_the_wire(rush: Served) -> None:
    assert wire.SNAPSHOT.validate_json(rush.operator.get("/v1/snapshot").content) == rush.session.snapshot()


def test_a_command_takes_effect_at_the_next_step(rush: Served) -> None:
    answer = rush.operator.post("/v1/commands", json={"action": "shed", "params": {"share": "35%"}, "actor": "ann"})
    assert answer.status_code == 202
    command = wire.COMMAND.validate_json(answer.content)
    assert (command.actor, command.number, command.action) == ("ann", 1, "shed")
    rush.session.advance()
    assert rush.session.snapshot().spec.gateway.shed == 0.35
    (change,) = rush.operator.get("/v1/changes", params={"by": "ann"}).json()
    assert change["change"]["field"] == "gateway.shed"


def test_control_pauses_and_changes_the_speed(rush: Served) -> None:
    paused = rush.operator.put("/v1/control", json={"pause": True, "speed": 30}).json()
    assert (paused["phase"], paused["speed"]) == ("paused", 30.0)
    assert rush.operator.put("/v1/control", json={"pause": False}).json()["phase"] == "running"
    assert rush.session.speed == 30.0


def test_after_the_end_nothing_can_be_changed_but_all_can_be_read(rush: Served) -> None:
    answer = rush.operator.post("/v1/abort")
    assert answer.status_code == 202
    assert answer.json()["phase"] == "ended"
    for method, path, body in [
        ("POST", "/v1/commands", {"action": "shed", "params": {"share": 0.5}}),
        ("PUT", "/v1/control", {"pause": True}),
        ("POST", "/v1/abort", None),
    ]:
        refused = rush.operator.request(method, path, json=body)
        assert refused.status_code == 409
        assert refused.json() == {"error": "the drill is over: nothing can be changed any more"}
    assert rush.operator.get("/v1/events").json()["events"][-1]["reason"] == "aborted"


def test_down_ends_the_drill_and_may_be_asked_for_again(rush: Served) -> None:
    for _ in range(2):
        answer = rush.operator.post("/v1/down")
        assert (answer.status_code, answer.json()["phase"]) == (202, "ended")
    reasons = [event.get("reason") for event in rush.operator.get("/v1/events").json()["events"]]
    assert (reasons[-1], reasons.count("aborted")) == ("aborted", 1)


MISTAKES = [
    ("GET", "/v1/query?expr=saturatoin&start=0&end=9", 422, "did you mean 'saturation'"),
    ("GET", "/v1/query?expr=saturation%20%2B&start=0&end=9", 422, "something is missing at the end"),
    ("GET", "/v1/query?expr=replicas&start=9&end=0", 422, "9 is after 0"),
    ("GET", "/v1/query?expr=replicas&start=0&end=9&step=0", 422, "query.step: Input should be greater than 0"),
    ("GET", "/v1/query?expr=replicas&start=0&end=11000&step=1", 422, "at most 11000 points"),
    ("GET", "/v1/query?expr=replicas&start=nan&end=9", 422, "query.start"),
    ("GET", "/v1/query?expr=replicas&start=-inf&end=inf", 422, "query.start"),
    ("GET", "/v1/query?expr=" + "(" * 5000, 422, "query.expr"),
    ("GET", "/v1/query?expr=" + "(" * 399 + "&start=0&end=1", 422, "cannot be read"),
    ("GET", "/v1/events?after=-2", 422, "query.after: Input should be greater than or equal to -1"),
    ("GET", "/v1/events?after=" + "9" * 5000, 422, "query.after"),
    ("GET", "/v1/events?limit=0", 422, "query.limit"),
    ("GET", "/v1/logs?severity=eror", 422, "did you mean 'error'"),
    ("GET", "/v1/nothing", 404, "Not Found"),
    ("DELETE", "/v1/snapshot", 405, "Method Not Allowed"),
]


@pytest.mark.parametrize(("method", "path", "status", "told"), MISTAKES, ids=[one[1][:40] for one in MISTAKES])
def test_a_mistake_is_told(live: Served, method: str, path: str, status: int, told: str) -> None:
    answer = live.operator.request(method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert told in answer.json()["error"]


BODIES = [
    (b'{"action": "shed", "params": {"share": NaN}}', {202, 422}),
    (b'{"action": "shed", "params": {"share": 1e999}}', {202, 422}),
    (b'{"action": "shed", "params": {"share": "\\ud800"}}', {202, 422}),
    (b'{"action": "shed", "params": {"\\ud800": 1}}', {202, 422}),
    (b'{"action": "\\ud800"}', {422}),
    (b'{"action": "scale", "params": {"replicas": ' + b"9" * 4000 + b"}}", {202, 422}),
    (b'{"action": "scale", "params": {"replicas": ' + b"9" * 9000 + b"}}", {400, 422}),
    (b'{"action": "scale", "params": {"replicas": ' + b"[" * 90_000 + b"]" * 90_000 + b"}}", {400, 422}),
    (b'{"action": "scale", "params": {"replicas": ' + b"[" * 300 + b"]" * 300 + b"}}", {202, 422}),
    (b'{"action": "\xff"}', {400, 422}),
    (b"\x00", {400, 422}),
    (b"", {422}),
    (b"[]", {422}),
    (b'{"action": "shed", "actor": ""}', {422}),
    (b'{"action": "shed", "role": "facilitator"}', {422}),
]


@pytest.mark.parametrize(("body", "statuses"), BODIES, ids=[repr(one[0][:50]) for one in BODIES])
def test_no_body_breaks_it(live: Served, body: bytes, statuses: set[int]) -> None:
    answer = live.operator.post("/v1/commands", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in statuses
    assert answer.status_code == 202 or list(answer.json()) == ["error"]
    live.session.advance()
    assert live.operator.get("/v1/events").status_code == 200
    with live.stream(after=live.session.snapshot().events - 4) as stream:
        assert wire.read_frame(stream.recv(timeout=5))[0].phase is Phase.RUNNING


@pytest.fixture(scope="module")
def live(new_session: Callable[..., DrillSession], serving: Callable[..., object]) -> object:
    """A drill that goes on for all mistakes."""
    with serving(new_session("monday-rush")) as served:  # type: ignore[attr-defined]  # a context manager
        yield served


def test_a_wrong_token_is_refused(rush: Served) -> None:
    for header in ("Bearer wrong", "Basic abc", f"Bearer {secrets.token_hex(200)}"):
        answer = rush.operator.get("/v1/events", headers={"Authorization": header})
        assert answer.status_code == 403
        assert answer.json() == {"error": "the token is not the facilitator's"}


def test_why_a_stack_broke_is_in_the_snapshot(rush: Served) -> None:
    rush.session.fail(str(StackError("the toy broke")))
    rush.session.end("broken")
    told = rush.operator.get("/v1/snapshot").json()
    assert (told["phase"], told["error"]) == ("ended", "the toy broke")
