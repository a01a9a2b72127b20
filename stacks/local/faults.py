"""Which process of the local stack realises which fault: one table. How to take it back is on the disk before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...sandbox.model.params import Params
from ..control_plane.faults import Mechanism
from ..real.machine.undo import UndoLog, cancel
from ..real.orders import Order
from ..real.pod_faults import Throttling
from .artifact_faults import BadArtifact
from .gateway_faults import Disturbance
from .limits import Leak
from .pod_faults import BadImage, CrashLoop, Hang, grey, kill, unready
from .service import Service


@dataclass(frozen=True, slots=True)
class Remote:
    """A service does it; how to cancel the order is on the disk before it is given."""

    order: Order
    undo: UndoLog
    token: str

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """As `Mechanism`."""
        self.undo.note(beat, *cancel(self.order.at(beat), self.token))
        self.order.begin(beat, fault, params)

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        self.order.end(beat)
        self.undo.done(beat)


def mechanisms(service: Service, undo: UndoLog, seed: int) -> Mapping[str, Mechanism]:
    """By the name of a fault, or of a family of faults (`features` for `features.stale`)."""
    urls = service.urls

    def remote(url: str, *, whole: bool = True) -> Remote:
        return Remote(Order(service.controls, url, whole), undo, service.programs.token)

    pipeline = remote(f"{urls.pipeline}/control/beats/{{beat}}")
    return {
        "traffic.spike": remote(f"{urls.load}/control/spikes/{{beat}}", whole=False),
        "clients.retry_storm": remote(f"{urls.load}/control/clients", whole=False),
        "features": remote(f"{urls.features}/control/beats/{{beat}}"),
        "labels.delay": pipeline,
        "release": pipeline,
        "release.bad_artifact": BadArtifact(service, pipeline),
        "retraining": pipeline,
        "config.push": pipeline,
        "autoscaler.empty_as_zero": pipeline,
        "cost.runaway": pipeline,
        "gateway": Disturbance(service, undo),
        "pods.crash_loop": CrashLoop(service),
        "pods.bad_image": BadImage(service),
        "pods.grey_slow": grey(service, seed),
        "pods.kill": kill(service, seed),
        "pods.hang": Hang(service, undo, seed),
        "pods.unready": unready(service, seed),
        "pods.memory_leak": Leak(service),
        "pods.cpu_throttling": Throttling(service),
    }
