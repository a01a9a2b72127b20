"""The feed asks for no more than is new, and gives up in good order; a mouse does what keys do."""

from __future__ import annotations

import threading

import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.events import Event
from drillbox.sandbox.session import DrillSession, Snapshot
from drillbox.tui.cockpit.detail_screen import DetailScreen
from drillbox.tui.cockpit.panels import ChartPanel
from drillbox.tui.cockpit.picture import Picture
from drillbox.tui.feed import Feed

from .conftest import DEADLINE, Stage, perform
from .told_kit import Told


class Counting(Told):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.gone = ""
        self.closed = False

    def snapshot(self) -> Snapshot:
        if self.closed:
            raise RuntimeError("the connection was closed")
        if self.gone:
            raise StackError(self.gone)
        return super().snapshot()

    def events(self, after: int = -1, *_: object) -> list[Event]:  # type: ignore[override]  # the role does not matter here
        self.asked.append(after)
        return list(super().events(after))


def feed_of(session: Counting) -> tuple[Feed, list[Picture], list[str]]:
    pictures: list[Picture] = []
    lost: list[str] = []
    return Feed(session, pictures.append, lost.append), pictures, lost  # type: ignore[arg-type]  # what is asked of it, it has


def test_it_asks_for_events_only_when_there_are_new_ones_and_hands_on_what_differs() -> None:
    session = Counting()
    feed, pictures, _ = feed_of(session)
    assert all(feed.look() for _ in range(3))
    assert session.asked == [-1]
    assert len(pictures) == 1
    assert pictures[0].last == session.snapshot().events - 1


def test_a_session_that_does_not_answer_is_given_some_patience() -> None:
    session = Counting()
    feed, _, lost = feed_of(session)
    session.gone = "the session host is gone"
    assert [feed.look(), feed.look()] == [True, True]
    session.gone = ""
    assert feed.look()
    session.gone = "the session host is gone"
    assert [feed.look(), feed.look(), feed.look()] == [True, True, False]
    assert lost == ["the session host is gone"]


def test_it_ends_soon_when_it_is_stopped_even_if_the_session_was_closed() -> None:
    session = Counting()
    feed, _, lost = feed_of(session)
    thread = threading.Thread(target=feed.run)
    thread.start()
    session.closed = True
    feed.stop()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert not lost


def test_it_ends_when_its_worker_was_cancelled_though_nobody_stopped_it() -> None:
    looks = iter([False, False, True])
    feed, pictures, _ = feed_of(Counting())
    feed.poke()
    feed.run(lambda: next(looks))
    assert pictures
    assert next(looks, None) is None


def test_a_mistake_in_it_is_no_end_of_the_drill(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def script(stage: Stage) -> None:
        def broken(_: DrillSession) -> Snapshot:
            raise ZeroDivisionError("a mistake")

        monkeypatch.setattr(Told, "snapshot", broken)
        stage.cockpit.feed.poke()
        await stage.until(lambda: any("ZeroDivisionError" in notice.message for notice in stage.app._notifications))
        assert stage.app.left is None
        await stage.press("3")
        assert "champion v7" in stage.screen()

    perform(Told(), script)  # type: ignore[arg-type]  # no abort, no control
    assert "a call of the cockpit failed" in caplog.text


def test_a_mouse_does_what_keys_do() -> None:
    async def script(stage: Stage) -> None:
        await stage.pilot.click("#gauges", offset=(5, 3))
        await stage.pilot.pause()
        assert stage.cockpit.query_one(ChartPanel).gauge.id == "traffic"
        await stage.pilot.click("#service", offset=(5, 3))
        await stage.pilot.pause()
        rows = stage.cockpit.query_one("#service")
        assert rows.has_focus
        await stage.pilot.click("#service", offset=(5, 3), times=2)
        await stage.until(lambda: isinstance(stage.app.screen, DetailScreen))
        assert "Component gateway" in stage.screen()
        await stage.press("escape")
        await stage.pilot.click("KeyLine", offset=(3, 0))
        await stage.until(lambda: "What to do" in stage.screen())

    perform(Told(), script)  # type: ignore[arg-type]  # as above
