"""Faults of the model servers' processes: killed, stopped, slow, or ended by their settings. The signals are the kernel's own.

A process that is stopped keeps its connections and answers nobody, until it goes on, somebody restarts it, or its liveness probe
has failed. That it is to go on is in the undo log before it is stopped.
"""

from __future__ import annotations

import signal

from ...sandbox.model.params import Params
from ..control_plane.faults import CONFIG
from ..control_plane.luck import Draw
from ..real.machine.records import Identity
from ..real.machine.undo import UndoLog, carry_on
from ..real.pod_faults import Grey, Kill, Unready
from .replicas import Replica
from .service import Service
from .services import hold

CHAMPION = "model-champion"


def grey(service: Service, seed: int) -> Grey[Replica]:
    """One replica takes longer for its answers."""

    def pace(one: Replica, factor: float) -> None:
        one.slowness = factor
        service.fleet.tell_one(one, hold(service.scenario.runtime, factor))

    return Grey(seed, lambda: service.fleet.ready(CHAMPION), pace)


def kill(service: Service, seed: int) -> Kill[Replica]:
    """Replicas lose their processes."""

    def end(one: Replica) -> None:
        if one.process is not None:
            one.process.kill()

    return Kill(service, seed, lambda: service.fleet.ready(CHAMPION), end)


def unready(service: Service, seed: int) -> Unready[Replica]:
    """Replicas say that they are not ready: the gateway's probes leave them out, and the liveness probe passes."""

    def tell(one: Replica, unfit: bool) -> None:
        service.fleet.tell_one(one, {"unfit": unfit})

    return Unready(service, seed, lambda: service.fleet.ready(CHAMPION), tell)


class Hang:
    """The processes of some of the champion's ready replicas stop, and go on at the end."""

    def __init__(self, service: Service, undo: UndoLog, seed: int) -> None:
        self._service = service
        self._undo = undo
        self._draw = Draw(seed, "faults/hangs")
        self._stopped: dict[str, list[Identity]] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        with self._service.still():
            chosen = self._draw.of(self._service.fleet.ready(CHAMPION), int(params["count"]))
            self._stopped[beat] = [known for one in chosen if (known := self._stop(beat, one)) is not None]

    def end(self, beat: str) -> None:
        """As `Mechanism`: who was stopped by another fault as well stays so."""
        with self._service.still():
            over = self._stopped.pop(beat)
            still = {one for stopped in self._stopped.values() for one in stopped}
            for one in over:
                if one not in still:
                    one.signal(signal.SIGCONT)
            self._undo.done(beat)

    def _stop(self, beat: str, one: Replica) -> Identity | None:
        """Which process was stopped; none if it has just ended."""
        known = Identity.of(one.process.pid) if one.process is not None and one.process.alive() else None
        if known is not None:
            self._undo.note(beat, *carry_on(known))
            known.signal(signal.SIGSTOP)
        return known


class CrashLoop:
    """A push of settings with which no process lives long; it stays until somebody takes it back."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def begin(self, _beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        programs = self._service.programs
        with self._service.still():
            settings = programs.pushed()
            programs.deadly[settings] = float(params["after"])
            self._service.push({"servers.settings": settings}, CONFIG, "larger thread pools")

    def end(self, beat: str) -> None:
        """As `Mechanism`."""


class BadImage:
    """A push of settings with an image that cannot be had: replicas that are new wait for it until somebody takes it back."""

    def __init__(self, service: Service) -> None:
        self._service = service
        service.fleet.missing_image = self._missing

    def begin(self, _beat: str, _fault: str, _params: Params) -> None:
        """As `Mechanism`."""
        programs = self._service.programs
        with self._service.still():
            settings = programs.pushed()
            programs.imageless.add(settings)
            self._service.push({"servers.settings": settings}, CONFIG, "a smaller image")

    def end(self, beat: str) -> None:
        """As `Mechanism`."""

    def _missing(self, one: Replica) -> str:
        settings = self._service.spec.servers.settings
        champion = one.deployment == CHAMPION and settings in self._service.programs.imageless
        return f"the image of settings {settings} is not in the registry" if champion else ""
