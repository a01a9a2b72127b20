"""A session in another process: the same methods, over the host's socket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..logbook import ChangeEntry
from ..model.errors import StackError, UsageError
from ..model.events import Command, Event, Logged, Role
from ..model.telemetry import SCRAPE_INTERVAL
from ..session import Catalogue, Range, Snapshot
from . import wire
from .folders import SessionInfo
from .hosted import BEARER

if TYPE_CHECKING:
    import httpx

TIMEOUT = 30.0
"""Wall seconds until a host that does not answer counts as gone."""
_BASE = f"http://drillbox{wire.PREFIX}"
Query = Mapping[str, str | int | float]


class RemoteSession:
    """Implements `session.Session`.

    Every method raises UsageError with the host's own message for what it refuses, and StackError if the host is gone.

    Args:
        info: of the session.
        token: of a facilitator; an operator has none.
    """

    def __init__(self, info: SessionInfo, token: str = "") -> None:
        import httpx

        self.info = info
        self._headers = {"authorization": f"{BEARER}{token}"} if token else {}
        transport = httpx.HTTPTransport(uds=info.socket)
        self._http = httpx.Client(transport=transport, base_url=_BASE, timeout=TIMEOUT, headers=self._headers)

    def close(self) -> None:
        """Let go of the connection; the drill goes on."""
        self._http.close()

    def snapshot(self) -> Snapshot:
        """The present state."""
        return wire.SNAPSHOT.validate_json(self._get("/snapshot"))

    def events(self, after: int = -1, role: Role = Role.OPERATOR) -> Sequence[Event]:
        """Events with a number above `after`; what the token allows to see, and for an operator no more than that."""
        found: list[Event] = []
        while True:
            page = wire.EventsOut.model_validate_json(self._get("/events", {"after": after}))
            events = wire.read_events([one.model_dump(by_alias=True) for one in page.events])
            found += [event for event in events if role is Role.FACILITATOR or event.audience == "all"]
            after = page.next
            if len(page.events) < wire.MOST_EVENTS:
                return found

    def submit(self, action: str, params: Mapping[str, object], actor: str = "you") -> Command:
        """Ask for an action."""
        return wire.COMMAND.validate_json(
            self._send("POST", "/commands", {"action": action, "params": dict(params), "actor": actor})
        )

    def query(self, expr: str, start: float, end: float, step: float = SCRAPE_INTERVAL) -> Range:
        """A metric over time."""
        return wire.RANGE.validate_json(self._get("/query", {"expr": expr, "start": start, "end": end, "step": step}))

    def logs(self, component: str = "", text: str = "", severity: str = "") -> Sequence[Logged]:
        """The latest log lines."""
        return wire.LOGS.validate_json(self._get("/logs", {"component": component, "text": text, "severity": severity}))

    def changes(self, field: str = "", by: str = "") -> Sequence[ChangeEntry]:
        """The latest changes."""
        return wire.CHANGES.validate_json(self._get("/changes", {"field": field, "by": by}))

    def control(self, *, pause: bool | None = None, speed: float | None = None) -> None:
        """Pause, go on, or change the speed."""
        self._send("PUT", "/control", {"pause": pause, "speed": speed})

    def abort(self, reason: wire.Reason = "aborted") -> None:
        """Give up: the drill ends with that reason."""
        self._send("POST", f"/abort?reason={reason}", {})

    def catalogue(self, role: Role = Role.OPERATOR) -> Catalogue:  # noqa: ARG002  # the token decides what is seen
        """Actions and metrics; faults with a facilitator's token."""
        return wire.CatalogueOut.model_validate_json(self._get("/catalogue")).catalogue()

    @contextlib.contextmanager
    def stream(self, after: int = -1) -> Iterator[Stream]:
        """Frames from the events after a number on."""
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import unix_connect

        url = f"ws://drillbox{wire.PREFIX}/stream?after={after}"
        try:
            connection = unix_connect(
                self.info.socket, url, additional_headers=self._headers, max_size=None, open_timeout=TIMEOUT, close_timeout=1.0
            )
        except (OSError, WebSocketException) as error:
            raise self._gone(error) from None
        with connection:
            yield Stream(connection, self._gone)

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
        raise UsageError(_message(answer))

    def _gone(self, error: Exception) -> StackError:
        journal = self.info.journal
        return StackError(f"the session host is gone ({error}); what was played is told by: drillbox report {journal}")


class Stream:
    """Frames of a session as they come."""

    def __init__(self, connection: Connection, gone: Gone) -> None:
        self._connection = connection
        self._gone = gone
        self.closed = False
        """Whether nothing more will come: the drill is over."""

    def fileno(self) -> int:
        """To wait for it together with other files."""
        return self._connection.socket.fileno()

    def next(self, wait: float) -> tuple[Snapshot, list[Event]] | None:
        """The next frame; None if there is none within `wait` wall seconds, or ever (`closed`).

        Raises:
            StackError: the host is gone.
        """
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

        try:
            return wire.read_frame(self._connection.recv(timeout=max(0.0, wait)))
        except TimeoutError:
            return None
        except ConnectionClosedOK:
            self.closed = True
            return None
        except (ConnectionClosed, OSError) as error:
            raise self._gone(error) from None


if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.sync.client import ClientConnection as Connection

    Gone = Callable[[Exception], StackError]


def _message(answer: httpx.Response) -> str:
    try:
        return wire.ErrorOut.model_validate_json(answer.content).error
    except ValueError:
        return f"the session host answered {answer.status_code}: {answer.text[:200]}"
