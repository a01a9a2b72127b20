"""A drill on the small API server, with services that take every order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from drillbox.sandbox.loading.library import Library
from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.service import Change
from drillbox.stacks.deploy.kubernetes.names import labels_of
from drillbox.stacks.deploy.kubernetes.objects import document, objects_of
from drillbox.stacks.kind.drill.place import Place
from drillbox.stacks.kind.drill.proxy import Way
from drillbox.stacks.kind.drill.service import KindService
from drillbox.stacks.real.controls import Controls
from drillbox.stacks.services.common.times import DrillClock

sys.path.insert(0, str(Path(__file__).parents[2] / "local"))
sys.path.insert(0, str(Path(__file__).parents[1] / "kubernetes"))
from envoy_kit import until
from kubernetes_kit import FakeKubernetes
from objects_kit import WORKERS, setup_of

PLURALS = {"Deployment": "deployments", "ConfigMap": "configmaps"}
CHAMPION, MAPS, DEPLOYMENTS = "model-champion", "configmaps", "deployments"


class Services:
    """Services that take every order, and say nothing."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, object]] = []
        self.yaml = ""  # of Prometheus
        self.away = ""  # a service that does not answer

    @property
    def reloads(self) -> int:
        return sum(url.endswith("/-/reload") for url, _ in self.orders)

    def get(self, _url: str, **_params: object) -> Mapping[str, object]:
        return {"items": [], "training_seconds": 0.0, "data": {"yaml": self.yaml}}

    def put(self, url: str, body: object = None, _patience: float = 1.0) -> None:
        if self.away and self.away in url:
            raise StackError(f"{url}: 503: no endpoints available")
        self.orders.append((url, body))

    post = put


class Drill:
    """A drill whose cluster is the test's."""

    def __init__(self, folder: Path) -> None:
        library = Library.packaged()
        scenario = library.load(library.find("monday-rush"))
        setup = setup_of(scenario)
        self.api, self.services = FakeKubernetes(), Services()
        for one in map(document, objects_of(setup)):
            if one["kind"] in PLURALS:
                self.api.put(PLURALS[one["kind"]], one)
        for known, name in WORKERS.items():
            self.api.put(
                "nodes", {"kind": "Node", "metadata": {"name": name, "labels": {"drillbox.dev/node": known}}, "spec": {}}
            )
        (folder / "kubeconfig").write_text(self.api.kubeconfig())
        place = Place(folder / "kubeconfig", setup.where, setup.label)
        way = Way(folder / "socket", setup.where)
        self.trouble = ""  # that a look at the cluster finds
        self.service = KindService(scenario, DrillClock(None), place, way, cast("Controls", self.services), self.check)
        self.service.watch.start(60.0)
        self.changes: list[Change] = []
        self.logs: list[str] = []

    def check(self) -> None:
        if self.trouble:
            raise StackError(self.trouble)

    def look(self) -> None:
        self.service.round(0.0)
        found = self.service.take()
        self.changes += found.changes
        self.logs += [line.text for line in found.logs]

    def wait(self, done: Callable[[], bool]) -> None:
        def looked() -> bool:
            self.look()
            return done()

        until(looked, 60.0)

    def by(self, manager: str, plural: str, name: str, body: Mapping[str, Any]) -> None:
        self.api.patch(plural, name, dict(body), manager)

    def close(self) -> None:
        self.service.close()
        self.api.close()


def variable(name: str, value: str) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "model-server", "env": [{"name": name, "value": value}]}]}}}}


def running(name: str, component: str, life: str) -> dict[str, Any]:
    label = setup_of(Library.packaged().load(Library.packaged().find("monday-rush"))).label
    status = {"name": component, "containerID": life, "state": {"running": {}}, "image": "", "imageID": "", "ready": True}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels_of(label, component)},
        "spec": {"containers": [{"name": component}]},
        "status": {"containerStatuses": [{**status, "restartCount": 0}]},
    }


def server(name: str, node: str, *, ready: bool = True) -> dict[str, Any]:
    """A champion on a node."""
    one = running(name, "model-server", f"containerd://{name}")
    one["metadata"]["labels"]["drillbox.dev/pool"] = CHAMPION
    one["spec"]["nodeName"] = node
    one["status"]["conditions"] = [{"type": "Ready", "status": "True" if ready else "False"}]
    return one


def deleted(drill: Drill) -> list[str]:
    return sorted(line.rpartition(" ")[2] for line in drill.api.requests if line.startswith("delete pods"))
