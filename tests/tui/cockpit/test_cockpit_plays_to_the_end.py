"""A drill won and a drill lost by keys only; and every way out of the cockpit."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Button

from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.scoring.record import record_of
from drillbox.sandbox.scoring.verdict import Verdict, judge
from drillbox.sandbox.session import DrillSession, Phase, Snapshot
from drillbox.tui.cockpit.screen import How, Leave
from drillbox.tui.feed import FASTEST, PAUSED, STEADY, pause_after
from drillbox.tui.widgets.dialogs import Question

from .conftest import Stage, perform, played


async def leave(stage: Stage) -> Leave:
    """Wait until the cockpit is left."""
    await stage.until(lambda: stage.app.left is not None)
    assert stage.app.left is not None
    return stage.app.left


def verdict(session: DrillSession) -> Verdict:
    return judge(record_of(session.events()), session.scenario).verdict


def test_a_drill_is_won_by_keys_only(short: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.play(50)
        assert "▲ PAGE" in stage.panel("alerts")
        await stage.press("d", *"x35%", "enter", "y")
        await stage.play(55)
        await stage.press("a", "o", "tab", "8", "tab", "1", "0", "enter")
        await stage.play(110)
        assert "8/8 ready" in stage.panel("service")
        await stage.press(*"x0%", "enter", "y")
        await stage.press("i", "enter", *"clients", "enter", "tab", "enter", *"traffic", "enter", "ctrl+g")
        await stage.play(170)
        assert "✓ availability" in stage.panel("objectives")
        assert "✓ latency" in stage.panel("objectives")
        await stage.press("r")
        await stage.play(240)
        await stage.until(lambda: isinstance(stage.app.screen, Question))
        await stage.until(lambda: "The drill has come to its end" in stage.screen())
        await stage.press("enter")
        assert await leave(stage) == Leave(How.FINISHED)

    perform(short, script)
    record = record_of(short.events())
    assert [one.action for one in record.commands] == ["declare", "shed", "set-autoscaler", "shed", "diagnose", "resolve"]
    assert record.commands[4].params == {"component": "clients", "cause": "traffic.spike"}
    assert verdict(short) is Verdict.PASSED


def test_a_drill_is_lost_by_keys_only_and_can_be_looked_at_afterwards(short: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.play(60)
        await stage.press(*"at", "enter", "y")  # restart all replicas, as they look stuck
        await stage.play(70)
        assert "starting" in stage.panel("service") or "loading" in stage.panel("service")
        await stage.play(240)
        await stage.until(lambda: isinstance(stage.app.screen, Question))
        await stage.press("l")
        assert "■ OVER" in stage.screen()
        assert "✗ availability" in stage.panel("objectives")
        await stage.press("7")
        assert "deleted" in stage.panel("logs")
        await stage.press("d")
        assert any("the drill is over" in notice.message for notice in stage.app._notifications)
        await stage.press("q")
        assert await leave(stage) == Leave(How.FINISHED)

    perform(short, script)
    assert verdict(short) is Verdict.FAILED


def test_keeping_it_running_detaches(short: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("q")
        assert isinstance(stage.app.focused, Button)
        assert str(stage.app.focused.label) == "Cancel"
        await stage.press("enter")
        assert stage.app.screen is stage.cockpit
        await stage.press("q", "k")
        assert await leave(stage) == Leave(How.DETACHED)

    perform(short, script)
    assert not short.over


def test_giving_up_aborts(short: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("q", "a")
        assert await leave(stage) == Leave(How.ABORTED)

    perform(short, script)
    assert short.over


def test_a_host_that_is_gone_is_told_wherever_one_is(short: DrillSession, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("1", "enter")

        def gone(_: DrillSession) -> Snapshot:
            raise StackError("the session host is gone; the journal is over there")

        monkeypatch.setattr(DrillSession, "snapshot", gone)
        assert await leave(stage) == Leave(How.GONE, "the session host is gone; the journal is over there")

    perform(short, script)


def test_a_drill_that_breaks_says_why(short: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        short.fail("a process of the stack has died")
        short.end("broken")
        assert await leave(stage) == Leave(How.GONE, "a process of the stack has died")

    perform(short, script)


def test_who_joins_late_sees_the_same_as_who_was_there(session_home: Path) -> None:
    assert session_home.is_dir()
    with played("slow-afternoon", "short", until=5.0) as session:

        async def watch(stage: Stage) -> list[str]:
            await stage.play(120)
            return [stage.panel(name) for name in ("objectives", "alerts", "service", "events")]

        async def join(stage: Stage) -> list[str]:
            return [stage.panel(name) for name in ("objectives", "alerts", "service", "events")]

        assert perform(session, watch) == perform(session, join)


def test_it_looks_no_more_often_than_it_must(rush: DrillSession) -> None:
    from dataclasses import replace

    now = rush.snapshot()
    assert pause_after(replace(now, speed=10.0)) == FASTEST >= 0.1
    assert pause_after(replace(now, speed=1.0)) == STEADY
    assert pause_after(replace(now, phase=Phase.PAUSED)) == PAUSED >= 0.5
    assert pause_after(replace(now, phase=Phase.NEW, speed=600.0)) == STEADY
    assert pause_after(None) == STEADY
