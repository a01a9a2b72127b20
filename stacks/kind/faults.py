"""What realises which fault on a cluster: one table.

What services are told to do, and what is changed in the drill's namespace, goes with that. What is done to nodes is in the undo
log before it is done.
"""

from __future__ import annotations

from collections.abc import Mapping

from lightkube.resources.core_v1 import Pod

from ..control_plane.faults import Mechanism
from ..control_plane.gateway_faults import GatewayFaults, Injected
from ..deploy.kubernetes.names import CHAMPION
from ..real.orders import Order
from ..real.pod_faults import Grey, Kill, Throttling
from ..services.common.environment import hold
from ..services.controller.disturbing import Disturbance
from ..services.controller.pods import ServerPod
from .deploying import asking
from .service import KindService


def mechanisms(service: KindService, seed: int) -> Mapping[str, Mechanism]:
    """By the name of a fault, or of a family of faults (`features` for `features.stale`)."""
    urls, controls = service.urls, service.controls
    pipeline = Order(controls, f"{urls.pipeline}/control/beats/{{beat}}")

    def ready() -> list[ServerPod]:
        return [one for one in service.pods() if one.pool == CHAMPION and one.ready]

    def pace(one: ServerPod, factor: float) -> None:
        if one.name in service.names():
            controls.post(f"{service.way.pod(one.name)}/control/settings", hold(service.scenario.runtime, factor))

    def kill(one: ServerPod) -> None:
        with asking(f"deleting {one.name}"):
            service.client.delete(Pod, one.name, grace_period=0)  # the Deployment makes another

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
        "pods.grey_slow": Grey(seed, ready, pace),
        "pods.kill": Kill(service, seed, ready, kill),
        "pods.cpu_throttling": Throttling(service),
    }
