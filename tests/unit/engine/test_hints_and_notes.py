"""Hints are given one by one and counted, notes kept as they were written; and names that come up in a drill can be used."""

from __future__ import annotations

import pytest
from core_kit import REPLICAS, Facts, Play, bodies, toy

from drillbox.sandbox.model.actions import HINT, NOTE
from drillbox.sandbox.model.events import Accepted, Changed, Completed, Hinted, Registered, Rejected
from drillbox.sandbox.model.params import LONGEST_TEXT, ParamError, parse_params
from drillbox.sandbox.model.telemetry import Telemetry


def test_hints_come_in_order_and_come_to_an_end() -> None:
    play = Play(toy())
    for number in (1, 2, 3):
        play.ask("hint", number=number)
        play.second()
    assert [(one.hint, one.text) for one in bodies(play.events, Hinted)] == [(1, "Look closer."), (2, "Closer still.")]
    [rejected] = bodies(play.events, Rejected)
    assert rejected.reason == "there are no more hints; 2 were given"
    assert not bodies(play.events, Changed)


def test_a_scenario_without_hints_says_so() -> None:
    play = Play(toy(hints=()))
    play.ask("hint")
    play.second()
    [rejected] = bodies(play.events, Rejected)
    assert rejected.reason == "there are no hints"


def test_everybody_gets_the_next_one() -> None:
    play = Play(toy())
    play.ask("hint", actor="anna")
    play.ask("hint", actor="bert")
    play.second()
    assert [(one.actor, one.hint) for one in bodies(play.events, Hinted)] == [("anna", 1), ("bert", 2)]


def test_a_note_is_kept_and_changes_nothing() -> None:
    play = Play(toy())
    play.ask("note", {"text": "  the queue grows at 12:03  "})
    play.second()
    [accepted] = bodies(play.events, Accepted)
    assert accepted.params == {"text": "the queue grows at 12:03"}
    assert bodies(play.events, Completed)
    assert not bodies(play.events, Changed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing is written there"),
        (" \n", "nothing is written there"),
        ("x" * (LONGEST_TEXT + 1), "1,001 characters"),
        (7, "nothing"),
    ],
)
def test_a_note_of_nothing_or_too_much_is_refused(text: object, message: str) -> None:
    with pytest.raises(ParamError, match=message):
        parse_params(NOTE.params, {"text": text})


def test_neither_is_a_move() -> None:
    assert not HINT.mitigating
    assert not NOTE.mitigating
    assert HINT.plan is None
    assert NOTE.plan is None


def test_a_version_that_came_to_be_known_can_be_named() -> None:
    play = Play(toy())
    play.ask("stage", {"version": "v9"})
    play.second(Facts(versions=(Registered("v9", "flights-9", "2013-01-01", "2013-02-01", 9, "c0de", 0.8, 0.1),)))
    play.ask("stage", {"version": "v9"}, number=2)
    play.second()
    [rejected] = bodies(play.events, Rejected)
    assert (rejected.number, rejected.reason.partition(";")[0]) == (1, "unknown version 'v9'")
    assert [one.number for one in bodies(play.events, Completed)] == [2]


def test_a_replica_that_has_come_can_be_named_and_one_that_is_gone_cannot() -> None:
    play = Play(toy())
    play.engine.observe(Telemetry(1.0, replicas=("model-champion-7",)), None)
    play.ask("restart", {"replica": "model-champion-7"})
    play.ask("restart", {"replica": REPLICAS[0]}, number=2)
    due = play.engine.step(1.0)
    assert [one.number for one in bodies(due.events, Completed)] == [1]
    assert [one.number for one in bodies(due.events, Rejected)] == [2]
