"""What faults have told services outlives the pods of these: each that begins anew is told again, but for what that has repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pytest
from lightkube.models.core_v1 import ContainerState, ContainerStateRunning, ContainerStatus, PodCondition, PodStatus
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.kind.drill.proxy import Way
from drillbox.stacks.kind.drill.service import KindService, KindUrls
from drillbox.stacks.kind.faults.orders import PAUSE
from drillbox.stacks.kind.faults.table import mechanisms
from drillbox.stacks.real.controls import RefusedError

Json = Mapping[str, object]
DELAY, STALE, OUTAGE = "gateway.delay", "features.stale", "features.outage"


class Cluster:
    """Pods whose services remember what they are told until their containers end, and the host's side of a drill."""

    def __init__(self) -> None:
        self.lives: dict[str, str] = {}  # by pod
        self.unready: set[str] = set()
        self.away: set[str] = set()
        self.refusing: set[str] = set()
        self.memory: dict[str, dict[str, Json]] = {}
        self.asked = 0
        self.logs: list[str] = []
        self.chores: list[Callable[[float], None]] = []
        self.way = Way(Path("/socket"), "drill-x")
        self.urls = KindUrls.by(self.way)
        self.controls, self.watch = self, self
        self.scenario = load_scenario(Library.packaged().find("slow-afternoon"), "short")
        self.spec = self.scenario.service
        for component in ("gateway", "registry", "feature-store"):
            self.begin(f"{component}-1")

    def begin(self, name: str, life: str = "1") -> None:
        """A pod, or its next container, that knows nothing."""
        self.lives[name], self.memory[name] = life, {}

    def replace(self, name: str, by: str) -> None:
        """Its Deployment makes another."""
        del self.lives[name], self.memory[name]
        self.begin(by)

    def pods(self) -> list[Pod]:
        return [self._pod(name, life) for name, life in self.lives.items()]

    def _pod(self, name: str, life: str) -> Pod:
        running = ContainerState(running=ContainerStateRunning())
        status = ContainerStatus("", "", name="c", ready=True, restartCount=0, containerID=f"{name}/{life}", state=running)
        ready = PodCondition(status=str(name not in self.unready), type="Ready")
        labels = {"app.kubernetes.io/component": name.rpartition("-")[0]}
        return Pod(
            metadata=ObjectMeta(name=name, labels=labels), status=PodStatus(conditions=[ready], containerStatuses=[status])
        )

    def put(self, url: str, body: Json) -> None:
        self._memory(url)[url.partition("/proxy")[2]] = body

    post = put

    def delete(self, url: str) -> None:
        self._memory(url).pop(url.partition("/proxy")[2], None)

    def _memory(self, url: str) -> dict[str, Json]:
        self.asked += 1
        name = url.partition("/pods/")[2].partition(":")[0]
        if name in self.refusing:
            raise RefusedError(url, 422, "it is not of this service")
        if name in self.away or name not in self.memory:
            raise RefusedError(url, 503, "no endpoints available")
        return self.memory[name]

    def names(self) -> tuple[str, ...]:
        return ()

    def still(self) -> object:
        raise AssertionError("nothing of this is drawn")

    def lead(self, _version: str, _model: str) -> None:
        raise AssertionError("nothing is released")

    def log(self, component: str, _severity: str, text: str) -> None:
        self.logs.append(f"{component}: {text}")

    def round(self, now: float) -> None:
        for chore in self.chores:
            chore(now)

    def faults(self) -> Callable[..., None]:
        """Begins faults, and ends those without parameters."""
        known = mechanisms(cast("KindService", self), 1)

        def apply(beat: str, fault: str, **params: object) -> None:
            mechanism = known.get(fault) or known[fault.partition(".")[0]]
            if params or fault == "artifacts.refusing":
                mechanism.begin(beat, fault, params)  # type: ignore[arg-type]  # of the catalogue
            else:
                mechanism.end(beat)

        return apply

    def injected(self, pod: str) -> float:
        """Seconds of delay at a gateway."""
        return float(str(self.memory[pod].get("/control/injected", {}).get("delay", 0.0)))

    def beats(self, pod: str) -> set[str]:
        """Those in force at the registry or a feature store."""
        return {path.rpartition("/")[2] for path in self.memory[pod] if "/beats/" in path}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_the_gateways_next_pod_is_disturbed_like_the_one_before(cluster: Cluster) -> None:
    apply = cluster.faults()
    apply("a", DELAY, delay=0.3, share=1.0)
    apply("b", "pods.memory_leak", leak=2.0)
    cluster.replace("gateway-1", by="gateway-2")
    cluster.unready.add("gateway-2")
    cluster.round(1.0)
    assert cluster.memory["gateway-2"] == {}
    cluster.unready.clear()
    cluster.round(2.0)
    assert cluster.injected("gateway-2") == 0.3
    assert cluster.memory["gateway-2"]["/control/suffering"] == {"large": False, "leak": 2.0, "deadly": {}}
    asked = cluster.asked
    cluster.round(9.0)
    assert cluster.asked == asked, "who knows all is left in peace"
    apply("a", DELAY)
    cluster.replace("gateway-2", by="gateway-3")
    cluster.round(11.0)
    assert cluster.injected("gateway-3") == 0.0


def test_another_container_and_another_replica_are_told_too(cluster: Cluster) -> None:
    apply = cluster.faults()
    apply("a", "artifacts.refusing")
    cluster.begin("registry-1", "2")
    cluster.begin("registry-2")
    cluster.round(1.0)
    assert (cluster.beats("registry-1"), cluster.beats("registry-2")) == ({"a"}, {"a"})


def test_a_service_that_is_away_is_told_when_it_is_back(cluster: Cluster) -> None:
    apply = cluster.faults()
    cluster.unready.add("gateway-1")
    apply("a", DELAY, delay=0.3, share=1.0)
    assert cluster.injected("gateway-1") == 0.0
    cluster.unready.clear()
    cluster.away.add("gateway-1")
    cluster.round(1.0)
    cluster.away.clear()
    asked = cluster.asked
    cluster.round(1.0 + PAUSE / 2)
    assert cluster.asked == asked, "not in every round"
    cluster.round(1.0 + PAUSE)
    assert cluster.injected("gateway-1") == 0.3
    cluster.unready.add("gateway-1")
    apply("a", DELAY)
    assert cluster.injected("gateway-1") == 0.3
    cluster.unready.clear()
    cluster.round(3.0)
    assert cluster.injected("gateway-1") == 0.0


def test_a_restart_of_the_feature_store_repairs_what_a_restart_repairs(cluster: Cluster) -> None:
    apply = cluster.faults()
    apply("a", STALE, source="JFK")
    apply("b", OUTAGE, share=0.5)
    cluster.unready.add("feature-store-1")
    cluster.round(1.0)
    cluster.unready.clear()
    cluster.round(2.0)
    assert cluster.beats("feature-store-1") == {"a", "b"}, "it has been late with an answer, no more"
    assert "/control/settings" not in cluster.memory["feature-store-1"]
    cluster.replace("feature-store-1", by="feature-store-2")
    cluster.round(3.0)
    assert cluster.beats("feature-store-2") == {"b"}
    feed = cluster.spec.features.feed
    assert cluster.memory["feature-store-2"]["/control/settings"] == {"feed": feed, "restarted": "feature-store-2"}
    apply("a", STALE)
    apply("b", OUTAGE)
    assert cluster.beats("feature-store-2") == set()
    apply("c", STALE, source="EWR")
    cluster.begin("feature-store-3")
    cluster.round(5.0)
    assert cluster.beats("feature-store-2") == {"c"}
    assert cluster.beats("feature-store-3") == set(), "its consumers have just started"


def test_what_a_service_will_never_take_is_no_order(cluster: Cluster) -> None:
    apply = cluster.faults()
    cluster.refusing.add("feature-store-1")
    with pytest.raises(StackError, match="422: it is not of this service"):
        apply("b", OUTAGE, share=0.5)
    cluster.refusing.clear()
    cluster.round(1.0)
    assert cluster.beats("feature-store-1") == set()
    cluster.begin("feature-store-1", "2")
    cluster.refusing.add("feature-store-1")
    for second in range(10):
        cluster.round(2.0 + second)
    assert len(cluster.logs) == 1, "once is enough"
