"""Parts of the controller: what pods, ConfigMaps and kubelets say, and what follows from it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Node, Pod
from prometheus_client import CollectorRegistry, generate_latest

from drillbox.sandbox.loading.library import Library
from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.sandbox.model.service import Fallback
from drillbox.stacks.monitoring.exporter import PlatformMetrics
from drillbox.stacks.services.common.logs import Log
from drillbox.stacks.services.common.settings import read
from drillbox.stacks.services.controller import telling
from drillbox.stacks.services.controller.api import Health, Reflector, open_client
from drillbox.stacks.services.controller.desired import Desired
from drillbox.stacks.services.controller.platform import ClusterPlatform
from drillbox.stacks.services.controller.pods import ServerPod, of_servers, quantity, server_pod, shown
from drillbox.stacks.services.controller.service import Controller
from drillbox.stacks.services.controller.settings import ControllerSettings
from drillbox.stacks.services.controller.usage import Meter, Usage, read_cadvisor

sys.path.insert(0, str(Path(__file__).parents[2] / "local"))
from envoy_kit import free_address, until
from kubernetes_kit import NAMESPACE, FakeKubernetes, deployment, node, pod

CADVISOR = f"""\
# HELP container_memory_working_set_bytes Current working set in bytes.
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{{container="model-server",id="/a",namespace="{NAMESPACE}",pod="a"}} 1.048576e+08 1700000000000
container_memory_working_set_bytes{{container="",id="/p",namespace="{NAMESPACE}",pod="a"}} 2.0e+08 1700000000000
container_memory_working_set_bytes{{container="model-server",id="/x",namespace="other",pod="a"}} 3.0e+08 1700000000000
# TYPE container_cpu_cfs_periods_total counter
container_cpu_cfs_periods_total{{container="model-server",id="/a",namespace="{NAMESPACE}",pod="a"}} 40 1700000000000
container_cpu_cfs_throttled_periods_total{{container="model-server",id="/a",namespace="{NAMESPACE}",pod="a"}} 10 1700000000000
machine_cpu_cores 2
"""


class Lines(Log):
    def __init__(self) -> None:
        super().__init__("controller")
        self.told: list[tuple[str, str]] = []

    def __call__(self, severity: str, text: str) -> None:
        self.told.append((severity, text))


def seen(raw: dict[str, Any]) -> ServerPod:
    found = server_pod(Pod.from_dict(raw))
    assert found is not None
    return found


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = FakeKubernetes()
    (tmp_path / "kubeconfig").write_text(made.kubeconfig())
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield made
    made.close()


# ---------------------------------------------------------------------------------------------------------------------- pods


def test_a_pod_is_seen_as_it_is() -> None:
    assert seen(pod("a", "10.0.0.1", version="v2")) == ServerPod(
        name="a",
        pool="model-champion",
        version="v2",
        node="worker",
        ip="10.0.0.1",
        ready=True,
        running=True,
        leaving=False,
        life="containerd://a-one",
        restarts=0,
        died="",
        limit=512.0,
    )


def test_a_pod_that_is_hardly_there_or_over_is_no_surprise() -> None:
    raw = pod("a", "")
    raw["spec"] = {"containers": [{"name": "model-server"}]}
    raw["status"] = {"phase": "Pending"}
    waiting = seen(raw)
    assert (waiting.ready, waiting.running, waiting.node, waiting.ip, waiting.life, waiting.limit) == (
        False,
        False,
        "",
        "",
        "",
        0.0,
    )
    raw["status"]["phase"] = "Failed"  # evicted: no replica any more
    assert server_pod(Pod.from_dict(raw)) is None
    raw = pod("a", "10.0.0.1")
    raw["metadata"]["labels"] = {}
    assert server_pod(Pod.from_dict(raw)) is None


@pytest.mark.parametrize(
    ("text", "number"), [("512Mi", 2.0**29), ("1G", 1e9), ("250m", 0.25), ("7", 7.0), ("1e3", 1000.0), ("x", 0.0)]
)
def test_quantities(text: str, number: float) -> None:
    assert quantity(text) == number


def test_nodes_of_model_servers_are_no_control_planes_if_there_are_others() -> None:
    control, worker = (Node.from_dict(node(name, control_plane=name == "control")) for name in ("control", "worker"))
    assert of_servers([control, worker]) == {"worker": worker}
    assert of_servers([control]) == {"control": control}
    raw = node("worker-2")
    raw["metadata"]["labels"] = {"drillbox.dev/node": "node-1"}
    named = Node.from_dict(raw)
    assert of_servers([control, worker, named]) == {"worker-2": named}
    assert (shown("worker-2", named), shown("worker", worker), shown("gone", None)) == ("node-1", "worker", "gone")


# ----------------------------------------------------------------------------------------------------------------- ConfigMaps


def test_good_values_are_taken_and_a_bad_one_leaves_the_last(lines: Lines) -> None:
    desired = Desired(lines)
    desired.read("gateway", {"timeout": "2s", "retries": "3"})
    desired.read("ml", {"fallback": "always"})
    assert (desired.spec.gateway.timeout, desired.spec.gateway.retries, desired.spec.fallback) == (2.0, 3, Fallback.ALWAYS)
    assert lines.told == []
    for _ in range(2):  # told once
        desired.read("gateway", {"timeout": "4s", "retries": "-1"})
    assert (desired.spec.gateway.timeout, desired.spec.gateway.retries) == (4.0, 3)
    severities = [severity for severity, _ in lines.told]
    assert severities == ["error", "info"]
    assert lines.told[0][1].startswith("ConfigMap gateway: retries: -1 is out of bounds")
    assert lines.told[1][1] == "ConfigMap gateway: timeout is now 4s"
    assert desired.wrong() == [("gateway", "retries")]
    desired.read("gateway", {"timeout": "4s", "retries": "5"})
    assert desired.wrong() == []
    assert desired.spec.gateway.retries == 5
    assert desired.rejected["gateway", "retries"] == 1


def test_a_map_or_a_key_that_is_gone_leaves_what_was_there(lines: Lines) -> None:
    desired = Desired(lines)
    desired.read("gateway", None)
    desired.read("gateway", {"timeout": "2s", "shed": "10%"})
    desired.read("gateway", {"timeout": "2s"})
    desired.read("gateway", None)
    assert (desired.spec.gateway.timeout, desired.spec.gateway.shed) == (2.0, 0.1)
    assert [text for _, text in lines.told] == [
        "there is no ConfigMap gateway: defaults stay",
        "ConfigMap gateway: shed is gone: its last value stays",
        "there is no ConfigMap gateway: its last values stay",
    ]
    desired.read("gateway", {"timeuot": "1s"})
    assert "did you mean 'timeout'" in lines.told[-2][1] + lines.told[-1][1]


# ------------------------------------------------------------------------------------------------------------------ platform


class Objects:
    def __init__(self) -> None:
        self.servers = [seen(pod("a", "10.0.0.1")), seen(pod("b", "10.0.0.2", ready=False))]
        self.deployments = [Deployment.from_dict(deployment("model-champion", 3)), Deployment.from_dict(deployment("other", 1))]
        self.nodes = [Node.from_dict(node("worker"))]


def test_the_platform_costs_and_forgets_no_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("drillbox.stacks.services.controller.platform.time.monotonic", lambda: now[0])
    library = Library.packaged()
    scenario = library.load(library.find("monday-rush"))
    objects = Objects()
    platform = ClusterPlatform(objects, lambda name: Usage(100.0) if name == "a" else None, lambda: 60.0, scenario)
    platform.look()
    now[0] += 10.0
    assert platform.replica_seconds() == 20.0
    killed = pod("a", "10.0.0.1")
    for run in ("one", "two", "two"):
        end = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "containerID": run}}
        killed["status"]["containerStatuses"][0]["lastState"] = end
        objects.servers = [seen(killed)]
        platform.look()
    now[0] += 10.0
    assert platform.replica_seconds() == 30.0
    registry = CollectorRegistry()
    registry.register(PlatformMetrics(platform))
    text = generate_latest(registry).decode()
    labels = '{deployment="model-champion",pod="a"}'
    assert f"container_oom_events_total{labels} 2.0" in text
    assert f"container_memory_working_set_bytes{labels} 1.048576e+08" in text
    assert "container_cpu_cfs_periods_total{" not in text  # nobody told
    leaving = pod("a", "10.0.0.1")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    objects.servers = [seen(leaving), seen(pod("b", "10.0.0.2"))]
    assert [one.ready for one in platform.pods()] == [False, True]  # a Deployment does not count those that were asked to end
    dollars = 30.0 * scenario.world.prices.replica_hour / 3600.0
    assert f'service_cost_dollars_total{{item="replicas"}} {dollars}' in text
    assert 'kube_deployment_spec_replicas{deployment="model-champion"} 3.0' in text
    assert "other" not in text


def test_a_kubelet_tells_of_its_model_servers_only() -> None:
    assert dict(read_cadvisor(CADVISOR, NAMESPACE)) == {"a": Usage(100.0, 40.0, 10.0)}


async def metered(api: FakeKubernetes, lines: Lines) -> tuple[Usage | None, Usage | None]:
    client = open_client(NAMESPACE)
    meter = Meter(client, lambda: [seen(pod("a", "10.0.0.1")), seen(pod("b", "10.0.0.2"))], lines)
    await meter.ask()
    await meter.close()
    await client.close()
    return meter.usage("a"), meter.usage("b")


def test_usage_comes_from_the_kubelet_else_from_the_metrics_api_else_from_nobody(api: FakeKubernetes, lines: Lines) -> None:
    assert asyncio.run(metered(api, lines)) == (None, None)
    assert [text.partition(" does not tell")[0] for _, text in lines.told] == ["the kubelet of worker", "the metrics API"]
    usage = {"containers": [{"name": "model-server", "usage": {"cpu": "5m", "memory": "2048Ki"}}]}
    api.texts[f"apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods"] = json.dumps(
        {"kind": "PodMetricsList", "metadata": {}, "items": [{"metadata": {"name": "b"}, **usage}]}
    )
    assert asyncio.run(metered(api, lines)) == (None, Usage(2.0))
    api.texts["api/v1/nodes/worker/proxy/metrics/cadvisor"] = CADVISOR
    assert asyncio.run(metered(api, lines)) == (Usage(100.0, 40.0, 10.0), None)


# ------------------------------------------------------------------------------------------------------------------ settings


def test_a_container_that_takes_no_settings_gets_requests_all_the_same_but_late(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "PATIENCE", 0.1)
    nobody = free_address().port

    async def told() -> tuple[bool, bool]:
        changed = asyncio.Event()
        teller = telling.Teller("token", nobody, lines, changed.set)
        before, deaf = seen(pod("before", "127.0.0.1")), seen(pod("a", "127.0.0.1"))
        teller.tell([before], {"fallback": "off"})
        assert teller.admits(before)  # it has served before this process began
        teller.tell([before, deaf], {"fallback": "off"})
        early = teller.admits(deaf)
        async with asyncio.timeout(60.0):
            await changed.wait()
        late = teller.admits(deaf)
        anew = seen(pod("a", "127.0.0.1", life="two"))
        assert not teller.admits(anew)  # another run of the container, which nobody has told anything yet
        await teller.close()
        return early, late

    assert asyncio.run(told()) == (False, True)
    assert lines.told == [("warning", "a does not take its settings: it gets requests all the same")]


def test_without_a_token_nobody_is_told_anything_and_all_get_requests(lines: Lines) -> None:
    async def told() -> bool:
        teller = telling.Teller("", 1, lines, lambda: None)
        one = seen(pod("a", "127.0.0.1"))
        teller.tell([one], {"fallback": "off"})
        try:
            return teller.admits(one) and not teller.results
        finally:
            await teller.close()

    assert asyncio.run(told())


# ----------------------------------------------------------------------------------------------------------------------- API


def test_an_account_that_may_not_see_nodes_goes_without(api: FakeKubernetes, lines: Lines) -> None:
    api.denied.add("nodes")
    changes: list[int] = []

    async def watched() -> Reflector[Node]:
        health = Health(lines)
        client = open_client(NAMESPACE)
        nodes = Reflector(client, Node, "nodes", health, lambda: changes.append(1), optional=True)
        async with asyncio.timeout(30.0):
            await nodes.run()
        await client.close()
        assert health.answers
        return nodes

    nodes = asyncio.run(watched())
    assert (nodes.synced, nodes.objects, changes) == (True, {}, [1])


def test_without_an_account_the_message_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in ("", str(tmp_path / "none")):
        monkeypatch.setenv("KUBECONFIG", path)
        with pytest.raises(StackError, match="the Kubernetes API cannot be used: .*service account"):
            open_client(NAMESPACE)


# ----------------------------------------------------------------------------------------------------------------- processes


def test_wrong_settings_are_named() -> None:
    with pytest.raises(UsageError) as caught:
        read(ControllerSettings, {"GATEWAY_ADMIN_PORT": "70000", "CONTROLLER_NAMESPACE": "Not A Name", "GATEWAY_FOLDR": "/x"})
    told = str(caught.value)
    assert "GATEWAY_FOLDR is no setting of this service: did you mean GATEWAY_FOLDER?" in told
    assert "GATEWAY_ADMIN_PORT='70000' is wrong" in told
    assert "CONTROLLER_NAMESPACE='Not A Name' is wrong" in told


def test_a_scenario_that_cannot_be_read_is_named(tmp_path: Path, lines: Lines) -> None:
    (tmp_path / "scenario.json").write_text("{}")
    settings = read(ControllerSettings, {"DRILL_SCENARIO": str(tmp_path / "scenario.json")})
    with pytest.raises(UsageError, match="scenario.json: it is no scenario"):
        Controller(settings, lines)


def test_envoy_that_waits_for_its_files_ends_when_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = [sys.executable, "-m", "drillbox.stacks.services.controller.envoy"]
    with log.open("w") as out:
        process = subprocess.Popen(
            argv, env={"PATH": os.environ["PATH"], "GATEWAY_FOLDER": str(tmp_path / "envoy")}, stdout=out, stderr=out
        )
    wait(lambda: "waiting for the controller to write" in log.read_text(), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30.0) == 0


def wait(done: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until(lambda: done() or process.poll() is not None, 180.0)
    assert done()
