"""The stream, and the thread that plays: whatever becomes of clients, the drill goes on; whatever becomes of the drill, they are told."""

from __future__ import annotations

import socket as sockets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from host_kit import PATIENCE, Served
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.sync.client import ClientConnection

from drillbox.sandbox.api import stream, wire
from drillbox.sandbox.api.driver import Driver
from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.sandbox.model.events import Completed, Ended, Event, Role
from drillbox.sandbox.session import DrillSession, Phase, Snapshot

Playing = Callable[..., AbstractContextManager[Served]]
FASTEST = 600.0


@pytest.fixture
def playing(new_session: Callable[..., DrillSession], serving: Callable[..., AbstractContextManager[Served]]) -> Playing:
    """`with playing() as served:` a short drill that is brought up and played by a driver."""

    @contextmanager
    def play(speed: float = FASTEST, prepare: Callable[[DrillSession], object] = lambda _session: None) -> Iterator[Served]:
        session = new_session("monday-rush", start=False)
        prepare(session)
        driver = Driver(session, speed)
        with serving(session, driver) as served:
            driver.start()
            yield served
            driver.end("aborted")
            driver.join(PATIENCE)
            assert not driver.is_alive()

    return play


def frames(client: ClientConnection) -> Iterator[tuple[Snapshot, list[Event]]]:
    """All until the server closes."""
    for text in client:
        yield wire.read_frame(text)


def until(client: ClientConnection, holds: Callable[[Snapshot], bool]) -> Snapshot:
    """Read until a snapshot is as wanted."""
    while True:
        snapshot, _ = wire.read_frame(client.recv(timeout=PATIENCE))
        if holds(snapshot):
            return snapshot


def finished(served: Served) -> str:
    """Wait for the drill's end; the reason."""
    assert served.driver is not None
    served.driver.join(PATIENCE)
    assert not served.driver.is_alive()
    (ended,) = (event.body.reason for event in served.session.events() if isinstance(event.body, Ended))
    return ended


def test_a_client_sees_the_bring_up_and_every_event_to_the_end(playing: Playing) -> None:
    with playing() as served, served.stream() as client:
        seen = list(frames(client))
        assert client.close_code == 1000
        assert [event for _, events in seen for event in events] == served.session.events()
    phases = [snapshot.phase for snapshot, _ in seen]
    assert phases[0] is Phase.NEW
    assert phases[-1] is Phase.ENDED
    assert phases == sorted(phases, key=[Phase.NEW, Phase.RUNNING, Phase.ENDED].index)
    assert {snapshot.bringing_up for snapshot, _ in seen if snapshot.phase is not Phase.NEW} == {""}


def test_clients_come_when_they_like_and_each_misses_nothing(playing: Playing) -> None:
    with playing() as served, served.stream() as first:
        until(first, lambda snapshot: snapshot.now > 20)
        with served.stream(after=3) as second, served.stream(facilitator=True) as third:
            mine = [event for _, events in frames(second) for event in events]
            everything = [event for _, events in frames(third) for event in events]
        assert mine == served.session.events(3)
        assert everything == served.session.events(role=Role.FACILITATOR)
        assert finished(served) == "finished"


def test_a_client_that_vanishes_is_forgotten(playing: Playing) -> None:
    with playing(60.0) as served, served.stream() as witness:
        for _ in range(5):
            client = raw_client(served)
            assert client.recv(1000)
            client.close()  # without a word
        until(witness, lambda snapshot: snapshot.now > 5)
        served.operator.put("/v1/control", json={"speed": FASTEST})
        assert finished(served) == "finished"


def test_a_client_that_does_not_read_is_closed(playing: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "FRAMES", 1000.0)
    monkeypatch.setattr(stream, "PATIENCE", 0.2)
    monkeypatch.setattr(wire, "frame", lambda snapshot, events, frame=wire.frame: frame(snapshot, events) + b" " * 100_000)
    with playing(60.0) as served:
        slow = raw_client(served)
        with served.stream() as witness:
            until(witness, lambda snapshot: snapshot.now > 60)
        received = read_all(slow)
        assert received.endswith(b"\x03\xf5the client does not read")  # 1013 and why
        served.operator.put("/v1/control", json={"speed": FASTEST})
        assert finished(served) == "finished"


def raw_client(served: Served, *headers: str) -> sockets.socket:
    """A client of the stream that says hello and then does nothing."""
    client = sockets.socket(sockets.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(str(served.socket))
    lines = ["GET /v1/stream HTTP/1.1", "Host: drill", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *headers, "", ""]
    client.sendall("\r\n".join(lines).encode())
    return client


def read_all(client: sockets.socket) -> bytes:
    """What there is to the end of the connection."""
    parts = []
    with client:
        while part := client.recv(1 << 20):
            parts.append(part)
            if b"\x03\xf5" in part[-200:]:
                break
    return b"".join(parts)


def test_a_wrong_token_opens_no_stream(playing: Playing) -> None:
    with playing() as served, raw_client(served, "Authorization: Bearer no") as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 403")


def test_a_command_comes_out_in_the_stream(playing: Playing) -> None:
    with playing(60.0) as served, served.stream() as client:
        until(client, lambda snapshot: snapshot.phase is Phase.RUNNING)
        served.operator.post("/v1/commands", json={"action": "shed", "params": {"share": 0.5}})
        done = [event for event in seen_until(client, Completed) if isinstance(event.body, Completed)]
        assert [event.body.action for event in done if isinstance(event.body, Completed)] == ["shed"]


def seen_until(client: ClientConnection, kind: type) -> list[Event]:
    """Events up to the first frame with one of that kind."""
    seen: list[Event] = []
    while not any(isinstance(event.body, kind) for event in seen):
        seen += wire.read_frame(client.recv(timeout=PATIENCE))[1]
    return seen


def test_a_pause_holds_the_drill_and_is_told_once(playing: Playing) -> None:
    with playing(60.0) as served, served.stream() as client:
        until(client, lambda snapshot: snapshot.phase is Phase.RUNNING)
        served.operator.put("/v1/control", json={"pause": True})
        held = until(client, lambda snapshot: snapshot.phase is Phase.PAUSED)
        now = served.operator.get("/v1/snapshot").json()["now"]
        assert now - held.now <= 1.0  # at most the step that was being played
        told = until(client, lambda snapshot: snapshot.phase is Phase.PAUSED) if now != held.now else held
        assert told.now == now
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.5)
        served.operator.put("/v1/control", json={"pause": False, "speed": FASTEST})
        assert until(client, lambda snapshot: snapshot.phase is Phase.RUNNING).speed == FASTEST
        assert finished(served) == "finished"


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PAUSED])
def test_to_give_up_ends_the_drill(playing: Playing, phase: Phase) -> None:
    with playing(60.0) as served, served.stream() as client:
        until(client, lambda snapshot: snapshot.phase is Phase.RUNNING)
        served.operator.put("/v1/control", json={"pause": phase is Phase.PAUSED})
        assert served.operator.post("/v1/abort").status_code == 202
        assert until(client, lambda snapshot: snapshot.phase is Phase.ENDED).error == ""
        with pytest.raises(ConnectionClosedOK):
            client.recv(timeout=PATIENCE)
        assert finished(served) == "aborted"


def test_a_bring_up_can_be_given_up(playing: Playing) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(session: DrillSession) -> None:
        stack = session._stack
        bring_up = stack.up

        def up(scenario: object, seed: int, progress: Callable[[str, float], None]) -> None:
            progress("waiting for the test", 0.25)
            reached.set()
            assert go_on.wait(PATIENCE)
            bring_up(scenario, seed, progress)  # type: ignore[arg-type]  # passed on as it came

        stack.up = up  # type: ignore[method-assign]  # a stack that takes its time

    with playing(prepare=hold) as served, served.stream() as client:
        assert reached.wait(PATIENCE)
        snapshot = until(client, lambda snapshot: snapshot.bringing_up == "waiting for the test")
        assert (snapshot.phase, snapshot.done) == (Phase.NEW, 0.25)
        assert served.operator.post("/v1/abort").status_code == 202
        go_on.set()
        ended = until(client, lambda snapshot: snapshot.phase is Phase.ENDED)
        assert ended.error == "the drill was aborted while it was brought up"
        assert served.session.events() == []
        assert served.operator.post("/v1/commands", json={"action": "declare"}).status_code == 409


@pytest.mark.parametrize(
    ("error", "told"), [(StackError("a server is gone"), "a server is gone"), (ZeroDivisionError(), "ZeroDivisionError")]
)
def test_a_broken_stack_ends_the_drill_and_all_are_told(playing: Playing, error: Exception, told: str) -> None:
    def break_at_30(session: DrillSession) -> None:
        advance = session._stack.advance

        def broken(until: float) -> object:
            if until > 30:
                raise error
            return advance(until)

        session._stack.advance = broken  # type: ignore[method-assign, assignment]  # a stack that breaks

    with playing(prepare=break_at_30) as served, served.stream() as client:
        last = list(frames(client))[-1]
        assert (last[0].phase, last[0].error) == (Phase.ENDED, told)
        assert finished(served) == "broken"
        assert served.driver is not None
        assert served.driver.failure is error


def test_a_full_disk_ends_the_drill_and_all_are_told(playing: Playing) -> None:
    def fill(session: DrillSession) -> None:
        def full(event: Event) -> None:
            if event.at >= 30:
                raise UsageError("cannot write the journal: the disk is full")

        session._sinks = (full,)

    with playing(prepare=fill) as served, served.stream(facilitator=True) as client:
        seen = list(frames(client))
        assert seen[-1][0].error == "cannot write the journal: the disk is full"
        assert seen[-1][0].phase is Phase.ENDED
        assert finished(served) == "broken"
        everything = [event for _, events in seen for event in events]
        assert [event.number for event in everything] == list(range(len(everything)))


def test_what_a_client_says_is_not_listened_to(playing: Playing) -> None:
    with playing(60.0) as served, served.stream() as client, served.stream() as loud:
        until(client, lambda snapshot: snapshot.phase is Phase.RUNNING)
        loud.send("abort")
        loud.send(b"\x00" * 1000)
        until(loud, lambda snapshot: snapshot.now > 3)
        loud.send("x" * 100_000)  # more than anybody has to say
        with pytest.raises(ConnectionClosedError) as closed:
            until(loud, lambda _snapshot: False)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        assert until(client, lambda snapshot: snapshot.now > 10).phase is Phase.RUNNING
