"""The controller and a real Envoy in front of two model servers: what changes in the cluster reaches requests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.deploy.envoy.program import find_envoy

sys.path.insert(0, str(Path(__file__).parent))
from controller_kit import World, world
from kubernetes_kit import config_map, node, pod

try:
    find_envoy()
except StackError as error:
    pytest.skip(str(error), allow_module_level=True)

BOTH = {"127.0.0.1", "127.0.0.2"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gateway that serves: the processes are started once, as that takes longest."""
    with world(tmp_path_factory.mktemp("controller")) as made:
        made.fill()
        made.envoy = made.start("controller.envoy")
        made.controller = made.start()
        made.wait(made.ready)
        made.wait(lambda: made.healthy() == BOTH)
        assert made.said("waiting for the controller to write")
        yield made


@pytest.fixture
def cluster(running: World) -> Iterator[World]:
    """It, as at the beginning."""
    yield running
    running.reset()
    running.wait(lambda: running.healthy() == BOTH and running.ask() == 200)


def test_pods_come_and_go(cluster: World) -> None:
    cluster.serve("c", "127.0.0.3")
    cluster.wait(lambda: cluster.healthy() == {*BOTH, "127.0.0.3"})
    cluster.api.change("pods", "a", metadata__deletionTimestamp="2026-01-01T00:00:00Z")
    cluster.wait(lambda: cluster.healthy() == {"127.0.0.2", "127.0.0.3"})
    cluster.api.delete("pods", "b")
    cluster.wait(lambda: cluster.healthy() == {"127.0.0.3"})
    cluster.api.change("pods", "c", status__conditions=[{"type": "Ready", "status": "False"}])
    cluster.wait(lambda: cluster.healthy() == set())
    assert cluster.ask() == 503
    cluster.api.change("pods", "c", status__conditions=[{"type": "Ready", "status": "True"}])
    cluster.wait(lambda: cluster.ask() == 200)


def test_a_pod_that_kubernetes_still_calls_ready_but_that_does_not_answer_leaves(cluster: World) -> None:
    cluster.replicas["a"].ready = False
    cluster.wait(lambda: cluster.healthy() == {"127.0.0.2"})
    assert cluster.series()['controller_endpoints{deployment="model-champion"}'] == 2.0
    cluster.replicas["a"].ready = True
    cluster.wait(lambda: cluster.healthy() == BOTH)


def test_a_changed_policy_is_in_force_at_once(cluster: World) -> None:
    cluster.api.put("configmaps", config_map("gateway", timeout="5s", retries="0", shed="100%"))
    cluster.wait(lambda: cluster.ask() == 429)
    assert cluster.said("ConfigMap gateway: shed is now 100%")


def test_a_value_that_cannot_be_is_told_and_the_last_good_one_stays(cluster: World) -> None:
    cluster.api.put("configmaps", config_map("gateway", timeout="5s", retries="0", shed="100%"))
    cluster.wait(lambda: cluster.ask() == 429)
    cluster.api.put("configmaps", config_map("gateway", timeout="soon", retries="0", shed="much"))
    wrong = 'controller_config_wrong{config="gateway",key="shed"}'
    cluster.wait(lambda: wrong in cluster.series())
    assert cluster.ask() == 429
    assert cluster.said("ConfigMap gateway: shed: 'much' is not a share: write 95% or 0.95")
    assert cluster.said("ConfigMap gateway: timeout: 'soon' is not a duration")
    cluster.reset()
    cluster.wait(lambda: wrong not in cluster.series() and cluster.ask() == 200)
    assert cluster.series()['controller_config_rejected_total{config="gateway",key="shed"}'] == 1.0


HARMLESS = {"memory": 0.0, "leak": 0.0, "effort": 0.0, "revision": "usual", "exit_after": 0.0}


def test_settings_reach_all_servers_and_new_ones_before_their_first_request(cluster: World) -> None:
    usual = {"fallback": "off", "quarantined": "", "lookup_timeout": 0.05, "threshold": 0.0, **HARMLESS}
    assert all(cluster.replicas[name].told[0] == usual for name in "ab")
    cluster.api.put("configmaps", config_map("ml", fallback="always", features__quarantined="temp,visib"))
    changed = {**usual, "fallback": "always", "quarantined": "temp,visib"}
    cluster.wait(lambda: all(cluster.replicas[name].told[-1] == changed for name in "ab"))
    new = cluster.serve("c", "127.0.0.3")
    cluster.wait(lambda: "127.0.0.3" in cluster.healthy())
    assert new.told == [changed]
    cluster.api.put("pods", pod("c", "127.0.0.3", life="two"))  # its container has started again, with its first settings
    cluster.wait(lambda: new.told == [changed, changed])


def test_the_gateway_is_disturbed_as_ordered_with_the_token(cluster: World) -> None:
    assert cluster.order("PUT", {"aborted": 1.0, "status": 500}).status_code == 204
    cluster.wait(lambda: cluster.ask() == 500)
    assert cluster.order("GET").json() == {"delay": 0.0, "delayed": 0.0, "aborted": 1.0, "status": 500}
    assert cluster.order("PUT", {}).status_code == 204
    cluster.wait(lambda: cluster.ask() == 200)
    assert cluster.order("PUT", {"aborted": 1.0}, token="other").status_code == 401  # noqa: S106
    assert "aborted" in cluster.order("PUT", {"aborted": 2.0}).json()["error"]


def test_model_servers_suffer_as_ordered_and_so_do_new_ones(cluster: World) -> None:
    ordered = {"large": True, "leak": 0.5, "deadly": {"revision-2": 20.0}}
    assert cluster.order("PUT", ordered, what="suffering").status_code == 204
    cluster.wait(lambda: all(cluster.replicas[name].told[-1]["leak"] == 0.5 for name in "ab"))
    assert cluster.replicas["a"].told[-1]["memory"] == 300.0
    assert cluster.replicas["a"].told[-1]["exit_after"] == 0.0
    cluster.api.put("configmaps", config_map("ml", servers__settings="revision-2"))
    cluster.wait(lambda: all(cluster.replicas[name].told[-1]["revision"] == "revision-2" for name in "ab"))
    lives = [cluster.replicas[name].told[-1]["exit_after"] for name in "ab"]
    assert all(16.0 <= one <= 24.0 for one in lives)
    assert lives[0] != lives[1]
    new = cluster.serve("c", "127.0.0.3")
    cluster.wait(lambda: bool(new.told))
    assert (new.told[0]["leak"], new.told[0]["revision"]) == (0.5, "revision-2")
    assert cluster.order("PUT", {"deadly": {"revision-2": -1.0}}, what="suffering").status_code == 422
    assert cluster.order("PUT", {}, what="suffering").status_code == 204
    cluster.wait(lambda: new.told[-1]["exit_after"] == 0.0)


def test_a_restart_of_the_api_is_outlived_and_nothing_is_missed(cluster: World) -> None:
    cluster.api.stop()
    cluster.wait(lambda: cluster.series()["controller_api_answers"] == 0.0)
    assert cluster.said("the Kubernetes API fails")
    assert cluster.ask() == 200
    assert cluster.ready()
    cluster.serve("c", "127.0.0.3")
    cluster.api.delete("pods", "a")
    cluster.api.forget()
    cluster.api.start()
    cluster.wait(lambda: cluster.healthy() == {"127.0.0.2", "127.0.0.3"})
    cluster.wait(lambda: cluster.series()["controller_api_answers"] == 1.0)
    assert cluster.said("the Kubernetes API answers again")


def test_a_watch_that_is_too_old_lists_anew_without_an_alarm(cluster: World) -> None:
    def counts() -> tuple[float, float]:
        found = cluster.series()
        errors = sum(value for name, value in found.items() if name.startswith("controller_api_errors_total"))
        return found['controller_api_lists_total{objects="pods"}'], errors

    lists, errors = counts()
    cluster.api.expire()
    cluster.wait(lambda: counts()[0] > lists)
    assert counts()[1] == errors
    cluster.serve("c", "127.0.0.3")
    cluster.wait(lambda: "127.0.0.3" in cluster.healthy())


def test_envoy_may_start_again_and_so_may_the_controller(cluster: World) -> None:
    assert cluster.end(cluster.envoy) == 0
    cluster.wait(lambda: cluster.client.get(f"http://{cluster.own.near}/readyz").status_code == 503)
    cluster.envoy = cluster.start("controller.envoy")
    cluster.wait(lambda: cluster.ready() and cluster.healthy() == BOTH)
    primed = 'envoy_gateway_rq_time_count{response_code_class="5xx"} 1'
    cluster.wait(lambda: primed in cluster.client.get(f"http://{cluster.metrics}/metrics").text)

    assert cluster.order("PUT", {"delay": 0.01, "delayed": 1.0}).status_code == 204
    assert cluster.end(cluster.controller) == 0
    assert cluster.ask() == 200
    cluster.api.put("configmaps", config_map("gateway", timeout="5s", retries="0", shed="100%"))
    cluster.controller = cluster.start()
    codes = set()

    def shed() -> bool:
        codes.add(cluster.ask())
        return 429 in codes

    cluster.wait(shed)
    assert codes == {200, 429}  # at no time did Envoy lose its model servers
    cluster.wait(cluster.ready)
    assert cluster.order("GET").json()["delay"] == 0.01  # it knows what it was ordered to do
    assert cluster.order("PUT", {}).status_code == 204


def test_the_platform_is_told_as_on_other_stacks(cluster: World) -> None:
    killed = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "containerID": "containerd://a-old"}}
    status = pod("a", "127.0.0.1")["status"]["containerStatuses"][0] | {"restartCount": 1, "lastState": killed}
    cluster.api.change("pods", "a", status__containerStatuses=[status])
    cluster.api.put("nodes", node("worker", ready=False))
    labels = 'deployment="model-champion",pod="a"'
    cluster.wait(lambda: cluster.series().get(f"container_oom_events_total{{{labels}}}") == 1.0)
    found = cluster.series()
    assert found[f"model_server_restarts_total{{{labels}}}"] == 1.0
    assert found[f"container_spec_memory_limit_bytes{{{labels}}}"] == 512 * 2**20
    assert found['kube_deployment_spec_replicas{deployment="model-champion"}'] == 2.0
    assert found['kube_deployment_status_replicas_ready{deployment="model-champion"}'] == 2.0
    cluster.wait(lambda: cluster.series()['kube_node_status_condition{condition="Ready",node="worker",status="true"}'] == 0.0)
    assert not any('node="control"' in name for name in found)
    assert 'model_server_info{deployment="model-champion",node="worker",pod="a",version="v1"}' in found
    assert not any(name.startswith("service_cost") for name in found)  # there is no price list
    targets = cluster.client.get(f"http://{cluster.own}/targets").json()
    assert targets[0] == {
        "targets": [f"127.0.0.1:{cluster.servers_port}"],
        "labels": {"job": "model-server", "instance": "a"},
    }
    cluster.api.put("nodes", node("worker"))
