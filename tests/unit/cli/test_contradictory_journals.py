"""Journals whose lines are all right, and whose events cannot be true together: refused, not judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Event = dict[str, object]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Event]]:
    """Header and events of a short drill."""
    from drillbox.wiring import run_drill

    result = run_drill("monday-rush", profile="short", out=tmp_path_factory.mktemp("drills"))
    assert result.journal is not None
    header, *lines = result.journal.read_text(encoding="utf-8").splitlines()
    return header, [json.loads(line) for line in lines]


def observed(events: list[Event], number: int) -> Event:
    return [event for event in events if event["is"] == "Observed"][number]


def two_at_once(events: list[Event]) -> None:
    observed(events, 5)["t"] = observed(events, 4)["t"]
    events.sort(key=lambda event: float(str(event["t"])))


def beyond_the_end(events: list[Event]) -> None:
    events[-1]["t"] = 9999.0


def without_costs(events: list[Event]) -> None:
    observed(events, 7)["ledger"] = {"failed": 0}


def more_good_than_all(events: list[Event]) -> None:
    observed(events, 7)["counts"] = {"availability": [10, 5]}


def done_before_it_was_asked_for(events: list[Event]) -> None:
    events[:] = [event for event in events if event["is"] != "Accepted"]


def back_in_time(events: list[Event]) -> None:
    observed(events, 7)["t"] = 3.0


def endless(events: list[Event]) -> None:
    observed(events, 7)["slis"] = {"saturation": 10**400}


def written_as_infinite(events: list[Event]) -> None:
    observed(events, 7)["t"] = float("inf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (two_at_once, "where there are two observations"),
        (beyond_the_end, "9999 s, when the drill has 240 s"),
        (without_costs, "the ledger has not the entries failed, ok, prediction_cost"),
        (more_good_than_all, "10 of 5 events of 'availability' are good"),
        (done_before_it_was_asked_for, "is damaged: its events contradict each other at ('reference', 1)"),
        (back_in_time, "the journal is damaged here: time falls from"),
        (endless, "the journal is damaged here: a number is not finite"),
        (written_as_infinite, "the journal is damaged here: a number is not finite"),
    ],
)
def test_what_cannot_be_true_is_not_judged(
    command, events: tuple[str, list[Event]], tmp_path: Path, change: Callable[[list[Event]], None], message: str
) -> None:
    header, found = events
    changed: list[Event] = json.loads(json.dumps(found))
    change(changed)
    lines = [header, *(json.dumps({**event, "n": number}) for number, event in enumerate(changed))]
    path = tmp_path / "one.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = command("report", str(path), "--no-compare")
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert str(path) in ran.err


def test_the_drill_itself_is_judged(command, events: tuple[str, list[Event]], tmp_path: Path) -> None:
    header, found = events
    path = tmp_path / "one.jsonl"
    path.write_text("\n".join([header, *map(json.dumps, found)]) + "\n", encoding="utf-8")
    assert command("report", str(path), "--no-compare").code == 0
