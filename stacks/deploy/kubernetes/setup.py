"""What the objects of a drill depend on, beside the catalogue: the scenario, and how and where it is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lightkube.models.meta_v1 import ObjectMeta

from ....sandbox.model.scenario import Scenario
from ....sandbox.model.service import ServiceSpec
from .names import labels_of, namespace_of

KUBERNETES, CONTROLLER = "kubernetes", "controller"
"""Whom Prometheus asks for its targets: the Kubernetes API, or the controller of the gateway."""


@dataclass(frozen=True, slots=True)
class Images:
    """The images of the containers.

    Attributes:
        application: all of drillbox's own programs, Envoy, and Prometheus.
        prometheus: whose entry point is Prometheus, as in `prom/prometheus`; that of the application if not given.
        grafana: Grafana's; without one there is no Grafana.
        pull: when a node pulls them: `IfNotPresent`, `Never` or `Always`.
        envoy: with programs `envoy` and `sh`, as `envoyproxy/envoy`; that of the application if not given.
        discovery: how Prometheus finds its targets: `KUBERNETES`, `CONTROLLER`, or empty for what its image can in any case.
    """

    application: str
    prometheus: str = ""
    grafana: str = ""
    pull: str = "IfNotPresent"
    envoy: str = ""
    discovery: str = ""

    @property
    def asks_kubernetes(self) -> bool:
        """Whether Prometheus asks the Kubernetes API for its targets, for which it needs a Role."""
        return self.discovery == KUBERNETES or (not self.discovery and bool(self.prometheus))


@dataclass(frozen=True, slots=True)
class Setup:
    """One drill on a cluster.

    Attributes:
        label: of the drill, a DNS label; names of objects do not contain it.
        scenario: of the drill.
        seed: of its random streams.
        token: what controls ask for.
        images: of the containers.
        artifacts: by version, the id of the model behind it.
        namespace: where it is deployed; one of its own if not given.
        own_cluster: whether drillbox made the cluster: then the controller may see its nodes. In somebody else's nothing
            outside the namespace is touched or read.
    """

    label: str
    scenario: Scenario
    seed: int
    token: str
    images: Images
    artifacts: Mapping[str, str]
    namespace: str = ""
    own_cluster: bool = True

    @property
    def spec(self) -> ServiceSpec:
        """The desired state at the beginning."""
        return self.scenario.service

    @property
    def where(self) -> str:
        """The namespace."""
        return self.namespace or namespace_of(self.label)

    def meta(self, name: str, component: str, pool: str = "") -> ObjectMeta:
        """Name, namespace and labels of an object."""
        return ObjectMeta(name=name, namespace=self.where, labels=labels_of(self.label, component, pool))
