"""A drill on a real cluster: it comes up, kubectl's changes are changes of the drill, a Job trains, and nothing is left of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from cluster_kit import Jobs, Played, retrain, turned_season

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_a_drill_comes_takes_changes_of_kubectl_retrains_and_goes(played: Played, things: Callable[[str], object]) -> None:
    before = things(played.standing.name)
    played.up(turned_season())
    namespace = played.namespace
    assert {"objects", "models", "monitoring"} <= set(played.steps)
    begun = played.until(lambda told: told.ledger.ok > 0)
    names = begun.replicas
    assert len(names) == 3

    played.kubectl("scale", "deployment/model-champion", "--replicas=4")
    played.until(lambda told: len(told.replicas) == 4)
    assert played.changed("champion.replicas", "kubectl") == [(3, 4)]

    played.kubectl("delete", "pod", names[0], "--wait=false")
    played.until(lambda told: names[0] not in told.replicas and len(told.replicas) == 4)

    played.kubectl("patch", "configmap", "gateway", "--type=merge", '--patch={"data":{"timeout":"2s"}}')
    played.until(lambda _told: played.changed("gateway.timeout", "kubectl") != [])
    assert played.service.spec.gateway.timeout == 2.0

    # The first pod of the job is deleted while it trains: the job makes another one, and the run goes on.
    retrain(played, 1)
    jobs = Jobs(played)
    name = jobs.newest(1)
    (lost,) = jobs.pods(name)
    played.kubectl("delete", "pod", lost["metadata"]["name"], "--grace-period=0", "--force")
    played.until(lambda _told: "v3" in played.versions, "no version was registered")
    (job,) = jobs.all()
    labels = job["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "drillbox"
    assert labels["drillbox.dev/drill"] in namespace
    assert [one["metadata"]["name"] for one in jobs.pods(name)] != [lost["metadata"]["name"]]
    played.until(lambda _told: "trained flights-" in logs_of(played, name), "kubectl does not show the job's log")
    played.until(lambda _told: any(line.component.startswith(name) and "trained flights-" in line.text for line in played.logs))
    played.until(lambda _told: played.logged(f"job {name} succeeded"))

    played.stack.down()
    assert things(played.standing.name) == before
    assert f"namespace/{namespace}" not in played.standing.kubectl("get", "namespaces", "--output=name").split()
    assert not list((played.base / "drills").iterdir())


def logs_of(played: Played, job: str) -> str:
    """What kubectl shows; it fails while it takes the pod that is gone for the job's."""
    try:
        return played.kubectl("logs", f"job/{job}")
    except subprocess.CalledProcessError:
        return ""
