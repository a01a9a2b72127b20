"""What runs for a drill on a cluster, and how a person reaches it; the ways there are kept open."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lightkube.models.core_v1 import PodCondition, PodStatus
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod

from drillbox.sandbox.model.housekeeping import Address, Trial
from drillbox.stacks.kind.drill.place import Place
from drillbox.stacks.kind.drill.standing import standing_of, write_where
from drillbox.stacks.kind.drill.ways import PAUSE, Ways, forwarding
from drillbox.stacks.real.machine.processes import Process, Supervisor
from drillbox.stacks.real.machine.programs import Program

KUBECTL = """#!{python} -IS
import json, sys
words = sys.argv[1:]
if words[0] == "version":
    print('{{"clientVersion": {{"gitVersion": "v1.34.1"}}}}')
elif words[0] == "config":
    print(json.dumps({{"contexts": [{{"name": "kind", "context": {{"cluster": "c", "user": "u"}}}}], "asked": words}}))
else:
    print(json.dumps({pods}))
"""
PODS = {
    "items": [
        {
            "metadata": {"name": "model-champion-1", "labels": {"app.kubernetes.io/component": "model-server"}},
            "status": {
                "phase": "Running",
                "startTime": "2026-01-02T03:04:05Z",
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        },
        {"metadata": {"name": "gateway-1"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}},
        {"metadata": {"name": "load-1", "deletionTimestamp": "2026-01-02T03:04:05Z"}, "status": {"phase": "Running"}},
        {"metadata": {"name": "waits"}, "status": {"phase": "Pending"}},
    ]
}
TRIAL = Trial("http://127.0.0.1:7/infer", "{}")


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin" / "kubectl"
    path.parent.mkdir()
    path.write_text(KUBECTL.format(python=sys.executable, pods=json.dumps(PODS)))
    path.chmod(0o755)
    monkeypatch.setenv("DRILLBOX_KUBECTL", str(path))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "drill").mkdir()
    return tmp_path / "drill"


def test_a_drill_has_a_kubeconfig_of_its_own_with_its_namespace(kubectl: Path, folder: Path) -> None:
    place = Place(Path("/of/the/cluster"), "drill-x", "x", context="theirs")
    write_where(folder, "monday-rush", kubectl, place, 7, TRIAL, grafana=False)
    found = standing_of(folder, None, "", None)
    path = Path(found.environment["KUBECONFIG"])
    assert path.parent == folder
    assert path.stat().st_mode & 0o777 == 0o600, "it has credentials"
    config = json.loads(path.read_text())
    assert config["contexts"][0]["context"]["namespace"] == "drill-x"
    assert {"--kubeconfig=/of/the/cluster", "--context=theirs", "--minify", "--flatten"} <= set(config["asked"])


def test_where_things_are_and_the_way_to_what_has_no_port(kubectl: Path, folder: Path) -> None:
    place = Place(Path("/of/the/cluster"), "drill-x", "x")
    assert standing_of(folder, os.getpid(), "monday-rush", None).trial is None, "it is not up yet"
    for grafana in (False, True):
        write_where(folder, "monday-rush", kubectl, place, 7, TRIAL, grafana=grafana)
        found = standing_of(folder, os.getpid(), "", None)
        assert (found.session, found.scenario, found.host, found.trial) == ("drill", "monday-rush", os.getpid(), TRIAL)
        known = {one.name: one for one in found.addresses}
        assert known["gateway"] == Address("gateway", "http://127.0.0.1:7")
        way = ("--kubeconfig=/of/the/cluster", "--namespace=drill-x", "--address=127.0.0.1", "service/prometheus", "{port}:9090")
        assert known["prometheus"].way == (str(kubectl), "port-forward", *way)
        assert ("DRILLBOX_KIND_GRAFANA" in known["grafana"].where, bool(known["grafana"].way)) == (not grafana, grafana)


def test_host_and_pods_are_shown_with_their_state(kubectl: Path, folder: Path) -> None:
    write_where(folder, "monday-rush", kubectl, Place(Path("/x"), "drill-x", "x"), 7, TRIAL, grafana=False)
    host, *pods = standing_of(folder, os.getpid(), "", None).parts
    assert (host.name, host.number) == ("host", os.getpid())
    assert host.memory is not None
    assert host.memory > 1.0
    assert [(one.name, one.state, one.replica) for one in pods] == [
        ("gateway-1", "not ready", False),
        ("load-1", "leaving", False),
        ("model-champion-1", "running", True),
        ("waits", "pending", False),
    ]
    assert pods[2].since is not None
    assert pods[2].since.isoformat() == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize("does", ["import sys; sys.exit('no such cluster')", "print('no JSON')"])
def test_a_cluster_that_does_not_answer_hides_nothing_else(kubectl: Path, folder: Path, does: str) -> None:
    write_where(folder, "monday-rush", kubectl, Place(Path("/x"), "drill-x", "x"), 7, TRIAL, grafana=False)
    kubectl.write_text(f"#!{sys.executable} -IS\n{does}\n")
    assert [one.name for one in standing_of(folder, os.getpid(), "", None).parts] == ["host"]


def pod(name: str, *, ready: bool = True, leaving: bool = False, component: str = "gateway") -> Pod:
    meta = ObjectMeta(name=name, labels={"app.kubernetes.io/component": component})
    if leaving:
        meta.deletionTimestamp = "2026-01-02T03:04:05Z"  # type: ignore[assignment]  # as it comes
    return Pod(metadata=meta, status=PodStatus(conditions=[PodCondition(type="Ready", status=str(ready))]))


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "session", "drill")
    yield made
    made.down(0.0)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60.0
    while not holds():
        assert time.monotonic() < deadline


LASTS = Program("gateway-port", (sys.executable, "-c", "import time; time.sleep(1000)"))


def test_a_way_that_ends_is_opened_again_after_a_pause(supervisor: Supervisor) -> None:
    ways = Ways(supervisor)
    first = ways.open(LASTS)
    ways.look(0.0)
    assert [one.pid for one in supervisor.running] == [first.pid]
    first.kill()
    until(lambda: first.ended(1.0))
    ways.look(1.0)
    ways.look(1.0 + PAUSE / 2)
    assert supervisor.running == []
    ways.look(1.0 + PAUSE)
    (second,) = supervisor.running
    assert second.pid != first.pid


def test_a_way_follows_the_pod_that_takes_the_place_of_its_own(supervisor: Supervisor) -> None:
    there = [pod("gateway-1"), pod("load-1", component="load")]
    ways = Ways(supervisor, lambda: there)
    first = ways.open(LASTS, "gateway")
    there[:] = [pod("gateway-1", leaving=True), pod("gateway-2", ready=False)]
    ways.look(0.0)
    assert first.alive(), "nobody serves in its place yet"
    there[:] = [pod("gateway-2")]
    ways.look(1.0)
    until(lambda: first.ended(1.0))
    ways.look(2.0)
    ways.look(2.0 + PAUSE)
    (second,) = supervisor.running
    for now in (10.0, 20.0):
        ways.look(now)
    assert second.alive()
    assert supervisor.running == [second]


def test_a_way_is_not_opened_while_nobody_serves_and_then_once(supervisor: Supervisor) -> None:
    there = [pod("gateway-1")]
    ways = Ways(supervisor, lambda: there)
    first = ways.open(LASTS, "gateway")
    there[:] = [pod("gateway-2", ready=False)]
    first.kill()
    until(lambda: first.ended(1.0))
    ways.look(0.0)
    ways.look(PAUSE)
    assert supervisor.running == [], "it would lead nowhere, or to a pod that ends"
    there[:] = [pod("gateway-2")]
    for now in (10.0, 11.0, 20.0):
        ways.look(now)
    (second,) = supervisor.running
    assert second.alive()


def test_a_way_that_was_open_before_its_pod_was_seen_stays(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[Pod] = []
    ways = Ways(supervisor, lambda: there)
    first = ways.open(LASTS, "gateway")
    asked: list[Process] = []
    monkeypatch.setattr(first, "terminate", lambda: asked.append(first))
    ways.look(0.0)
    there[:] = [pod("gateway-1")]
    for now in (1.0, 2.0, 9.0):
        ways.look(now)
    assert asked == []
    there[:] = [pod("gateway-2")]
    ways.look(10.0)
    assert asked == [first]


def test_the_command_names_the_context_of_somebody_elses_cluster() -> None:
    way = forwarding(Path("kubectl"), Place(Path("/k"), "n", "x", context="theirs"), "gateway", 8080, 7)
    assert way[1:] == (
        "port-forward",
        "--kubeconfig=/k",
        "--namespace=n",
        "--context=theirs",
        "--address=127.0.0.1",
        "service/gateway",
        "7:8080",
    )
