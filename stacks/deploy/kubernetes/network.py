"""The Services of a drill: a name for each Deployment."""

from __future__ import annotations

from collections.abc import Mapping

from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.resources.core_v1 import Service

from .deployments import selected
from .names import (
    CONTROLLER_PORT,
    FEATURES,
    GATEWAY,
    GRAFANA,
    GRAFANA_PORT,
    LOAD,
    METRICS_PORT,
    MODEL_SERVER,
    PIPELINE,
    POOLS,
    PORT,
    PROMETHEUS,
    PROMETHEUS_PORT,
    REGISTRY,
)
from .setup import Setup

_USUAL = {"http": PORT}


def services(setup: Setup) -> list[Service]:
    """All of them."""
    found = [
        _service(setup, GATEWAY, _USUAL | {"metrics": METRICS_PORT, "control": CONTROLLER_PORT}),
        *(_service(setup, name, _USUAL) for name in (FEATURES, PIPELINE, LOAD, REGISTRY)),
        *(_service(setup, pool, _USUAL, MODEL_SERVER, pool) for pool in POOLS),
        _service(setup, PROMETHEUS, {"http": PROMETHEUS_PORT}),
    ]
    return [*found, _service(setup, GRAFANA, {"http": GRAFANA_PORT})] if setup.images.grafana else found


def _service(setup: Setup, name: str, ports: Mapping[str, int], component: str = "", pool: str = "") -> Service:
    component = component or name
    listening = [ServicePort(name=one, port=number, targetPort=one, protocol="TCP") for one, number in ports.items()]
    spec = ServiceSpec(selector=selected(setup, component, pool), ports=listening)
    return Service(metadata=setup.meta(name, component, pool), spec=spec)
