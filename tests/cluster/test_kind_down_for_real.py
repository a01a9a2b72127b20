"""What hosts that were killed have left on a cluster goes; and a drill in somebody else's namespace leaves what was there."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cluster_kit import Standing

from drillbox.stacks.kind import settings
from drillbox.stacks.kind.cluster.programs import KUBECTL, find

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PATIENCE = 400.0
KINDS = "deployments,services,configmaps,persistentvolumeclaims,serviceaccounts,roles,rolebindings,jobs,pods"
ACCOUNTS = "kubernetes.io/service-account-token"
"""Type of the secrets of accounts: an older Kubernetes makes some by itself, a moment later."""
TOKEN = f"""
apiVersion: v1
kind: Secret
type: {ACCOUNTS}
metadata: {{name: player, annotations: {{kubernetes.io/service-account.name: player}}}}
"""


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


def administrator(standing: Standing, namespace: str, folder: Path) -> Path:
    """The kubeconfig of somebody who may do everything in a namespace, and nothing beside it; its context has the usual name."""
    standing.kubectl("create", "serviceaccount", "player", namespace=namespace)
    standing.kubectl(
        "create", "rolebinding", "player", "--clusterrole=admin", f"--serviceaccount={namespace}:player", namespace=namespace
    )
    (folder / "token.yaml").write_text(TOKEN)
    standing.kubectl("apply", f"--filename={folder / 'token.yaml'}", namespace=namespace)

    def token() -> str:
        return standing.kubectl("get", "secret", "player", "--output=jsonpath={.data.token}", namespace=namespace)

    until(lambda: token() != "", "nobody makes a token")
    theirs: dict[str, Any] = yaml.safe_load(standing.kubeconfig.read_text())
    theirs["users"][0]["user"] = {"token": base64.b64decode(token()).decode()}
    path = folder / "theirs"
    path.write_text(yaml.safe_dump(theirs))
    nodes = subprocess.run(
        [find(KUBECTL).path, f"--kubeconfig={path}", "get", "nodes"], capture_output=True, text=True, check=False
    )
    assert (nodes.returncode, "forbidden" in nodes.stderr.lower()) == (1, True)
    return path


def test_in_somebody_elses_namespace(standing: Standing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its administrator: no right is needed outside it."""
    monkeypatch.setenv("KUBECONFIG", str(standing.kubeconfig))
    monkeypatch.setenv(settings.APP_IMAGE, standing.image)
    where = ("--stack", "kind", "--context", f"kind-{standing.name}", "--namespace", "team")
    refused = drillbox("up", *where)
    assert (refused.returncode, "--i-know-this-is-not-a-sandbox" in refused.stderr) == (2, True)
    missing = drillbox("up", *where, "--i-know-this-is-not-a-sandbox", "--quiet")
    assert (missing.returncode, "kubectl create namespace team" in missing.stderr) == (3, True)

    standing.kubectl("create", "namespace", "team")
    try:
        standing.kubectl("create", "configmap", "other", "--from-literal=a=b", namespace="team")
        until(lambda: "default" in standing.kubectl("get", "serviceaccounts", "--output=name", namespace="team"), "no account")
        theirs = administrator(standing, "team", tmp_path)
        monkeypatch.setenv("KUBECONFIG", str(theirs))
        kept = theirs.read_bytes()
        before, named = everything(standing), labels_of_nodes(standing)
        up = drillbox("up", *where, "--i-know-this-is-not-a-sandbox", "--quiet")
        assert (up.returncode, up.stderr) == (0, "")
        assert everything(standing)[0] == before[0]
        (drill,) = drills(standing)
        assert json.loads((drill / "drill.json").read_text())["context"] == f"kind-{standing.name}"
        prometheus_opens()
        os.kill(host_of(drill), signal.SIGKILL)
        down = drillbox("down", "--stack", "kind", drill.name)
        assert (down.returncode, down.stderr) == (0, "")
        assert everything(standing) == before
        assert labels_of_nodes(standing) == named
        assert theirs.read_bytes() == kept
    finally:
        standing.kubectl("delete", "namespace", "team")


def everything(standing: Standing) -> tuple[str, str, str]:
    """What there is outside of the namespace, and in it."""
    outside = standing.kubectl("get", "nodes,namespaces,clusterroles,clusterrolebindings", "--output=name")
    secrets = standing.kubectl("get", "secrets", f"--field-selector=type!={ACCOUNTS}", "--output=name", namespace="team")
    return outside, standing.kubectl("get", KINDS, "--output=name", namespace="team"), secrets


def labels_of_nodes(standing: Standing) -> list[str]:
    return [line.split()[-1] for line in standing.kubectl("get", "nodes", "--show-labels", "--no-headers").splitlines()]


def prometheus_opens() -> None:
    """The way to it stands until Ctrl-C."""
    command = [sys.executable, "-m", "drillbox", "open", "prometheus", "--print"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as opened:
        assert opened.stdout is not None
        try:
            url = opened.stdout.readline().strip()
            assert httpx.get(f"{url}/-/ready", timeout=PATIENCE, trust_env=False).status_code == 200
        finally:
            opened.send_signal(signal.SIGINT)
        assert opened.wait(PATIENCE) == 0
