"""The processes that lead from this machine into a drill's namespace, and are started again when they end.

`kubectl proxy` serves the host of the drill ([proxy]); `kubectl port-forward` gives the gateway a port on loopback, for whoever
wants to ask for a prediction. The latter leads to one pod: when that is replaced, it is ended, if it did not end by itself (that
depends on kubectl's version), and started for the next pod.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from lightkube.resources.core_v1 import Pod

from ...real.machine.ports import HOST
from ...real.machine.processes import Process, Supervisor
from ...real.machine.programs import Program
from .lives import is_ready, of_component
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
        pods: those that there are.
    """

    def __init__(self, supervisor: Supervisor, pods: Callable[[], Iterable[Pod]] = tuple) -> None:
        self._supervisor, self.pods = supervisor, pods
        self._programs: dict[str, Program] = {}
        self._closed: dict[str, float] = {}  # by program that has ended, the drill second from which it may start again
        self._followed: dict[str, tuple[Process, str, str]] = {}  # by program, its process, a component and that one's pod

    def open(self, program: Program, component: str = "") -> Process:
        """Start one; one that leads to the pod of a component follows when that is replaced.

        Raises:
            StackError: it cannot be started.
        """
        process = self._supervisor.start(program)
        self._programs[program.name] = program
        if component:
            self._followed[program.name] = (process, component, self._pod(component))
        return process

    def look(self, now: float) -> None:
        """Start again what has ended, a while after it did, and once the pod that it leads to serves.

        Raises:
            StackError: it cannot be started.
        """
        for name, (process, component, pod) in self._followed.items():
            serves = self._pod(component)
            if not pod:
                self._followed[name] = (process, component, serves)  # it was opened before the watch knew of the pod
            elif serves not in ("", pod):
                process.terminate()
        for process in self._supervisor.reap():
            if process.program.name in self._programs:
                self._closed[process.program.name] = now + PAUSE
        for name in [name for name, due in self._closed.items() if now >= due]:
            _, component, _ = self._followed.get(name, (None, "", ""))
            if not component or self._pod(component):
                del self._closed[name]
                self.open(self._programs[name], component)

    def _pod(self, component: str) -> str:
        """The one that serves; empty while there is none."""
        found = (pod for pod in of_component(self.pods(), component) if is_ready(pod))
        return next((str(pod.metadata and pod.metadata.name) for pod in found), "")
