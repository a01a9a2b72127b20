"""Hints are given one by one and counted; notes are kept as they were written; neither changes the service."""

from __future__ import annotations

import pytest
from core_kit import Play, bodies, toy

from drillbox.sandbox.model.actions import HINT, NOTE
from drillbox.sandbox.model.events import Accepted, Changed, Completed, Hinted, Rejected
from drillbox.sandbox.model.params import LONGEST_TEXT, ParamError, parse_params


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
