"""Faults of replicas that all real stacks have: whom they hit is drawn as in the simulation, what is done is the stack's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ...sandbox.model.params import Params
from ...sandbox.model.platform_actions import push
from ...sandbox.model.service import differences
from ...sandbox.world.streams import Stream
from ..control_plane.luck import Draw
from .service import RealService

T = TypeVar("T")


class Grey(Generic[T]):
    """One of the champion's ready replicas takes longer for its answers.

    Args:
        seed: of the drill.
        ready: gives the champion's ready replicas.
        pace: makes a replica take so many times as long.
    """

    def __init__(self, seed: int, ready: Callable[[], Sequence[T]], pace: Callable[[T, float], None]) -> None:
        self._luck = Stream(seed, "faults/grey")
        self._ready, self._pace = ready, pace
        self._drawn = 0
        self._slow: dict[str, T] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        ready = self._ready()
        if ready:
            one = self._slow[beat] = ready[int(self._luck.uniform(self._drawn, 1)[0] * len(ready))]
            self._pace(one, float(params["factor"]))
        self._drawn += 1

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        one = self._slow.pop(beat, None)
        if one is not None:
            self._pace(one, 1.0)


class Kill(Generic[T]):
    """Some of the champion's ready replicas are killed, once or again and again.

    Args:
        service: whose replicas they are.
        seed: of the drill.
        ready: gives the champion's ready replicas.
        kill: kills one.
    """

    def __init__(self, service: RealService, seed: int, ready: Callable[[], Sequence[T]], kill: Callable[[T], None]) -> None:
        self._service, self._ready, self._kill_one = service, ready, kill
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
        for one in self._draw.of(self._ready(), count):
            self._kill_one(one)


class Unready(Generic[T]):
    """Some of the champion's ready replicas say that they are not, until the end, or until they start again.

    Args:
        service: whose replicas they are.
        seed: of the drill.
        ready: gives the champion's ready replicas.
        tell: lets a replica say that it is not ready, or again what is true.
    """

    def __init__(
        self, service: RealService, seed: int, ready: Callable[[], Sequence[T]], tell: Callable[[T, bool], None]
    ) -> None:
        self._service, self._ready, self._tell = service, ready, tell
        self._draw = Draw(seed, "faults/unready")
        self._live: dict[str, list[T]] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        with self._service.still():
            self._live[beat] = self._draw.of(self._ready(), int(params["count"]))
            for one in self._live[beat]:
                self._tell(one, True)

    def end(self, beat: str) -> None:
        """As `Mechanism`: who is unfit by another fault as well stays so."""
        with self._service.still():
            over = self._live.pop(beat)
            still = [one for others in self._live.values() for one in others]
            for one in over:
                if one not in still:
                    self._tell(one, False)


class Throttling:
    """A push of configuration lowers the CPU limit; it stays until somebody takes it back."""

    def __init__(self, service: RealService) -> None:
        self._service = service

    def begin(self, _beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        spec = self._service.spec
        changes = differences(spec, push(spec, {"servers.cpu": float(params["limit"])}), "capacity")
        self._service.desire({change.field: change.after for change in changes}, "capacity", "limits as they are used")

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
