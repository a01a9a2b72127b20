"""What people do with kubectl is the same change as an action's: objects are taken as the commands leave them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from objects_kit import Cluster, container

from drillbox.sandbox.model.params import Value
from drillbox.sandbox.model.service import fields_of
from drillbox.stacks.deploy.kubernetes.objects import first_revision
from drillbox.stacks.deploy.kubernetes.setup import Setup
from drillbox.stacks.deploy.kubernetes.table import fields_in, followed, patches

CHAMPION = ("Deployment", "model-champion")


def changes(before: dict[str, Value], cluster: Cluster) -> dict[str, Value]:
    """The fields that are different now, those that follow included."""
    found = fields_in(cluster.seen)
    assert found.problems == ()
    after = dict(found.fields) | followed(before, found.fields)
    return {path: value for path, value in after.items() if before[path] != value}


@pytest.fixture
def before(drill: Setup) -> dict[str, Value]:
    return dict(fields_of(drill.spec))


def config(name: str, **data: str) -> tuple[str, str, dict[str, Any]]:
    return "ConfigMap", name, {"data": data}


def env(**variables: str) -> dict[str, Any]:
    return container(env=[{"name": name, "value": value} for name, value in variables.items()])


@pytest.mark.parametrize(
    ("command", "change", "expected"),
    [
        ("scale deployment model-champion --replicas=7", (*CHAMPION, {"spec": {"replicas": 7}}), {"champion.replicas": 7}),
        ("set env deployment/model-champion MODEL_QUEUE=5", (*CHAMPION, env(MODEL_QUEUE="5")), {"champion.queue": 5}),
        (
            "set resources deployment/model-champion --limits=cpu=1500m,memory=2Gi",
            (*CHAMPION, container(resources={"limits": {"cpu": "1500m", "memory": "2Gi"}})),
            {"servers.cpu": 1.5, "servers.memory": 2048.0},
        ),
        ("edit configmap gateway", config("gateway", shed="0.3", timeout="2s"), {"gateway.shed": 0.3, "gateway.timeout": 2.0}),
        ("edit configmap ml", config("ml", fallback="overflow"), {"fallback": "overflow"}),
        (
            "edit configmap ml",
            config("ml", **{"features.quarantined": "temp, humid", "autoscaler.enabled": "on"}),
            {"features.quarantined": "humid,temp", "autoscaler.enabled": True},
        ),
        ("cordon drill-worker2", ("Node", "drill-worker2", {"spec": {"unschedulable": True}}), {"platform.cordoned": "node-2"}),
        (
            "annotate deployment feature-store drillbox.dev/restarted=all#9",
            ("Deployment", "feature-store", {"metadata": {"annotations": {"drillbox.dev/restarted": "all#9"}}}),
            {"features.restarted": "all#9"},
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_commands(
    cluster: Cluster, before: dict[str, Value], command: str, change: tuple[str, str, Any], expected: dict[str, Value]
) -> None:
    cluster.kubectl(*change)
    assert changes(before, cluster) == expected, command


def test_set_env_of_the_version_is_a_deployment_of_it_with_the_one_before_as_the_way_back(
    cluster: Cluster, before: dict[str, Value]
) -> None:
    cluster.kubectl(*CHAMPION, env(MODEL_VERSION="v8"))
    assert changes(before, cluster) == {"champion.version": "v8", "champion.previous": before["champion.version"]}


def test_rollout_undo_is_a_roll_back(cluster: Cluster, before: dict[str, Value]) -> None:
    """`undo` puts back the pod template of the revision before, and leaves all else, annotations of the Deployment included."""
    cluster.take(patches({"champion.version": "v8", "champion.previous": "v7"}))
    bad = before | {"champion.version": "v8", "champion.previous": "v7"}
    assert changes(bad, cluster) == {}
    cluster.kubectl(*CHAMPION, env(MODEL_VERSION="v7"))
    back = changes(bad, cluster)
    assert back == {"champion.version": "v7", "champion.previous": "v8"}
    cluster.take(patches(back, cluster.seen))
    assert changes(bad | back, cluster) == {}, "what follows has been written, and follows no more"


def test_undo_has_somewhere_to_go_from_the_first_revision(drill: Setup, cluster: Cluster) -> None:
    champion = cluster.seen.deployment("model-champion")
    first = first_revision(champion, "v6")
    assert first.spec.replicas == 0
    assert Cluster([first.to_dict()]).seen.container("model-champion", "model-server").env != ()
    versions = {
        name: next(one.value for one in deployment.spec.template.spec.containers[0].env if one.name == "MODEL_VERSION")
        for name, deployment in (("first", first), ("present", champion))
    }
    assert versions == {"first": "v6", "present": drill.spec.champion.version}
    first.spec.replicas = champion.spec.replicas
    for one in first.spec.template.spec.containers[0].env:
        if one.name == "MODEL_VERSION":
            one.value = versions["present"]
    assert first == champion, "nothing else is different"


def test_rollout_restart_restarts_and_the_later_of_two_restarts_counts(cluster: Cluster, before: dict[str, Value]) -> None:
    def restart(name: str, at: str) -> None:
        template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": at}}}
        cluster.kubectl("Deployment", name, {"spec": {"template": template}})

    restart("model-champion", "2026-03-01T10:00:00Z")
    restart("pipeline", "2026-03-01T10:00:05Z")
    assert changes(before, cluster) == {
        "champion.restarted": "all#2026-03-01T10:00:00Z",
        "retraining.restarted": "all#2026-03-01T10:00:05Z",
    }
    cluster.take(patches({"champion.restarted": "model-champion-abc#4"}, cluster.seen))
    assert changes(before, cluster)["champion.restarted"] == "model-champion-abc#4"
    restart("model-champion", "2026-03-01T10:01:00Z")
    assert changes(before, cluster)["champion.restarted"] == "all#2026-03-01T10:01:00Z"


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (config("gateway", timeout="soon"), "gateway.timeout", "'soon' is not a duration: write a number and its unit"),
        (config("gateway", shed="150%"), "gateway.shed", "'150%' is not a share"),
        (config("ml", fallback="alway"), "fallback", "did you mean 'always'?"),
        (config("ml", **{"features.quarantined": "tmp"}), "features.quarantined", "did you mean 'temp'?"),
        ((*CHAMPION, env(MODEL_QUEUE="many")), "champion.queue", "'many' is not a number"),
        (
            (*CHAMPION, container(resources={"limits": {"memory": None}})),
            "servers.memory",
            "model-champion has no limit of memory",
        ),
        (("ConfigMap", "gateway", {"data": {"retries": None}}), "gateway.retries", "ConfigMap gateway has no key retries"),
    ],
    ids=lambda one: one if isinstance(one, str) and " " not in one else "",
)
def test_what_cannot_be_is_told_and_all_else_is_read(
    cluster: Cluster, before: dict[str, Value], change: tuple[str, str, Any], path: str, message: str
) -> None:
    cluster.kubectl(*change)
    found = fields_in(cluster.seen)
    assert dict(found.fields) == {name: value for name, value in before.items() if name != path}
    (problem,) = found.problems
    assert problem.startswith(path)
    assert message in problem
    assert followed(before, found.fields) == {}


@pytest.mark.parametrize(
    ("kind", "name", "lost", "message"),
    [
        ("Deployment", "model-shadow", 6, "there is no Deployment model-shadow"),
        ("ConfigMap", "gateway", 7, "there is no ConfigMap gateway"),
        ("Deployment", "prometheus", 1, "there is no Deployment prometheus"),
    ],
)
def test_deleted_objects_are_told(cluster: Cluster, kind: str, name: str, lost: int, message: str) -> None:
    del cluster.documents[kind, name]
    found = fields_in(cluster.seen)
    assert len(found.problems) == lost
    assert all(problem.endswith(message) for problem in found.problems)


def test_a_container_or_a_variable_that_somebody_took_away_is_told(cluster: Cluster) -> None:
    cluster = Cluster(copy.deepcopy(list(cluster.documents.values())))
    one = cluster.documents[CHAMPION]["spec"]["template"]["spec"]["containers"][0]
    one["env"] = [each for each in one["env"] if each["name"] != "MODEL_VERSION"]
    (problem,) = fields_in(cluster.seen).problems
    assert problem == "champion.version: Deployment model-champion has no variable MODEL_VERSION in its container model-server"
    one["name"] = "server"
    cluster = Cluster(cluster.documents.values())
    assert "Deployment model-champion has no container model-server" in "\n".join(fields_in(cluster.seen).problems)


def test_an_undo_beyond_a_restart_does_not_make_it_undone(cluster: Cluster, before: dict[str, Value]) -> None:
    key = "kubectl.kubernetes.io/restartedAt"
    cluster.kubectl(*CHAMPION, {"spec": {"template": {"metadata": {"annotations": {key: "2026-03-01T10:00:00Z"}}}}})
    known = before | changes(before, cluster)
    cluster.kubectl(*CHAMPION, {"spec": {"template": {"metadata": {"annotations": {key: None}}}}})
    assert changes(known, cluster) == {}
    cluster.take(patches(followed(known, fields_in(cluster.seen).fields), cluster.seen))
    assert fields_in(cluster.seen).fields == known
