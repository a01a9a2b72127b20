"""What hosts that were killed have left on a cluster goes; and a drill in somebody else's namespace leaves what was there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_kit import Standing

from drillbox.stacks.kind import settings

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PATIENCE = 400.0
KINDS = "deployments,services,configmaps,secrets,persistentvolumeclaims,serviceaccounts,roles,rolebindings,jobs,pods"


def drillbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "drillbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def host_of(drill: Path) -> int:
    return int(json.loads((drill / "host.json").read_text())["host"]["pid"])


def drills(standing: Standing) -> list[Path]:
    return sorted((standing.home / "kind" / "drills").glob("*"))


def test_a_drill_whose_host_is_killed_as_it_comes_up_goes_and_the_cluster_stays(standing: Standing) -> None:
    before = drills(standing)
    asking = subprocess.Popen(
        [sys.executable, "-m", "drillbox", "up", "--stack", "kind", "--quiet"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(drills(standing)) > len(before), "no drill was written down")
        (drill,) = set(drills(standing)) - set(before)
        space = f"namespace/drill-{drill.name}"
        until(lambda: space in standing.kubectl("get", "namespaces", "--output=name").split(), "there is no namespace")
        os.kill(host_of(drill), signal.SIGKILL)
    finally:
        asking.wait(PATIENCE)
    shown = drillbox("status", "--stack", "kind").stdout
    assert drill.name in shown
    assert standing.name in shown
    down = drillbox("down", "--stack", "kind", drill.name)
    assert (down.returncode, down.stderr) == (0, "")
    assert f"removed namespace drill-{drill.name} of cluster {standing.name}" in down.stdout
    assert space not in standing.kubectl("get", "namespaces", "--output=name").split()
    assert drill.name not in standing.kubectl("get", "clusterroles,clusterrolebindings", "--output=name")
    assert drills(standing) == before
    again = drillbox("down", "--stack", "kind", drill.name)
    assert (again.returncode, again.stdout) == (0, "Nothing is left.\n")
    assert standing.kubectl("get", "nodes", "--output=name")


def test_in_somebody_elses_namespace(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(standing.kubeconfig))
    monkeypatch.setenv(settings.APP_IMAGE, standing.image)
    where = ("--stack", "kind", "--context", f"kind-{standing.name}", "--namespace", "team")
    refused = drillbox("up", *where)
    assert (refused.returncode, "--i-know-this-is-not-a-sandbox" in refused.stderr) == (2, True)
    missing = drillbox("up", *where, "--i-know-this-is-not-a-sandbox", "--quiet")
    assert (missing.returncode, "kubectl create namespace team" in missing.stderr) == (3, True)

    standing.kubectl("create", "namespace", "team")
    standing.kubectl("create", "configmap", "other", "--from-literal=a=b", namespace="team")
    until(lambda: "default" in standing.kubectl("get", "serviceaccounts", "--output=name", namespace="team"), "no account")
    everywhere = "nodes,namespaces,clusterroles,clusterrolebindings"

    def found() -> tuple[str, str]:
        outside = standing.kubectl("get", everywhere, "--output=name")
        return outside, standing.kubectl("get", KINDS, "--output=name", namespace="team")

    before, named = found(), standing.kubectl("get", "nodes", "--show-labels", "--no-headers")
    try:
        up = drillbox("up", *where, "--i-know-this-is-not-a-sandbox", "--quiet")
        assert (up.returncode, up.stderr) == (0, "")
        assert found()[0] == before[0]
        (drill,) = drills(standing)
        assert json.loads((drill / "drill.json").read_text())["context"] == f"kind-{standing.name}"
        os.kill(host_of(drill), signal.SIGKILL)
        down = drillbox("down", "--stack", "kind", drill.name)
        assert (down.returncode, down.stderr) == (0, "")
        assert found() == before
        assert [line.split()[-1] for line in standing.kubectl("get", "nodes", "--show-labels", "--no-headers").splitlines()] == [
            line.split()[-1] for line in named.splitlines()
        ]
    finally:
        standing.kubectl("delete", "namespace", "team")
