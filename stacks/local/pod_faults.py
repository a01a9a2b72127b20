"""Faults of the model servers' processes: killed, stopped, slow, or ended by their settings. The signals are the kernel's own.

A process that is stopped keeps its connections and answers nobody, until it goes on, somebody restarts it, or its liveness probe
has failed. That it is to go on is in the undo log before it is stopped.
"""

from __future__ import annotations

import signal

from ...sandbox.model.params import Params
from ...sandbox.world.streams import Stream
from ..control_plane.faults import CONFIG
from ..control_plane.luck import Draw
from .records import Identity
from .replicas import Replica
from .service import Service
from .services import hold
from .undo import UndoLog, carry_on

CHAMPION = "model-champion"


class Grey:
    """One of the champion's ready replicas, drawn as in the simulation, takes longer for its answers."""

    def __init__(self, service: Service, seed: int) -> None:
        self._service = service
        self._luck = Stream(seed, "faults/grey")
        self._drawn = 0
        self._slow: dict[str, Replica] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        ready = self._service.fleet.ready(CHAMPION)
        if ready:
            one = self._slow[beat] = ready[int(self._luck.uniform(self._drawn, 1)[0] * len(ready))]
            self._pace(one, float(params["factor"]))
        self._drawn += 1

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        one = self._slow.pop(beat, None)
        if one is not None:
            self._pace(one, 1.0)

    def _pace(self, one: Replica, factor: float) -> None:
        one.slowness = factor
        self._service.fleet.tell_one(one, hold(self._service.scenario.runtime, factor))


class Kill:
    """Some of the champion's ready replicas lose their processes, once or again and again."""

    def __init__(self, service: Service, seed: int) -> None:
        self._service = service
        self._draw = Draw(seed, "faults/kills")
        self._due: dict[str, tuple[float, float, int]] = {}  # by beat: when next, how far apart, how many
        service.chores.append(self._look)

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        count = int(params["count"])
        with self._service.still():
            self._kill(count)
            if "every" in params:
                every = float(params["every"])
                self._due[beat] = (self._service.clock.now() + every, every, count)

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        with self._service.still():
            self._due.pop(beat, None)

    def _look(self, now: float) -> None:
        """Kill those that are due."""
        for beat, (due, every, count) in tuple(self._due.items()):
            if now >= due:
                self._due[beat] = (due + every if due + every > now else now + every, every, count)
                self._kill(count)

    def _kill(self, count: int) -> None:
        for one in self._draw.of(self._service.fleet.ready(CHAMPION), count):
            if one.process is not None:
                one.process.kill()


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
        deadly = self._service.programs.deadly
        with self._service.still():
            settings = f"revision-{len(deadly) + 2}"
            deadly[settings] = float(params["after"])
            self._service.push({"servers.settings": settings}, CONFIG, "larger thread pools")

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
