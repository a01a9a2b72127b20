"""Which process of the local stack realises which fault: one table. How to take it back is on the disk before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from ...sandbox.model.params import Params, Value
from ..control_plane.faults import Mechanism
from .gateway_faults import Disturbance
from .limits import Leak, Throttling
from .pod_faults import CrashLoop, Grey, Hang, Kill
from .service import Service
from .undo import UndoLog, cancel


@dataclass(frozen=True, slots=True)
class Remote:
    """A service does it: PUT begins, DELETE ends.

    Attributes:
        service: the running service.
        undo: the log of what is to be taken back.
        url: of the order, with `{beat}` for the beat's name.
        whole: whether the order names the fault and has its parameters in an object of their own.
    """

    service: Service
    undo: UndoLog
    url: str
    whole: bool = True

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """As `Mechanism`."""
        given: dict[str, object] = {name: _plain(value) for name, value in params.items()}
        url = self._url(beat)
        self.undo.note(beat, *cancel(url, self.service.programs.token))
        self.service.controls.put(url, {"fault": fault, "params": given} if self.whole else given)

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        self.service.controls.delete(self._url(beat))
        self.undo.done(beat)

    def _url(self, beat: str) -> str:
        return self.url.format(beat=quote(beat, safe=""))


def mechanisms(service: Service, undo: UndoLog, seed: int) -> Mapping[str, Mechanism]:
    """By the name of a fault, or of a family of faults (`features` for `features.stale`)."""
    urls = service.urls
    pipeline = Remote(service, undo, f"{urls.pipeline}/control/beats/{{beat}}")
    return {
        "traffic.spike": Remote(service, undo, f"{urls.load}/control/spikes/{{beat}}", whole=False),
        "clients.retry_storm": Remote(service, undo, f"{urls.load}/control/clients", whole=False),
        "features": Remote(service, undo, f"{urls.features}/control/beats/{{beat}}"),
        "labels.delay": pipeline,
        "release": pipeline,
        "retraining": pipeline,
        "config.push": pipeline,
        "autoscaler.empty_as_zero": pipeline,
        "cost.runaway": pipeline,
        "gateway": Disturbance(service, undo),
        "pods.crash_loop": CrashLoop(service),
        "pods.grey_slow": Grey(service, seed),
        "pods.kill": Kill(service, seed),
        "pods.hang": Hang(service, undo, seed),
        "pods.memory_leak": Leak(service),
        "pods.cpu_throttling": Throttling(service),
    }


def _plain(value: Value) -> object:
    return value.value if hasattr(value, "value") else value  # enumerations by their text
