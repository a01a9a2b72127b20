"""Retraining on a real cluster: what befalls a Job is told; what it makes is tried out, promoted, and kept on the registry's volume."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cluster_kit import Jobs, Played, retrain, turned_season
from lightkube.resources.batch_v1 import Job

from drillbox.stacks.deploy.kubernetes import config, pods
from drillbox.stacks.deploy.kubernetes.setup import Setup

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.soak]


def test_what_a_job_trains_becomes_the_champion_and_outlives_the_registry(played: Played) -> None:
    played.up(turned_season())
    jobs = Jobs(played)
    played.until(lambda told: told.at > 0.0)

    # The candidate takes its model from the registry, is tried out, and becomes the champion.
    retrain(played, 1)
    played.until(lambda _told: played.changed("candidate.version", "retraining") != [], "nothing was tried out")
    played.until(lambda _told: played.changed("champion.version", "retraining") == [("v2", "v3")], "it was not promoted")
    played.until(lambda _told: {one.version for one in played.service.pods() if one.ready} == {"v3"})

    # A job that somebody deletes: the run has failed, and says so.
    retrain(played, 2)
    second = jobs.newest(2)
    played.kubectl("delete", "job", second, "--wait=false")
    played.until(lambda _told: played.logged(f"run-2 failed: job {second} was deleted"))

    # The registry is away, and comes back with all that it had: the job waits for it.
    played.kubectl("scale", "deployment/registry", "--replicas=0")
    played.until(lambda _told: not _pods_of(played, "registry"))
    retrain(played, 3)
    third = jobs.newest(3)
    played.until(lambda _told: any(line.component.startswith(third) and "next try in" in line.text for line in played.logs))
    played.kubectl("scale", "deployment/registry", "--replicas=1")
    played.until(lambda _told: played.logged(f"job {third} succeeded"))
    served = played.service.names()[0]
    played.kubectl("delete", "pod", served, "--wait=false")  # its successor finds v3 on the registry's volume
    played.until(lambda told: served not in told.replicas and all(one.ready for one in played.service.pods()))
    assert {one.version for one in played.service.pods() if one.pool == "model-champion"} == {"v3"}


def _pods_of(played: Played, component: str) -> list[str]:
    selector = f"--selector=app.kubernetes.io/component={component}"
    return played.kubectl("get", "pods", selector, "--output=name").split()


def test_a_job_without_memory_is_told(played: Played, monkeypatch: pytest.MonkeyPatch, things: Callable[[str], object]) -> None:
    before = things(played.standing.name)
    made = config.training_job

    def narrow(setup: Setup) -> Job:
        job = made(setup)
        assert job.spec is not None
        assert job.spec.template.spec is not None
        job.spec.template.spec.containers[0].resources = pods.amounts("32Mi", "48Mi", cpu="100m")
        return job

    monkeypatch.setattr(config, "training_job", narrow)
    played.up(turned_season())
    played.until(lambda told: told.at > 0.0)
    retrain(played, 1)
    played.until(lambda _told: played.logged("run-1 failed: "), "nobody told of it")
    told = next(line.text for line in played.logs if "run-1 failed: " in line.text)
    assert "OOMKilled, exit code 137" in told
    assert "BackoffLimitExceeded" in told
    played.stack.down()
    assert things(played.standing.name) == before
