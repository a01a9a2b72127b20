"""What realises which fault on a cluster: one table.

What services are told to do, and what is changed in the drill's namespace, goes with that. What is done to nodes is in the undo
log before it is done.
"""

from __future__ import annotations

from collections.abc import Mapping

from lightkube.resources.core_v1 import Pod

from ...sandbox.model.params import Params
from ...sandbox.model.platform_actions import push
from ...sandbox.model.service import differences
from ...sandbox.world.streams import Stream
from ..control_plane.faults import Mechanism
from ..control_plane.gateway_faults import GatewayFaults, Injected
from ..control_plane.luck import Draw
from ..deploy.kubernetes.names import CHAMPION
from ..real.orders import Order
from ..services.common.environment import hold
from ..services.controller.disturbing import Disturbance
from ..services.controller.pods import ServerPod
from .deploying import asking
from .service import KindService


class Grey:
    """One of the champion's ready replicas, drawn as in the simulation, takes longer for its answers."""

    def __init__(self, service: KindService, seed: int) -> None:
        self._service = service
        self._luck = Stream(seed, "faults/grey")
        self._drawn = 0
        self._slow: dict[str, str] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        ready = ready_of(self._service)
        if ready:
            name = self._slow[beat] = ready[int(self._luck.uniform(self._drawn, 1)[0] * len(ready))].name
            self._pace(name, float(params["factor"]))
        self._drawn += 1

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        name = self._slow.pop(beat, None)
        if name is not None and name in self._service.names():
            self._pace(name, 1.0)

    def _pace(self, name: str, factor: float) -> None:
        service = self._service
        service.controls.post(f"{service.way.pod(name)}/control/settings", hold(service.scenario.runtime, factor))


class Kill:
    """Some of the champion's ready pods are deleted without grace, once or again and again; the Deployment makes new ones."""

    def __init__(self, service: KindService, seed: int) -> None:
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
        for beat, (due, every, count) in tuple(self._due.items()):
            if now >= due:
                self._due[beat] = (due + every, every, count)
                self._kill(count)

    def _kill(self, count: int) -> None:
        for one in self._draw.of(ready_of(self._service), count):
            with asking(f"deleting {one.name}"):
                self._service.client.delete(Pod, one.name, grace_period=0)


class Throttling:
    """A push of configuration lowers the CPU limit; it stays until somebody takes it back."""

    def __init__(self, service: KindService) -> None:
        self._service = service

    def begin(self, _beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        spec = self._service.spec
        changes = differences(spec, push(spec, {"servers.cpu": float(params["limit"])}), "capacity")
        self._service.desire({change.field: change.after for change in changes}, "capacity", "limits as they are used")

    def end(self, beat: str) -> None:
        """As `Mechanism`."""


def ready_of(service: KindService) -> list[ServerPod]:
    """The champion's ready replicas, the oldest first as far as names tell."""
    return [one for one in service.pods() if one.pool == CHAMPION and one.ready]


def mechanisms(service: KindService, seed: int) -> Mapping[str, Mechanism]:
    """By the name of a fault, or of a family of faults (`features` for `features.stale`)."""
    urls, controls = service.urls, service.controls
    pipeline = Order(controls, f"{urls.pipeline}/control/beats/{{beat}}")

    def inject(injected: Injected) -> None:
        controls.put(f"{urls.controller}/control/injected", Disturbance.of(injected).model_dump())

    return {
        "traffic.spike": Order(controls, f"{urls.load}/control/spikes/{{beat}}", whole=False),
        "clients.retry_storm": Order(controls, f"{urls.load}/control/clients", whole=False),
        "features": Order(controls, f"{urls.features}/control/beats/{{beat}}"),
        "labels.delay": pipeline,
        "release": pipeline,
        "retraining": pipeline,
        "config.push": pipeline,
        "autoscaler.empty_as_zero": pipeline,
        "cost.runaway": pipeline,
        "gateway": GatewayFaults(inject),
        "pods.grey_slow": Grey(service, seed),
        "pods.kill": Kill(service, seed),
        "pods.cpu_throttling": Throttling(service),
    }
