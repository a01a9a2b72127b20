"""The debrief of real drills, and of records with little or nothing in them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from drillbox.sandbox.cli.playing import Request, play_headless
from drillbox.sandbox.drill import Result, result_of
from drillbox.sandbox.journal import Journal, read_journal
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.events import Accepted, Audience, Changed, Cleared, Completed, Ended, Event, Injected, Rejected
from drillbox.sandbox.reports.markdown import debrief
from drillbox.sandbox.reports.plain import result_data, result_line
from drillbox.sandbox.scoring.verdict import Verdict
from drillbox.wiring import Wiring


@pytest.fixture(scope="module")
def played(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The reference's short drill."""
    out = tmp_path_factory.mktemp("drills")
    return play_headless(Wiring(), Request("monday-rush", "reference", 1, "short", out=out))


@pytest.fixture(scope="module")
def journal(played: Result) -> Journal:
    """Its journal."""
    assert played.journal is not None
    return read_journal(played.journal)


def section(text: str, title: str) -> str:
    """What stands below a heading."""
    found = re.search(rf"^## {re.escape(title)}\n\n(.*?)(?=\n\n## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, f"no {title!r} in:\n{text}"
    return found[1]


def happened(text: str) -> list[list[str]]:
    """Rows of the table of what happened: time, who, what."""
    rows = section(text, "What happened").splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_a_won_drill_is_told_in_order(played: Result) -> None:
    text = debrief(played)
    assert text.startswith(
        "# Monday noon\n\n`monday-rush`, played by **reference** on `sim`, seed 1, profile `short`\n\n## Passed\n"
    )
    titles = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert titles == [
        "Passed",
        "What it cost",
        "The course",
        "Versions of the model",
        "What happened",
        "What it was",
        "How to see it sooner",
        "Tempting, and wrong",
        "Sources",
    ]
    rows = happened(text)
    assert [row[1:] for row in rows[:1]] == [["**fault**", "`traffic.spike` factor=3.5 ramp=10s (crowd)"]]
    times = [row[0] for row in rows]
    assert times == sorted(times), "times of one length sort as text"
    whats = [row[2] for row in rows]
    assert "`shed share=35%`" in whats
    assert "`gateway.shed` 0 → 0.35" in whats, "nothing shed is 0, not none"
    assert whats.index("`declare`") < whats.index("`shed share=35%`") < whats.index("`shed share=0%`")
    assert any(what.startswith("AvailabilityBurnRate over 5m firing: ") for what in whats)


def test_the_costs_add_up(played: Result) -> None:
    rows = section(debrief(played), "What it cost").splitlines()[2:]
    dollars = [float(row.split("|")[-2].strip(" *").replace(",", "")) for row in rows]
    assert dollars[-1] == pytest.approx(sum(dollars[:-1]), abs=0.03)
    assert dollars[-1] == pytest.approx(played.harm.total, abs=0.005)
    assert f"{played.record.ledger['failed']:,.0f} requests without an answer" in rows[0]


def test_the_verdict_table_says_what_was_missed_and_by_how_much(session_home: Path, tmp_path: Path) -> None:
    lost = play_headless(Wiring(), Request("monday-rush", "idle", 1, "short", out=tmp_path))
    text = section(debrief(lost), "Failed")
    assert re.search(r"^- availability: \d\d\.\d\d%, the target is 99\.00%$", text, flags=re.MULTILINE)
    assert re.search(r"^\| latency \(within 300ms\) \| \d+\.\d\d% \| 95% \| \d+ \| NO \|$", text, flags=re.MULTILINE)
    assert "over the last 1m" in text


@pytest.mark.parametrize("events", [0, 1, 2])
def test_a_journal_with_next_to_nothing_renders(journal: Journal, events: int) -> None:
    result = result_of(replace(journal, events=journal.events[:events]), None)
    text = debrief(result)
    assert "- the drill did not reach its end (the journal breaks off)" in section(text, "Aborted")
    assert "| no data |" in text
    assert section(text, "What it cost").splitlines()[-1] == "| **all** | | **0.00** |"
    assert result_line(result).startswith("ABORTED  monday-rush reference seed 1  harm $0.00")
    assert result_data(result)["verdict"] == "aborted"


def test_a_drill_without_data_is_no_pass_and_renders(journal: Journal) -> None:
    kept = [event for event in journal.events if type(event.body).__name__ != "Observed"]
    result = result_of(replace(journal, events=tuple(kept)), None)
    assert result.judgement.verdict is Verdict.NO_DATA
    assert not result.passed
    text = debrief(result)
    assert "availability: no data (0 requests in the verdict window, 200 are needed)" in section(text, "No data")
    assert "nothing was observed" in section(text, "The course")


def test_what_a_person_types_stays_in_its_cell(journal: Journal) -> None:
    events = (
        journal.events[0],
        Event(1, 5.0, Audience.ALL, Rejected("you", 1, "restart", {"replica": "a|b\n# c"}, "unknown replica 'a|b'")),
        Event(2, 6.0, Audience.ALL, Accepted("you", 2, "shed", {"share": 0.5})),
        Event(3, 6.0, Audience.ALL, Changed("gateway.shed", 0.0, 0.5, "you")),
        Event(4, 6.0, Audience.ALL, Completed("you", 2, "shed")),
        Event(5, 7.0, Audience.ALL, Changed("autoscaler.enabled", True, False, "you")),
        Event(6, 8.0, Audience.FACILITATOR, Injected("crowd", "traffic.spike", {"factor": 2.0})),
        Event(7, 9.0, Audience.FACILITATOR, Cleared("crowd")),
        Event(8, 9.0, Audience.ALL, Ended("aborted")),
    )
    rows = happened(debrief(result_of(replace(journal, events=events), None)))
    assert rows == [
        ["00:05", "you", r"`restart replica=a\|b # c` — rejected: unknown replica 'a\|b'"],
        ["00:06", "you", "`shed share=50%`"],
        ["00:06", "you", "`gateway.shed` 0 → 0.5"],
        ["00:07", "you", "`autoscaler.enabled` on → off"],
        ["00:08", "**fault**", "`traffic.spike` factor=2 (crowd)"],
        ["00:09", "**fault over**", "crowd"],
    ]


def test_events_that_contradict_each_other_are_a_damaged_journal(journal: Journal) -> None:
    events = (journal.events[0], Event(1, 5.0, Audience.ALL, Completed("you", 1, "shed")))
    with pytest.raises(UsageError, match="is damaged: its events contradict each other"):
        result_of(replace(journal, events=events), None)
