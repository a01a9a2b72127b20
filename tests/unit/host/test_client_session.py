"""A session behind a socket answers as the one in this process does; what goes wrong between them is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

import pytest
from host_kit import PATIENCE, TOKEN, Served
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection

from drillbox.sandbox.api import stream as server_stream
from drillbox.sandbox.api.client import RemoteSession, Stream
from drillbox.sandbox.api.driver import Driver
from drillbox.sandbox.api.folders import SessionInfo
from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.sandbox.model.events import Audience, Command, Event, Role
from drillbox.sandbox.session import DrillSession, Phase, Session, Snapshot

Connect = Callable[..., RemoteSession]
Serving = Callable[..., AbstractContextManager[Served]]


def info_of(socket: Path) -> SessionInfo:
    """What a host would tell of a session on that socket."""
    return SessionInfo(
        name="monday-rush-you-1",
        scenario="monday-rush",
        title="Monday noon",
        seed=1,
        profile="short",
        stack="sim",
        operator="you",
        speed=600.0,
        journal="/drills/monday-rush-you-1.jsonl",
        socket=str(socket),
        pid=os.getpid(),
    )


@pytest.fixture
def connect() -> Iterator[Connect]:
    """`connect(served)` is a client of it."""
    opened: list[RemoteSession] = []

    def call(served: Served, token: str = "", timeout: float = PATIENCE) -> RemoteSession:
        opened.append(RemoteSession(info_of(served.socket), token, timeout))
        return opened[-1]

    yield call
    for one in opened:
        one.close()


@pytest.fixture
def rush(serve: Callable[[str], Served]) -> Served:
    """A drill in which a fault is in force, something was ordered, and something rejected."""
    served = serve("monday-rush")
    session = served.session
    session.submit("shed", {"share": "5%"})
    session.submit("scale", {"replicas": 64})
    while session.now < 90:
        session.advance()
    return served


def test_every_method_answers_as_the_session_itself(rush: Served, connect: Connect) -> None:
    here, there = rush.session, connect(rush)
    asked: list[Callable[[Session], object]] = [
        lambda session: session.snapshot(),
        lambda session: list(session.events()),
        lambda session: list(session.events(17)),
        lambda session: session.query("availability", 0.0, 90.0),
        lambda session: session.query("1 - availability", 30.0, 60.0, 10.0),
        lambda session: list(session.logs()),
        lambda session: list(session.logs("gateway", "5xx", "warning")),
        lambda session: list(session.changes()),
        lambda session: list(session.changes("gateway", "you")),
        lambda session: session.catalogue().metrics,
        lambda session: [(one.name, one.params, one.help) for one in session.catalogue().actions],
        lambda session: session.catalogue().faults,
    ]
    for ask in asked:
        assert ask(there) == ask(here)
    assert there.events()
    assert there.changes()
    assert there.logs()


def test_a_facilitator_sees_more_only_with_the_token(rush: Served, connect: Connect) -> None:
    here, operator, facilitator = rush.session, connect(rush), connect(rush, TOKEN)
    assert list(facilitator.events(role=Role.FACILITATOR)) == list(here.events(role=Role.FACILITATOR))
    assert list(facilitator.events()) == list(operator.events()) == list(here.events())
    assert list(operator.events(role=Role.FACILITATOR)) == list(here.events())
    assert facilitator.catalogue().faults == here.catalogue(Role.FACILITATOR).faults
    with facilitator.stream() as frames:
        seen = events_of(frames, 1)
    assert any(event.audience is Audience.FACILITATOR for event in seen)


def test_commands_and_control_arrive(rush: Served, connect: Connect) -> None:
    there = connect(rush)
    assert there.submit("shed", {"share": 0.4}, "ann") == Command("ann", 1, "shed", {"share": 0.4})
    there.control(speed=30.0)
    there.control(pause=True)
    assert there.snapshot().phase is Phase.PAUSED
    there.control(pause=False)
    assert (there.snapshot().phase, there.snapshot().speed) == (Phase.RUNNING, 30.0)
    for _ in range(5):
        rush.session.advance()
    assert [entry.change.after for entry in there.changes(by="ann")] == [0.4]
    there.abort()
    assert there.snapshot().phase is Phase.ENDED
    with pytest.raises(UsageError, match="the drill is over"):
        there.submit("scale", {"replicas": 4})


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda there: there.query("availabilty", 0.0, 10.0), "did you mean 'availability'"),
        (lambda there: there.query("1 +", 0.0, 10.0), "something is missing at the end"),
        (lambda there: there.query("availability", 10.0, 0.0), "10 is after 0"),
        (lambda there: there.control(speed=9000.0), "speed: Input should be less than or equal to 600"),
        (lambda there: there.submit("scale", {"replicas": [1]}), "a value is text"),
        (lambda there: there.submit("scale", {}, actor=""), "actor"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_the_host(
    rush: Served, connect: Connect, mistake: Callable[[RemoteSession], object], told: str
) -> None:
    with pytest.raises(UsageError) as error:
        mistake(connect(rush))
    assert told in str(error.value)


def test_a_wrong_token_is_told(rush: Served, connect: Connect) -> None:
    there = connect(rush, "wrong")
    with pytest.raises(UsageError, match="the token is not the facilitator's"):
        there.events()
    with pytest.raises(UsageError, match="refuses its stream: HTTP 403"), there.stream():
        pass


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # httpcore leaves one that could not connect
def test_a_host_that_is_gone_is_told_with_its_journal(tmp_path: Path) -> None:
    with closing(RemoteSession(info_of(tmp_path / "socket"))) as there:
        told = "the session host is gone; the journal is /drills/monday-rush-you-1.jsonl; see it with: drillbox report /drills/"
        for ask in (there.snapshot, there.stream().__enter__, there.abort):
            with pytest.raises(StackError, match=told):
                ask()


def test_a_host_that_does_not_answer_is_told(
    rush: Served, connect: Connect, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    there = connect(rush, timeout=0.2)
    lock = rush.session._lock
    lock.acquire()  # a request waits for it
    request.addfinalizer(lock.release)
    with pytest.raises(StackError, match=r"does not answer within 0\.2 s; the journal is /drills/"):
        there.snapshot()


def test_a_host_with_a_mistake_of_its_own_is_no_mistake_of_the_caller(
    rush: Served, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(rush.session, "changes", broken)
    with pytest.raises(StackError, match="the session host answered 500"):
        connect(rush).changes()


@pytest.mark.parametrize("answer", [b'{"scenario": 5}', b"", b"<html>"])
def test_a_host_of_another_version_is_told(
    rush: Served, connect: Connect, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    there = connect(rush)
    monkeypatch.setattr(there, "_get", lambda *_args: answer)
    with pytest.raises(StackError, match="started by another version of drillbox"):
        there.snapshot()
    with pytest.raises(StackError, match="started by another version of drillbox"):
        there.events()


def events_of(frames: Stream, enough: int) -> list[Event]:
    """Events as they come, until there are enough or all."""
    seen: list[Event] = []
    while len(seen) < enough and not frames.closed:
        frame = frames.next(PATIENCE)
        seen += frame[1] if frame is not None else []
    return seen


def everything(frames: Stream) -> tuple[list[Snapshot], list[Event]]:
    """All that comes to the end."""
    snapshots, seen = [], []
    while not frames.closed:
        frame = frames.next(PATIENCE)
        if frame is not None:
            snapshots.append(frame[0])
            seen += frame[1]
    return snapshots, seen


def test_the_stream_gives_every_event_from_bring_up_to_end(
    new_session: Callable[..., DrillSession], serving: Serving, connect: Connect
) -> None:
    session = new_session("monday-rush", start=False)
    driver = Driver(session, 600.0)
    with serving(session, driver) as served:
        there = connect(served)
        with there.stream() as first, there.stream(9) as second:
            driver.start()
            snapshots, seen = everything(first)
            _, later = everything(second)
        assert snapshots[0].phase is Phase.NEW
        assert snapshots[-1] == there.snapshot() == session.snapshot()
        assert seen == list(session.events())
        assert later == [event for event in seen if event.number > 9]
        driver.join(PATIENCE)


def test_nothing_new_is_no_end(rush: Served, connect: Connect) -> None:
    with connect(rush).stream() as frames:
        assert events_of(frames, 1)
        while frames.next(0.0) is not None:
            pass
        assert frames.next(0.0) is None
        assert not frames.closed


def test_a_stream_that_broke_is_taken_up_without_gap_or_repeat(
    rush: Served, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a client was stopped (Ctrl-Z) for so long that the host closed its connection."""
    monkeypatch.setattr(server_stream.wire, "MOST_EVENTS", 10)  # several frames
    there = connect(rush)
    with there.stream() as frames:
        seen = events_of(frames, 10)
        frames._connection.socket.shutdown(2)
        rush.session.abort()
        _, rest = everything(frames)
    assert seen + rest == list(rush.session.events())


def test_a_host_that_breaks_every_connection_is_not_asked_for_ever() -> None:
    class Broken:
        def recv(self, timeout: float) -> str:
            assert timeout >= 0
            raise ConnectionClosedError(None, None)

    opened: list[int] = []

    def open_one(after: int) -> AbstractContextManager[ClientConnection]:
        opened.append(after)
        return nullcontext(Broken())  # type: ignore[arg-type]  # as much of a connection as is used

    frames = Stream(open_one, lambda read, answer: read(answer), 5)
    with pytest.raises(StackError, match="breaks every connection"):
        frames.next(0.0)
    assert opened == [5, 5]
