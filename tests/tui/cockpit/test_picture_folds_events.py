"""The picture is a fold of events: the same however they come, and bounded however long a drill is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.model.events import (
    Accepted,
    Alerted,
    Audience,
    Body,
    Changed,
    Completed,
    Event,
    Failed,
    Logged,
    Observed,
    Registered,
    Rejected,
)
from drillbox.sandbox.session import DrillSession, Snapshot
from drillbox.tui.cockpit import picture as pictures
from drillbox.tui.cockpit.fleet import ReplicaState
from drillbox.tui.cockpit.picture import Picture, fold
from drillbox.tui.cockpit.service import replica_mark


def told(*bodies: Body, at: float = 10.0) -> list[Event]:
    return [Event(number, at + number, Audience.ALL, body) for number, body in enumerate(bodies)]


def alerted(state: str, name: str = "Burning", value: float = 20.0) -> Alerted:
    return Alerted(name, {"severity": "page"}, "inactive", state, value, "it burns", told=True)


@pytest.fixture
def snapshot(rush: DrillSession) -> Snapshot:
    return rush.snapshot()


def test_the_state_of_an_alert_is_its_last_and_keeps_its_history(snapshot: Snapshot) -> None:
    seen = fold(Picture(), snapshot, told(alerted("pending", value=1.0), alerted("firing"), alerted("resolved", value=0.5)))
    (alert,) = seen.alerts.values()
    assert (alert.state, alert.since) == ("resolved", 12.0)
    assert alert.history == ((10.0, "pending", 1.0), (11.0, "firing", 20.0), (12.0, "resolved", 0.5))
    assert seen.pages == 0
    assert [line.kind for line in seen.feed] == ["page", "resolved"]


def test_an_acknowledgement_marks_what_fires_and_ends_with_it(snapshot: Snapshot) -> None:
    asked = [Accepted("you", 1, "acknowledge", {"alert": "all"}), Completed("you", 1, "acknowledge")]
    seen = fold(Picture(), snapshot, told(alerted("firing"), alerted("pending", "Other"), *asked))
    assert {alert.name: alert.acknowledged for alert in seen.alerts.values()} == {"Burning": "you", "Other": ""}
    assert seen.pages == 1
    later = [Event(9, 30.0, Audience.ALL, alerted("resolved")), Event(10, 31.0, Audience.ALL, alerted("firing"))]
    again = fold(seen, snapshot, later)
    assert not any(alert.acknowledged for alert in again.alerts.values())


def test_orders_tell_what_became_of_them(snapshot: Snapshot) -> None:
    seen = fold(
        Picture(),
        snapshot,
        told(
            Accepted("you", 1, "pin-feed", {"feed": "v1"}),
            Rejected("you", 2, "scale", {"replicas": 99}, "out of bounds"),
            Completed("you", 1, "pin-feed"),
            Accepted("you", 3, "roll-back", {}),
            Failed("you", 3, "roll-back", "there is no version before"),
        ),
    )
    assert [(order.action, order.state, order.reason, order.ended) for order in seen.orders] == [
        ("pin-feed", "completed", "", 12.0),
        ("scale", "rejected", "out of bounds", 11.0),
        ("roll-back", "failed", "there is no version before", 14.0),
    ]
    assert [line.text for line in seen.feed] == [
        "you: pin-feed feed=v1",
        "you: scale replicas=99 REJECTED: out of bounds",
        "you: pin-feed is in force",
        "you: roll-back",
        "you: roll-back FAILED: there is no version before",
    ]


def test_replicas_are_followed_by_their_logs(snapshot: Snapshot) -> None:
    early = replace(snapshot, now=0.0)
    lines = ["starting", "loading model v2", "model v2 loaded, ready"]
    first = told(
        Observed({"replicas": 2.0}, {}, {}), *(Logged(at, "model-champion-3", "info", text) for at, text in enumerate(lines))
    )
    seen = fold(Picture(), early, first)
    assert {name: (one.state, one.version) for name, one in seen.fleet.items()} == {
        "model-champion-1": (ReplicaState.READY, "v1"),
        "model-champion-2": (ReplicaState.READY, "v1"),
        "model-champion-3": (ReplicaState.READY, "v2"),
    }
    gone = [Logged(20.0, "model-champion-1", "info", "terminated"), Logged(21.0, "model-champion-2", "error", "out of memory")]
    later = fold(seen, early, [Event(10 + number, 20.0, Audience.ALL, line) for number, line in enumerate(gone)])
    assert {name: one.state for name, one in later.fleet.items()} == {
        "model-champion-2": ReplicaState.CRASHED,
        "model-champion-3": ReplicaState.READY,
    }


@pytest.mark.parametrize(
    ("severity", "text", "state"),
    [
        ("info", "starting", ReplicaState.STARTING),
        ("warning", "pending: no node takes it", ReplicaState.PENDING),
        ("warning", "restart in 10 s", ReplicaState.WAITING),
        ("info", "terminating: finishes what it has", ReplicaState.DRAINING),
        ("error", "health checks fail: no answer", ReplicaState.UNREACHABLE),
        ("error", "loading model v2: connection lost", ReplicaState.CRASHED),
        ("warning", "12 requests refused: queue full in the last 10 s", ReplicaState.READY),
    ],
)
def test_each_line_of_a_life_has_its_state(snapshot: Snapshot, severity: str, text: str, state: ReplicaState) -> None:
    early = replace(snapshot, now=0.0)
    name = "model-champion-1"
    seen = fold(Picture(), early, told(Observed({"replicas": 1.0}, {}, {}), Logged(9.0, name, severity, text)))
    assert seen.fleet[name].state is state
    assert replica_mark(seen.fleet[name], 10.0).word


def test_a_candidate_that_was_there_at_first_is_known_to_who_joins_late(snapshot: Snapshot) -> None:
    spec = replace(snapshot.spec, candidate=replace(snapshot.spec.candidate, version="v2", replicas=0))
    gone = [Changed("candidate.replicas", 1, 0, "you"), Changed("gateway.canary_weight", 0.1, 0.0, "you")]
    seen = fold(Picture(), replace(snapshot, spec=spec), told(Observed({"replicas": 3.0}, {}, {}), *gone))
    assert {name: one.version for name, one in seen.fleet.items()} == {
        "model-champion-1": "v1",
        "model-champion-2": "v1",
        "model-candidate-1": "v2",
    }


def test_a_version_that_was_there_before_a_rollout_is_known_to_who_joins_late(snapshot: Snapshot) -> None:
    seen = fold(
        Picture(),
        snapshot,
        told(
            Observed({"replicas": 1.0}, {}, {}),
            Changed("champion.version", "v7", "v8", "release-pipeline", "a release"),
            Registered("v9", "v9-1", "", "", 1, "", 0.8, 0.1, "trained by hand"),
        ),
    )
    assert seen.fleet["model-champion-1"].version == "v7"
    assert {"v7", "v8", "v9"} <= set(seen.versions)
    assert [line.text for line in seen.feed] == [
        "champion.version v7 → v8 by release-pipeline: a release",
        "v9 registered: trained by hand",
    ]


@given(cuts=st.lists(st.integers(0, 250), max_size=6), again=st.integers(0, 40))
@settings(max_examples=25)
def test_it_does_not_matter_in_how_many_parts_events_come(rush: DrillSession, cuts: list[int], again: int) -> None:
    snapshot, events = rush.snapshot(), list(rush.events())
    whole = fold(Picture(), snapshot, events)
    seen, begin = Picture(), 0
    for cut in sorted({*cuts, len(events)}):
        seen = fold(seen, snapshot, events[max(0, begin - again) : cut])  # some come twice
        begin = cut
    assert seen == whole


def test_what_has_not_changed_is_the_same_object(rush: DrillSession) -> None:
    seen = fold(Picture(), rush.snapshot(), rush.events())
    later = fold(seen, replace(rush.snapshot(), now=401.0), [])
    for part in ("samples", "logs", "changes", "orders", "feed", "alerts"):
        assert getattr(later, part) is getattr(seen, part)


def test_a_day_of_drill_takes_no_more_memory_than_some_hours(snapshot: Snapshot) -> None:
    seen = Picture()
    number = 0
    for hour in range(24):
        events = []
        for second in range(0, 3600, 5):
            at = hour * 3600.0 + second
            counts = {"availability": (at * 99.0, at * 100.0)}
            events.append(Event(number, at, Audience.ALL, Observed({"availability": 0.99}, counts, {})))
            events.append(Event(number + 1, at, Audience.ALL, Logged(at, "gateway", "warning", "busy")))
            number += 2
        seen = fold(seen, snapshot, events)
    assert len(seen.samples) <= pictures.MOST_SAMPLES
    assert len(seen.logs) == pictures.MOST_LINES
    assert seen.samples[0].at == 0.0
    assert seen.samples[-1].at == 86395.0
    assert all(a.at < b.at for a, b in zip(seen.samples, seen.samples[1:], strict=False))
