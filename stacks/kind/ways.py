"""The processes that lead from this machine into a drill's namespace, and are started again when they end.

`kubectl proxy` serves the host of the drill ([proxy]); `kubectl port-forward` gives the gateway a port on loopback, for whoever
wants to ask for a prediction. The latter ends when its pod does: one that follows takes the next pod.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..local.ports import HOST
from ..local.processes import Process, Supervisor
from ..local.programs import Program
from .place import Place

PAUSE = 3.0
"""Seconds of drill time from one start of a program to the next: each costs the machine a moment."""


def forwarding(kubectl: Path, place: Place, service: str, remote: int, local: int | str) -> tuple[str, ...]:
    """The command that leads from a port of loopback to a Service. `local` may be a placeholder for the port."""
    return (
        *(str(kubectl), "port-forward", f"--kubeconfig={place.kubeconfig}", f"--namespace={place.namespace}"),
        *((f"--context={place.context}",) if place.context else ()),
        *(f"--address={HOST}", f"service/{service}", f"{local}:{remote}"),
    )


class Ways:
    """Keeps them open.

    Args:
        supervisor: of the drill.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._programs: dict[str, Program] = {}
        self._closed: dict[str, float] = {}  # by program that has ended, the drill second from which it may start again

    def open(self, program: Program) -> Process:
        """Start one.

        Raises:
            StackError: it cannot be started.
        """
        self._programs[program.name] = program
        return self._supervisor.start(program)

    def look(self, now: float) -> None:
        """Start again what has ended, a while after it did.

        Raises:
            StackError: it cannot be started.
        """
        for process in self._supervisor.reap():
            if process.program.name in self._programs:
                self._closed[process.program.name] = now + PAUSE
        for name in self._due(now):
            del self._closed[name]
            self._supervisor.start(self._programs[name])

    def _due(self, now: float) -> Iterable[str]:
        return [name for name, due in self._closed.items() if now >= due]
