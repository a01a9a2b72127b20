"""Faults of releases, settings, artifacts and the gateway on a real cluster, and what ends them; a node that sleeps when a host dies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cluster_kit import PATIENCE, Played, Standing
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from drillbox.sandbox.model.params import Value
from drillbox.stacks.deploy.kubernetes.names import PORT
from drillbox.stacks.kind.cluster.engine import connect
from drillbox.stacks.kind.records.drills import folders

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.soak]

HOST = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cluster_kit import Played, Standing
from drillbox.sandbox.paths import home
played = Played(Standing(sys.argv[2], home(), home() / "kind" / sys.argv[2] / "kubeconfig", ""))
played.settle()
played.begin("nodes.loss", node="node-1")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_faults_of_services_and_what_ends_them(played: Played) -> None:
    """One after the other in one drill: to bring it up takes longer than a fault."""
    played.settle()
    a_killed_replica_is_replaced(played)
    a_gateway_that_aborts_fails_requests(played)
    a_slow_gateway_raises_the_alert(played)
    a_bad_artifact_is_never_served_and_rolled_back(played)
    replicas_that_cannot_load_take_the_mirror(played)
    a_push_of_configuration_is_in_force_at_once(played)
    a_limit_of_the_processor_is_the_deployments(played)
    deadly_settings_loop_until_they_are_rolled_back(played)


def a_killed_replica_is_replaced(played: Played) -> None:
    before = set(played.service.names())
    played.begin("pods.kill", count=1)
    played.until(lambda _told: played.serve(3) and len(before & set(played.service.names())) == 2)
    played.end("pods.kill")


def a_gateway_that_aborts_fails_requests(played: Played) -> None:
    failed = played.failed
    played.begin("gateway.abort", share=0.5, status=503)
    played.until(lambda _told: played.failed > failed + 100, "nothing was aborted")
    played.end("gateway.abort")
    answered = played.answered
    played.until(lambda _told: played.answered > answered + 300)
    failed, answered = played.failed, played.answered
    played.until(lambda _told: played.answered > answered + 300)
    assert played.failed - failed < 5, "it aborts no more"
    played.until(lambda _told: not played.firing, "the alerts do not resolve")


def a_slow_gateway_raises_the_alert(played: Played) -> None:
    played.begin("gateway.delay", delay=1.0, share=0.5)
    played.until(lambda _told: "LatencyBurnRate" in played.firing, "nobody is told")
    played.end("gateway.delay")
    played.until(lambda _told: not played.firing, "the alerts do not resolve")


def a_bad_artifact_is_never_served_and_rolled_back(played: Played) -> None:
    serving = {one.name for one in played.service.pods() if one.ready}
    played.begin("release.bad_artifact", version="v8")
    played.until(lambda _told: any(one.running and not one.ready and one.version == "v8" for one in played.service.pods()))
    played.until(lambda _told: any("cannot" in line.text and "v8" in line.text for line in played.logs), "no log names it")
    assert serving <= {one.name for one in played.service.pods() if one.ready}, "the old ones serve"
    played.kubectl("rollout", "undo", "deployment/model-champion")
    played.until(lambda _told: played.serve(3) and {one.version for one in played.service.pods()} == {"v7"})
    played.end("release.bad_artifact")


def replicas_that_cannot_load_take_the_mirror(played: Played) -> None:
    played.begin("artifacts.refusing")
    gone = played.service.names()[0]
    played.kubectl("delete", "pod", gone, "--wait=false")
    played.until(lambda _told: any(one.running and not one.ready for one in played.service.pods()), "its successor could load")
    played.act(servers__artifacts="mirror")
    played.until(lambda _told: played.serve(3) and gone not in played.service.names(), "the mirror does not help")
    played.end("artifacts.refusing")
    played.act(servers__artifacts="origin")


def a_push_of_configuration_is_in_force_at_once(played: Played) -> None:
    before = played.service.spec.gateway.timeout
    played.begin("config.push", timeout=0.5)
    played.until(lambda _told: played.service.spec.gateway.timeout == 0.5)
    data = json.loads(played.kubectl("get", "configmap", "gateway", "--output=json"))["data"]
    assert data["timeout"] == "500ms"
    played.end("config.push")
    played.act(gateway__timeout=before, platform__pushed="")


def a_limit_of_the_processor_is_the_deployments(played: Played) -> None:
    def limits() -> dict[str, str]:
        found = json.loads(played.kubectl("get", "deployment", "model-champion", "--output=json"))
        containers: list[dict[str, Any]] = found["spec"]["template"]["spec"]["containers"]
        return dict(containers[0]["resources"]["limits"])

    before = played.service.spec.servers.cpu
    played.begin("pods.cpu_throttling", limit=0.5)
    played.until(lambda _told: limits().get("cpu") == "500m")
    played.until(lambda _told: played.serve(3))
    played.end("pods.cpu_throttling")
    played.act(servers__cpu=before, platform__pushed="")
    played.until(lambda _told: played.serve(3) and limits().get("cpu") != "500m")


def deadly_settings_loop_until_they_are_rolled_back(played: Played) -> None:
    before = played.service.spec.servers.settings
    played.begin("pods.crash_loop", after=4.0)
    played.until(lambda _told: any(one.restarts >= 2 for one in played.service.pods()), "nothing crashes")
    played.until(lambda _told: "CrashLoopBackOff" in played.kubectl("get", "pods"), "it is not held back")
    played.end("pods.crash_loop")
    played.act(servers__settings=before, platform__pushed="")
    played.until(lambda _told: played.serve(3), "it still crashes")


def test_faults_of_features_labels_releases_and_cost(played: Played) -> None:
    """The same, of what the services do themselves: what they are told is told on a cluster, too."""
    played.settle()
    look_ups_in_a_store_that_is_out_fail(played)
    look_ups_in_a_slow_store_are_given_up(played)
    what_the_pipeline_is_told_it_takes_and_takes_back(played)
    champion_and_candidate_are_swapped_and_rolled_back(played)
    a_planner_takes_more_replicas_than_are_needed(played)


def metrics(played: Played, of: str) -> Iterator[Sample]:
    """What a pod or a service tells now."""
    text = played.kubectl("get", "--raw", f"/api/v1/namespaces/{played.namespace}/{of}:{PORT}/proxy/metrics")
    for family in text_string_to_metric_families(text):
        yield from family.samples


def looked_up(played: Played, result: str) -> float:
    """Look-ups that ended so, by the model servers that serve."""
    told = (one for pod in played.service.pods() if pod.ready for one in metrics(played, f"pods/{pod.name}"))
    return sum(one.value for one in told if one.labels.get("result") == result)


def look_ups_in_a_store_that_is_out_fail(played: Played) -> None:
    failed = looked_up(played, "failed")
    played.begin("features.outage")
    played.until(lambda _told: looked_up(played, "failed") > failed + 50, "no look-up fails")
    played.end("features.outage")
    known = looked_up(played, "ok")
    played.until(lambda _told: looked_up(played, "ok") > known + 50, "they do not succeed again")


def look_ups_in_a_slow_store_are_given_up(played: Played) -> None:
    given_up = looked_up(played, "timeout")
    played.begin("features.slow", delay=1.0)
    played.until(lambda _told: looked_up(played, "timeout") > given_up + 50, "none is given up")
    played.end("features.slow")


def what_the_pipeline_is_told_it_takes_and_takes_back(played: Played) -> None:
    told: dict[str, dict[str, Value]] = {
        "labels.delay": {"delay": 3600.0},
        "retraining.stuck": {},
        "retraining.partial_data": {"cutoff": 5},
        "retraining.immature_labels": {},
        "autoscaler.empty_as_zero": {},
    }
    for fault, given in told.items():
        played.begin(fault, **given)  # who is told refuses what it does not know
    answered = played.answered
    played.until(lambda _told: played.answered > answered + 100)
    for fault in told:
        played.end(fault)
    assert played.serve(3)


def champion_and_candidate_are_swapped_and_rolled_back(played: Played) -> None:
    played.begin("release.swapped", version="v8")
    played.until(lambda _told: played.serve(3) and {one.version for one in played.service.pods()} == {"v8"})
    played.end("release.swapped")
    played.kubectl("rollout", "undo", "deployment/model-champion")
    played.until(lambda _told: played.serve(3) and {one.version for one in played.service.pods()} == {"v7"})
    assert ("v8", "v7") in played.changed("champion.version", "kubectl")


def a_planner_takes_more_replicas_than_are_needed(played: Played) -> None:
    played.begin("cost.runaway", step=1, every=5.0, most=4)
    played.until(lambda _told: played.serve(4), "nobody asks for more")
    played.end("cost.runaway")
    played.act(champion__replicas=3)
    played.until(lambda _told: played.serve(3))


def test_a_node_that_sleeps_when_the_host_is_killed_is_woken_by_down(standing: Standing, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOST, Path(__file__).parent, standing.name]
    killed = subprocess.run(command, check=False, timeout=PATIENCE)
    assert killed.returncode == -9

    def states() -> set[str]:
        with closing(connect()) as engine:
            return {one.state for one in engine.nodes(standing.name)}

    assert states() == {"running", "paused"}
    (left,) = folders(standing.home / "kind")
    down = [sys.executable, "-m", "drillbox", "down", "--stack", "kind", left.name]
    done = subprocess.run(down, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert states() == {"running"}
    assert folders(standing.home / "kind") == []
    assert "drill-" not in standing.kubectl("get", "namespaces", "--output=name")
