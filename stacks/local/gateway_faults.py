"""Delays and aborts at the gateway of the local stack: Envoy's fault filter, told by the runtime file that it watches.

Before the first of them is put into force, the file as it is without any is kept, and that it goes back is in the undo log. What
several at once do is told in `stacks/control_plane/gateway_faults.py`, for all stacks.
"""

from __future__ import annotations

from ...sandbox.model.params import Params
from ..control_plane.gateway_faults import GatewayFaults
from ..deploy.envoy.policy import RUNTIME_FILE
from ..real.machine.undo import UndoLog, Way
from .service import Service


class Disturbance:
    """Requests are delayed or aborted at the gateway.

    Args:
        service: whose gateway it is.
        undo: the log of what is to be taken back.
    """

    def __init__(self, service: Service, undo: UndoLog) -> None:
        self._faults = GatewayFaults(service.inject)
        self._runtime = service.gateway_folder / RUNTIME_FILE
        self._undo = undo
        self._back: Way | None = None
        self._live: set[str] = set()

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """As `Mechanism`."""
        if self._back is None:
            self._back = self._undo.keep(beat, self._runtime)
        self._undo.note(beat, *self._back)
        self._live.add(beat)
        self._faults.begin(beat, fault, params)

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        self._faults.end(beat)
        self._undo.done(beat)
        self._live.discard(beat)
        if not self._live:
            self._back = None
