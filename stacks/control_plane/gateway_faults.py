"""Delays and aborts at the gateway: what several of them at once do, the same on every stack.

    faults = GatewayFaults(plane.inject)
    faults.begin("slow", "gateway.delay", {"delay": 0.3, "share": 0.5})      # -> inject(Injected(delay=0.3, delayed=0.5))
    faults.end("slow")                                                       # -> inject(Injected())

The gateway has one place for a delay and one for an abort, as Envoy's fault filter has. A delay and an abort are drawn apart from
each other, the delay first. Of several delays at once the one that adds most to the mean (delay times share) is in force, of
several aborts the one with the largest share; of equal ones the first that began.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...sandbox.model.params import Params

DELAY, ABORT = "gateway.delay", "gateway.abort"
UNAVAILABLE = 503
"""The usual status of an abort."""


@dataclass(frozen=True, slots=True)
class Injected:
    """A disturbance of the gateway itself: a share of the requests is delayed, a share answered with an error."""

    delay: float = 0.0  # seconds
    delayed: float = 0.0  # share
    aborted: float = 0.0  # share
    status: int = UNAVAILABLE


class GatewayFaults:
    """The mechanism of both faults.

    Args:
        inject: takes what is in force from now on.
    """

    def __init__(self, inject: Callable[[Injected], None]) -> None:
        self._inject = inject
        self._delays: dict[str, tuple[float, float]] = {}  # by beat: seconds, share
        self._aborts: dict[str, tuple[float, int]] = {}  # share, status

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault begins.

        Raises:
            ValueError: it is neither a delay nor an abort.
        """
        if fault == DELAY:
            # Envoy counts whole milliseconds.
            self._delays[beat] = (round(float(params["delay"]), 3), float(params["share"]))
        elif fault == ABORT:
            self._aborts[beat] = (float(params["share"]), int(params["status"]))
        else:
            raise ValueError(f"{fault} is no fault of the gateway's requests")
        self._inject(self.in_force)

    def end(self, beat: str) -> None:
        """It ends by itself; what another does goes on."""
        self._delays.pop(beat, None)
        self._aborts.pop(beat, None)
        self._inject(self.in_force)

    @property
    def in_force(self) -> Injected:
        """What the faults of this moment do together."""
        delay, delayed = max(self._delays.values(), key=lambda one: one[0] * one[1], default=(0.0, 0.0))
        aborted, status = max(self._aborts.values(), key=lambda one: one[0], default=(0.0, UNAVAILABLE))
        return Injected(delay, delayed, aborted, status)
