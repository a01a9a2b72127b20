"""Objects of a drill as a cluster has them, and what kubectl leaves of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lightkube.codecs import from_dict

from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import ServiceSpec
from drillbox.stacks.deploy.kubernetes.names import NODE
from drillbox.stacks.deploy.kubernetes.objects import document, objects_of
from drillbox.stacks.deploy.kubernetes.seen import Patch, Seen, merge
from drillbox.stacks.deploy.kubernetes.setup import Images, Setup

WORKERS = {"node-1": "drill-worker", "node-2": "drill-worker2"}
IMAGES = Images("drillbox-app:0123456789ab", "prom/prometheus:v3.5.0", "grafana/grafana:11.5.0", envoy="envoyproxy/envoy:v1.39.0")
"""All that there can be."""
_KINDS = ("Deployment", "ConfigMap", "Node")
Doc = dict[str, Any]
Documents = dict[tuple[str, str], dict[str, Any]]


def setup_of(scenario: Scenario, spec: ServiceSpec | None = None, **given: Any) -> Setup:
    """A drill of a scenario, with another desired state if one is given."""
    chosen = scenario if spec is None else dataclasses.replace(scenario, service=spec)
    artifacts = {name: f"{name}-0123456789ab" for name in chosen.deployable}
    images = given.pop("images", IMAGES)
    return Setup("monday-3", chosen, 3, "secret-token", images, artifacts, **given)


class Cluster:
    """The documents of a cluster's objects; patches are merged as the API server does it."""

    def __init__(self, documents: Iterable[dict[str, Any]]) -> None:
        self.documents: Documents = {(one["kind"], one["metadata"]["name"]): one for one in documents}
        self._known: dict[int, tuple[dict[str, Any], Any]] = {}  # documents that were read, by their identity

    @classmethod
    def of(cls, setup: Setup) -> Cluster:
        nodes = [
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {NODE: known}}, "spec": {}}
            for known, name in WORKERS.items()
        ]
        return cls([*map(document, objects_of(setup)), *nodes])

    def copy(self) -> Cluster:
        """Another of the same documents, which knows what was read of them."""
        other = Cluster(self.documents.values())
        other._known = dict(self._known)
        return other

    @property
    def seen(self) -> Seen:
        return Seen.of(self._read(one) for one in self.documents.values() if one["kind"] in _KINDS)

    def _read(self, one: dict[str, Any]) -> Any:
        """A patch makes a new document, so that each has to be read only once."""
        if id(one) not in self._known:
            self._known[id(one)] = (one, from_dict(one))
        return self._known[id(one)][1]

    def take(self, patches: Iterable[Patch]) -> None:
        """Merge patches, as `client.patch` with a strategic merge patch does."""
        for one in patches:
            key = (one.kind.__name__, one.name)
            self.documents[key] = merge(self.documents[key], one.body)

    def kubectl(self, kind: str, name: str, change: dict[str, Any]) -> None:
        """What a command of kubectl patches."""
        self.documents[kind, name] = merge(self.documents[kind, name], change)


def of_kind(docs: list[Doc], *kinds: str) -> dict[str, Doc]:
    """The documents of some kinds by name."""
    return {one["metadata"]["name"]: one for one in docs if one["kind"] in kinds}


def containers(pods: Mapping[str, Doc]) -> Iterator[tuple[str, Doc]]:
    """Name, with that of the pod before it, and container."""
    for name, pod in pods.items():
        assert "initContainers" not in pod
        yield from ((f"{name}/{one['name']}", one) for one in pod["containers"])


def container(**part: Any) -> dict[str, Any]:
    """A patch of the model server's container."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "model-server", **part}]}}}}
