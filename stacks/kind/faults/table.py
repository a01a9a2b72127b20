"""What realises which fault on a cluster: one table.

What services are told to do, and what is changed in the drill's namespace, goes with that. What is done to nodes is in the undo
log before it is done.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import Pod

from ....sandbox.model.errors import StackError
from ...control_plane.faults import Mechanism, Switch, stays
from ...control_plane.gateway_faults import GatewayFaults, Injected
from ...deploy.kubernetes.config import model_of
from ...deploy.kubernetes.names import CHAMPION
from ...deploy.kubernetes.seen import MissingError
from ...real.orders import Order
from ...real.pod_faults import Grey, Kill, Throttling, Unready
from ...services.common.environment import hold
from ...services.common.registry import RegistryClient
from ...services.controller.api import status
from ...services.controller.disturbing import Disturbance
from ...services.controller.pods import ServerPod
from ..cluster.node_hands import Reach
from ..drill.deploying import asking
from ..drill.service import KindService
from .container_faults import BadArtifact, Hang, Image, Suffering
from .evictions import Evictions
from .node_faults import NodeCpu, NodeLoss
from .orders import Orders

PATIENCE = 30.0
"""Wall seconds that the registry has to take a model."""


def mechanisms(service: KindService, seed: int, nodes: Reach | None = None) -> Mapping[str, Mechanism]:
    """By the name of a fault, or of a family of faults (`features` for `features.stale`).

    Without a reach to the nodes, as on somebody else's cluster, there is nothing that would have to be done to them.
    """
    urls, controls = service.urls, service.controls
    orders = Orders(service)
    pipeline = Order(controls, f"{urls.pipeline}/control/beats/{{beat}}")

    def inject(injected: Injected) -> None:
        orders.put(f"{urls.controller}/control/injected", Disturbance.of(injected).model_dump())

    suffering = Suffering(service, lambda body: orders.put(f"{urls.controller}/control/suffering", body))
    suffering.told()
    Image(service, suffering.imageless)
    found: dict[str, Mechanism] = {
        "traffic.spike": Order(controls, f"{urls.load}/control/spikes/{{beat}}", whole=False),
        "clients.retry_storm": Order(controls, f"{urls.load}/control/clients", whole=False),
        "features": Order(orders, f"{urls.features}/control/beats/{{beat}}"),
        "labels.delay": pipeline,
        "release": pipeline,
        "release.bad_artifact": _bad_artifact(service, pipeline),
        "retraining": pipeline,
        "config.push": pipeline,
        "autoscaler.empty_as_zero": pipeline,
        "cost.runaway": pipeline,
        "artifacts.refusing": Order(orders, f"{urls.registry}/control/beats/{{beat}}"),
        "gateway": GatewayFaults(inject),
        "pods.crash_loop": Switch(suffering.push_deadly, stays),
        "pods.bad_image": Switch(suffering.push_imageless, stays),
        "pods.memory_leak": Switch(suffering.leak, suffering.seal),
        "pods.cpu_throttling": Throttling(service),
    }
    return found | _of_replicas(service, seed, nodes)


def _of_replicas(service: KindService, seed: int, nodes: Reach | None) -> dict[str, Mechanism]:
    """What hits some of the replicas, or the nodes that they are on."""

    def ready() -> list[ServerPod]:
        return [one for one in service.pods() if one.pool == CHAMPION and one.ready]

    def tell(one: ServerPod, settings: Mapping[str, object]) -> None:
        if one.name not in service.names():
            return
        try:
            service.controls.post(f"{service.way.pod(one.name)}/control/settings", settings)
        except StackError as error:  # it hangs, or its node is lost: then it does not matter
            if service.watch.answers:
                service.log(one.name, "warning", f"does not take settings: {error}")
            else:
                raise

    def kill(one: ServerPod) -> None:
        service.deletions.ours(one.name)
        with asking(f"deleting {one.name}"):
            try:
                service.client.delete(Pod, one.name, grace_period=0)  # the Deployment makes another
            except ApiError as error:
                if status(error) != httpx.codes.NOT_FOUND:
                    raise
                service.log(one.name, "info", "was gone already")  # the watch has not told of it yet

    found: dict[str, Mechanism] = {
        "pods.grey_slow": Grey(seed, ready, lambda one, factor: tell(one, hold(service.scenario.runtime, factor))),
        "pods.kill": Kill(service, seed, ready, kill),
        "pods.unready": Unready(service, seed, ready, lambda one, unfit: tell(one, {"unfit": unfit})),
    }
    if nodes is not None:
        Evictions(service)
        found["pods.hang"] = Hang(nodes, seed, ready)
        found["nodes.loss"] = NodeLoss(nodes, lambda: service.seen().nodes)
        found["nodes.cpu_limit"] = NodeCpu(nodes, lambda: service.seen().nodes)
    return found


def _bad_artifact(service: KindService, release: Mechanism) -> BadArtifact:
    def upload(name: str, content: bytes) -> None:
        with httpx.Client(transport=service.way.transport(), timeout=PATIENCE, trust_env=False) as client:
            RegistryClient(service.urls.registry, service.controls.token, client).add(name, content)

    def known(version: str) -> str:
        try:
            return model_of(service.seen(), version)
        except MissingError as error:  # without the catalogue no new server finds a model, whatever becomes of this one
            service.log("cluster", "warning", str(error))
            return ""

    return BadArtifact(
        known,
        upload,
        service.lead,
        release,
    )
