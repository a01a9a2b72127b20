"""What a drill can do without: Grafana. If it does not start, that is told once, and the drill goes on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...deploy.kubernetes.names import GRAFANA
from .deploying import extra, troubles

if TYPE_CHECKING:
    from .service import KindService

_AT_FIRST = "ErrImagePull"  # the next attempt may be better


class Extras:
    """Tells in the drill's log what is not there of them.

    Args:
        service: of the drill.
        told: what is known before it begins.
    """

    def __init__(self, service: KindService, told: Iterable[str] = ()) -> None:
        self._service, self._told = service, list(told)
        self._version = -1  # of the watch, that was looked at last
        self._known: set[str] = set()
        service.chores.append(self.look)

    def look(self, _now: float) -> None:
        """Look after them."""
        while self._told:
            self._service.log("cluster", "warning", self._told.pop(0))
        watch = self._service.watch
        if watch.version == self._version:
            return
        self._version = watch.version
        for name, (reason, text) in troubles(pod for pod in watch.pods() if extra(pod)):
            if reason != _AT_FIRST and not self._known & {name, reason}:
                self._known |= {name, reason}
                why = f"{reason}: {text}" if text else reason
                self._service.log(GRAFANA, "warning", f"is not there, and the drill goes on without it: {why}")
