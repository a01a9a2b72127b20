"""A session in another process: the same methods, over the host's socket."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from ..logbook import ChangeEntry
from ..model.errors import StackError, UsageError
from ..model.events import Audience, Command, Event, Logged, Role
from ..model.telemetry import SCRAPE_INTERVAL
from ..model.views import Table
from ..session import Catalogue, Range, Snapshot
from . import wire
from .folders import SessionInfo

if TYPE_CHECKING:
    import httpx
    from websockets.sync.client import ClientConnection

TIMEOUT = 30.0
"""Wall seconds until a host that does not answer counts as gone."""
_BASE = f"http://drillbox{wire.PREFIX}"
_BUG = 500
"""From this status on an answer tells of a mistake of the host's, not of the caller's."""
Query = Mapping[str, str | int | float]
T = TypeVar("T")


class RemoteSession:
    """Implements `session.Session`.

    Every method raises UsageError with the host's own message for what it refuses, and StackError if the host is gone.

    Args:
        info: of the session.
        token: of a facilitator; an operator has none.
        timeout: wall seconds until a host that does not answer counts as gone.
    """

    def __init__(self, info: SessionInfo, token: str = "", timeout: float = TIMEOUT) -> None:
        import httpx

        self.info = info
        self._timeout = timeout
        self._headers = {"authorization": f"{wire.BEARER}{token}"} if token else {}
        transport = httpx.HTTPTransport(uds=info.socket)
        self._http = httpx.Client(transport=transport, base_url=_BASE, timeout=timeout, headers=self._headers)

    def close(self) -> None:
        """Let go of the connection; the drill goes on."""
        self._http.close()

    def snapshot(self) -> Snapshot:
        """The present state."""
        return self._read(wire.SNAPSHOT.validate_json, self._get("/snapshot"))

    def events(self, after: int = -1, role: Role = Role.OPERATOR) -> Sequence[Event]:
        """Events with a number above `after`; what the token allows to see, and for an operator no more than that."""
        found: list[Event] = []
        while True:
            page, after = self._read(_page, self._get("/events", {"after": after}))
            found += [event for event in page if role is Role.FACILITATOR or event.audience is Audience.ALL]
            if len(page) < wire.MOST_EVENTS:
                return found

    def submit(self, action: str, params: Mapping[str, object], actor: str = "you") -> Command:
        """Ask for an action."""
        asked = {"action": action, "params": dict(params), "actor": actor}
        return self._read(wire.COMMAND.validate_json, self._send("POST", "/commands", asked))

    def query(self, expr: str, start: float, end: float, step: float = SCRAPE_INTERVAL) -> Range:
        """A metric over time."""
        asked: Query = {"expr": expr, "start": start, "end": end, "step": step}
        return self._read(wire.RANGE.validate_json, self._get("/query", asked))

    def look(self, view: str, subject: str = "") -> Table:
        """What a view shows now."""
        return wire.TABLE.validate_json(self._get(f"/views/{quote(view, safe='')}", {"of": subject}))

    def logs(self, component: str = "", text: str = "", severity: str = "") -> Sequence[Logged]:
        """The latest log lines."""
        asked = {"component": component, "text": text, "severity": severity}
        return self._read(wire.LOGS.validate_json, self._get("/logs", asked))

    def changes(self, field: str = "", by: str = "") -> Sequence[ChangeEntry]:
        """The latest changes."""
        return self._read(wire.CHANGES.validate_json, self._get("/changes", {"field": field, "by": by}))

    def control(self, *, pause: bool | None = None, speed: float | None = None) -> None:
        """Pause, go on, or change the speed."""
        self._send("PUT", "/control", {"pause": pause, "speed": speed})

    def abort(self, reason: wire.Reason = "aborted") -> None:
        """Give up: the drill ends with that reason."""
        self._send("POST", f"/abort?reason={reason}", {})

    def down(self) -> None:
        """End the drill if it is not over, as aborted; its host goes at once."""
        self._send("POST", "/down", {})

    def catalogue(self, role: Role = Role.OPERATOR) -> Catalogue:  # noqa: ARG002  # the token decides what is seen
        """Actions and metrics; faults with a facilitator's token."""
        return self._read(wire.CatalogueOut.model_validate_json, self._get("/catalogue")).catalogue()

    @contextlib.contextmanager
    def stream(self, after: int = -1) -> Iterator[Stream]:
        """Frames from the events after a number on."""
        with contextlib.closing(Stream(self._connect, self._read, after)) as stream:
            yield stream

    @contextlib.contextmanager
    def _connect(self, after: int) -> Iterator[ClientConnection]:
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.sync.client import unix_connect

        url = f"ws://drillbox{wire.PREFIX}/stream?after={after}"
        patience = self._timeout
        with contextlib.ExitStack() as undo:
            try:
                connection = undo.enter_context(
                    unix_connect(
                        self.info.socket,
                        url,
                        additional_headers=self._headers,
                        max_size=None,
                        open_timeout=patience,
                        close_timeout=1.0,
                    )
                )
            except InvalidStatus as error:
                raise UsageError(f"the session host refuses its stream: HTTP {error.response.status_code}") from None
            except (OSError, WebSocketException) as error:
                raise self._gone(error) from None
            yield connection

    def _get(self, path: str, query: Query | None = None) -> bytes:
        return self._request("GET", path, query, None)

    def _send(self, method: str, path: str, body: Mapping[str, object]) -> bytes:
        return self._request(method, path, None, body)

    def _request(self, method: str, path: str, query: Query | None, body: Mapping[str, object] | None) -> bytes:
        import httpx

        try:
            answer = self._http.request(method, path, params=query, json=body)
        except httpx.HTTPError as error:
            raise self._gone(error) from None
        if answer.is_success:
            return answer.content
        if answer.status_code >= _BUG:
            raise StackError(_message(answer))
        raise UsageError(_message(answer))

    def _read(self, read: Callable[[bytes], T], answer: bytes) -> T:
        try:
            return read(answer)
        except ValueError:
            raise StackError("the session host speaks another language: it was started by another version of drillbox") from None

    def _gone(self, error: Exception) -> StackError:
        import httpx

        journal = self.info.journal
        if isinstance(error, httpx.TimeoutException | TimeoutError):
            return StackError(f"the session host does not answer within {self._timeout:g} s; the journal is {journal}")
        return StackError(f"the session host is gone; the journal is {journal}; see it with: drillbox report {journal}")


class Stream:
    """Frames of a session as they come. A stream that broke, as after a client was stopped for a while, is taken up again.

    Args:
        connect: opens a connection for the events after a number.
        read: turns what is no frame into the right error.
        after: the number of the last event that is known.
    """

    def __init__(self, connect: Connect, read: Read, after: int = -1) -> None:
        self._connect = connect
        self._read = read
        self._after = after
        self._fresh = True
        self._undo = contextlib.ExitStack()
        self._connection = self._undo.enter_context(connect(after))
        self.closed = False
        """Whether nothing more will come: the drill is over."""

    def close(self) -> None:
        """Let go of the connection."""
        self._undo.close()

    def next(self, wait: float) -> tuple[Snapshot, list[Event]] | None:
        """The next frame; None if there is none within `wait` wall seconds, or ever (`closed`).

        Raises:
            StackError: the host is gone.
        """
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

        try:
            text = self._connection.recv(timeout=max(0.0, wait))
        except TimeoutError:
            return None
        except ConnectionClosedOK:
            self.closed = True
            return None
        except (ConnectionClosed, OSError):
            self._take_up()
            return None
        snapshot, events = self._read(wire.read_frame, text.encode() if isinstance(text, str) else text)
        self._fresh = False
        self._after = events[-1].number if events else self._after
        return snapshot, events

    def _take_up(self) -> None:
        """Connect anew, but not again and again to a host that breaks every connection at once."""
        self._undo.close()
        self._connection = self._undo.enter_context(self._connect(self._after))
        if self._fresh:
            raise StackError("the session host breaks every connection; see its drill with: drillbox status")
        self._fresh = True


if TYPE_CHECKING:
    from typing import Protocol

    Connect = Callable[[int], contextlib.AbstractContextManager[ClientConnection]]

    class Read(Protocol):
        """Reads an answer, or raises a StackError."""

        def __call__(self, read: Callable[[bytes], T], answer: bytes) -> T:
            """What `read` makes of the answer."""


def _page(answer: bytes) -> tuple[list[Event], int]:
    """Events, and the number to ask with for those that follow."""
    page = wire.EventsOut.model_validate_json(answer)
    return wire.read_events([one.model_dump(by_alias=True) for one in page.events]), page.next


def _message(answer: httpx.Response) -> str:
    try:
        return wire.ErrorOut.model_validate_json(answer.content).error
    except ValueError:
        return f"the session host answered {answer.status_code}: {answer.text[:200]}"
