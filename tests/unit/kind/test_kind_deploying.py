"""How the host waits for a drill's pods, and how it reaches them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lightkube.codecs import from_dict
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.deploy.kubernetes.names import COMPONENT
from drillbox.stacks.deploy.kubernetes.seen import Seen
from drillbox.stacks.kind.drill.deploying import asking, wait_until_ready
from drillbox.stacks.kind.drill.place import Place
from drillbox.stacks.kind.drill.proxy import Way, socket_of


def deployment(name: str, wanted: int, ready: int, *, observed: int = 1) -> Deployment:
    status = {"observedGeneration": observed, "readyReplicas": ready, "updatedReplicas": ready}
    template: dict[str, Any] = {"metadata": {}, "spec": {"containers": []}}
    spec = {"replicas": wanted, "selector": {"matchLabels": {}}, "template": template}
    whole = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "generation": 1}, "spec": spec}
    made = from_dict(whole | {"status": status})
    assert isinstance(made, Deployment)
    return made


def pod(name: str, waiting: Mapping[str, str] | None = None, unplaced: str = "", component: str = "model-server") -> Pod:
    status: dict[str, Any] = {}
    if waiting is not None:
        base = {"name": "model-server", "image": "", "imageID": "", "ready": False, "restartCount": 0}
        status["containerStatuses"] = [base | {"state": {"waiting": dict(waiting)}}]
    if unplaced:
        status["conditions"] = [{"type": "PodScheduled", "status": "False", "message": unplaced}]
    meta = {"name": name, "labels": {COMPONENT: component}}
    made = from_dict({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status})
    assert isinstance(made, Pod)
    return made


def seen(*deployments: Deployment) -> Seen:
    return Seen.of(deployments)


WHOLE = """
clusters: [{name: mine, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: mine, context: {cluster: mine, user: me}}]
current-context: mine
users: [{name: me, user: USER}]
"""


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "clusters: 1", "[]", "clusters: []", "current-context: mine"),
        WHOLE.replace("USER", "3"),
        WHOLE.replace("USER", "{auth-provider: {name: gcp}}"),
        WHOLE.replace(", user: me", ""),
        WHOLE.replace("user: me", "user: you"),
        WHOLE.replace("server:", "servant:"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StackError, match=rf"^the kubeconfig {path} cannot be used: ."):
        Place(path, "drill-x", "x").client()


def test_a_login_that_has_expired_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config"
    login = (
        "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: sh, args: [-c, 'echo token expired >&2; exit 255']}}"
    )
    path.write_text(WHOLE.replace("USER", login), encoding="utf-8")
    why = "looking: the cluster's API does not answer: Exec sh returned 255: token expired"
    with Place(path, "drill-x", "x").client() as client, pytest.raises(StackError, match=why), asking("looking"):
        client.get(Deployment, "x")


def test_it_waits_until_all_replicas_are_of_the_wanted_state_and_ready() -> None:
    looks = iter(
        [
            seen(),
            seen(deployment("a", 2, 1), deployment("b", 0, 0)),
            seen(deployment("a", 2, 2, observed=0), deployment("b", 0, 0)),
            seen(deployment("a", 2, 2), deployment("b", 0, 0)),
        ]
    )
    told: list[float] = []
    wait_until_ready(lambda: next(looks), list, lambda _step, done: told.append(done), patience=600.0)
    assert told == [0.0, 0.5, 0.5, 1.0]
    assert next(looks, None) is None


def test_what_can_never_start_is_told_at_once() -> None:
    stuck = pod("a-1", {"reason": "ErrImageNeverPull", "message": "no such image"})
    with pytest.raises(StackError, match=r"^a-1 does not start: ErrImageNeverPull: no such image$"):
        wait_until_ready(lambda: seen(deployment("a", 1, 0)), lambda: [stuck], lambda _step, _done: None, patience=600.0)


def test_a_grafana_that_cannot_be_had_is_not_waited_for() -> None:
    stuck = pod("grafana-1", {"reason": "ImagePullBackOff", "message": "no such image"}, component="grafana")
    looks = iter(
        [seen(deployment("a", 1, 0), deployment("grafana", 1, 0)), seen(deployment("a", 1, 1), deployment("grafana", 1, 0))]
    )
    told: list[float] = []
    wait_until_ready(lambda: next(looks), lambda: [stuck], lambda _step, done: told.append(done), patience=600.0)
    assert told == [0.0, 1.0]


def test_after_its_patience_it_names_who_is_missing_and_why() -> None:
    pods = [pod("a-1", {"reason": "CrashLoopBackOff", "message": "back-off"}), pod("a-2", unplaced="0/3 nodes are available")]
    with pytest.raises(StackError) as caught:
        wait_until_ready(
            lambda: seen(deployment("a", 2, 0), deployment("b", 1, 1)), lambda: pods, lambda _step, _done: None, patience=0.0
        )
    assert str(caught.value) == (
        "not ready within 0 s: a (a-1: CrashLoopBackOff back-off; a-2: not placed on any node 0/3 nodes are available)"
    )


def test_the_proxy_opens_one_namespace_to_its_user_only(tmp_path: Path) -> None:
    place = Place(tmp_path / "kubeconfig", "drill-x", "x", context="mine")
    way = Way(tmp_path / "api.sock", place.namespace)
    argv = way.program(Path("/bin/kubectl"), place).argv
    assert argv[:2] == ("/bin/kubectl", "proxy")
    assert f"--unix-socket={tmp_path / 'api.sock'}" in argv
    assert "--context=mine" in argv
    (accepted,) = [one for one in argv if one.startswith("--accept-paths=")]
    assert "/namespaces/drill-x/" in accepted
    assert way.pod("p").startswith("http://localhost/api/v1/namespaces/drill-x/pods/p:8080/")


def test_a_socket_whose_path_would_be_too_long_is_elsewhere(tmp_path: Path) -> None:
    assert socket_of(Path("/short"), "x-1") == Path("/short/api.sock")
    far = socket_of(tmp_path / ("long" * 30), "x-1")
    assert far.parent.name == "drillbox-x-1"
    assert len(bytes(far)) < 108


def test_a_long_path_for_temporary_files_is_used_as_long_as_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("long" * 30)
    monkeypatch.setattr(tempfile, "tempdir", "/" + "t" * 60)
    shorter = socket_of(folder, "slow-afternoon-and-more-1-123456")
    assert len(bytes(shorter)) < 108
    assert shorter != socket_of(tmp_path / ("another" * 20), "slow-afternoon-and-more-1-123456")
    monkeypatch.setattr(tempfile, "tempdir", "/" + "t" * 100)
    with pytest.raises(StackError, match="is too long for a socket: set TMPDIR to another"):
        socket_of(folder, "x-1")


def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="the kubeconfig .*kubeconfig cannot be used"):
        Place(tmp_path / "kubeconfig", "n", "x").config()
