"""Names, labels and annotations of a drill's objects."""

from __future__ import annotations

from ..envoy.names import CANDIDATE, CHAMPION, POOLS, SHADOW

__all__ = ["CANDIDATE", "CHAMPION", "POOLS", "SHADOW"]

GATEWAY, FEATURES, PIPELINE, LOAD = "gateway", "feature-store", "pipeline", "load"
REGISTRY, PROMETHEUS, GRAFANA = "registry", "prometheus", "grafana"
INFRASTRUCTURE = (GATEWAY, FEATURES, PIPELINE, LOAD, REGISTRY, PROMETHEUS, GRAFANA)
"""Deployments beside those of model servers, and their Services."""

MODEL_SERVER, ENVOY, CONTROLLER, TRAINING = "model-server", "envoy", "controller", "training"
"""Containers, and components that are no Deployment."""

GATEWAY_CONFIG, ML_CONFIG = "gateway", "ml"
"""ConfigMaps that hold fields of the desired state."""
SCENARIO_CONFIG, TIMING_CONFIG, VERSIONS_CONFIG, PROMETHEUS_CONFIG = "scenario", "timing", "versions", "prometheus"
TRAINING_CONFIG = "training"
SCENARIO_FILE, TRAINING_FILE = "scenario.json", "job.yaml"
GRAFANA_CONFIG, DASHBOARDS_CONFIG = "grafana", "grafana-dashboards"
CONTROL = "control"
"""The Secret with the token of controls, its only key `token`."""

PORT = 8080
"""Where services listen, and the gateway for requests."""
CONTROLLER_PORT, METRICS_PORT, ADMIN_PORT = 8081, 9464, 9901
"""In the gateway's pod: the controller, Envoy's metrics, Envoy's admin interface (on loopback only)."""
PROMETHEUS_PORT, GRAFANA_PORT = 9090, 3000

OURS = "drillbox.dev"
MANAGED_BY, DRILL = "app.kubernetes.io/managed-by", f"{OURS}/drill"
COMPONENT, POOL = "app.kubernetes.io/component", f"{OURS}/pool"
MANAGER = "drillbox"
"""Value of `MANAGED_BY`, and the field manager of what drillbox writes."""
NODE = f"{OURS}/node"
"""Label of a Node: the name that scenarios have for it, `node-1`."""
PREVIOUS = f"{OURS}/previous-version"
RESTARTED, RESTARTED_AFTER = f"{OURS}/restarted", f"{OURS}/restarted-after"
"""Annotations of a Deployment: the last restart that was asked for, and the `KUBECTL_RESTARTED` that there was then."""
KUBECTL_RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""Annotation of a pod template, which `kubectl rollout restart` sets."""

VERSION, CONCURRENCY, QUEUE = "MODEL_VERSION", "MODEL_CONCURRENCY", "MODEL_QUEUE"
EPOCH, LOAD_TIME = "DRILL_EPOCH", "MODEL_LOAD_TIME"
"""Variables, and keys of the ConfigMap `timing`, which containers read when they start."""
CATALOGUE = "MODEL_CATALOGUE"
"""Variable of model servers, and key of the ConfigMap `versions`: which model is behind each version, as JSON."""


def namespace_of(label: str) -> str:
    """The namespace of a drill."""
    return f"drill-{label}"


def labels_of(label: str, component: str, pool: str = "") -> dict[str, str]:
    """Labels of an object of a drill."""
    return {MANAGED_BY: MANAGER, DRILL: label, COMPONENT: component} | ({POOL: pool} if pool else {})
