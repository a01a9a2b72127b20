"""Whose alerts are the drill's: those of a Prometheus for as long as it answers, else those of the session's own monitor.

The session's monitor evaluates all the time, over its own scrapes of the same targets. It takes over where a poll gives None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Protocol

from ...sandbox.model.errors import DrillboxError
from ...sandbox.model.telemetry import AlertState
from .api import GoneError

COMPONENT = "monitoring"
NAME = "prometheus"
"""Of its process."""
BUILT_IN = "the built-in monitor"
NONE = "there is no prometheus on the PATH, or DRILLBOX_PROMETHEUS is off"

_PATIENCE = 2  # polls in a row without an answer, on a busy machine, before it counts as gone

Log = Callable[[str, str, str], None]
"""`log(component, severity, text)` at the present drill time."""
Start = Callable[[str, Sequence[str], Mapping[str, str]], Callable[[], bool]]
"""Starts a process with a name, arguments and environment; gives what says whether it still runs."""


class Server(Protocol):
    """A Prometheus of the drill's own, such as `local.prometheus.PrometheusServer`."""

    def write(self) -> None:
        """Write its files, again when the targets have changed."""

    def argv(self) -> list[str]:
        """How to start it."""

    def environment(self) -> dict[str, str]:
        """Its variables."""

    def wait_ready(self, timeout: float, alive: Callable[[], bool]) -> str:
        """Wait until it serves; gives its version."""

    def alerts(self, now: float) -> tuple[AlertState, ...]:
        """The alerts that are pending or firing."""

    def close(self) -> None:
        """Let go of connections."""

    @property
    def url(self) -> str:
        """Where it is."""


class Alerting:
    """Asks for alerts, and notices when nobody answers any more. Threads may share it.

    Args:
        server: a Prometheus; None: there is none.
        log: of what happens.
        why: there is none, for the log.
    """

    def __init__(self, server: Server | None, log: Log, why: str = NONE) -> None:
        self._server, self._log = server, log
        self._lock = Lock()
        self._alive: Callable[[], bool] = lambda: True
        self._last: tuple[AlertState, ...] = ()
        self._missed = 0
        self.used = f"{BUILT_IN} ({why})"
        """Which monitoring is used, in words for progress and `status`."""

    @property
    def outside(self) -> bool:
        """Whether a Prometheus decides."""
        return self._server is not None

    def start(self, start: Start, timeout: float) -> None:
        """Start Prometheus and wait until it is ready, `timeout` seconds at most; without it the drill goes on as well."""
        server = self._server
        if server is None:
            self._log(COMPONENT, "info", f"alerts are evaluated by {self.used}")
            return
        try:
            server.write()
            self._alive = start(NAME, server.argv(), server.environment())
            version = server.wait_ready(timeout, self._alive)
        except DrillboxError as error:
            self._give_up(str(error))
        else:
            self.used = f"Prometheus {version}"
            self._log(COMPONENT, "info", f"alerts are evaluated by {self.used}")

    def retarget(self) -> None:
        """The targets have changed."""
        server = self._server
        if server is not None:
            try:
                server.write()
            except DrillboxError as error:
                self._give_up(str(error))

    def poll(self, now: float) -> tuple[AlertState, ...] | None:
        """The alerts at drill time `now`; None: the session's monitor decides, from then on for the whole drill."""
        server = self._server
        if server is None:
            return None
        try:
            self._last, self._missed = server.alerts(now), 0
        except DrillboxError as error:
            self._missed += 1
            if isinstance(error, GoneError) or not self._alive() or self._missed > _PATIENCE:
                self._give_up(str(error))
                return None
        return self._last

    @property
    def url(self) -> str:
        """Where the Prometheus is that decides; empty if there is none."""
        server = self._server
        return "" if server is None else server.url

    def close(self) -> None:
        """Let go of connections; the process is its supervisor's."""
        self._let_go()

    def _let_go(self) -> bool:
        """Whether it was still used."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.close()
        return server is not None

    def _give_up(self, why: str) -> None:
        if not self._let_go():
            return
        self.used = f"{BUILT_IN} ({why})"
        self._log(COMPONENT, "warning", f"{why}; from now on alerts are evaluated by {BUILT_IN}")
