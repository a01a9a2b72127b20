"""Retraining on a real cluster: a Job trains, and what befalls it is told; what it makes is served from the registry's volume."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cluster_kit import Played, Standing

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.scenario import Scenario
from drillbox.stacks.deploy.kubernetes import pods, training

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

DAYS = 42


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """The season has turned: whatever is trained now is better than what serves."""
    found = load_scenario(Library.packaged().find("quiet-decay"), "short")
    return dataclasses.replace(found, warmup=10.0, duration=900.0)


@pytest.fixture
def played(standing: Standing) -> Iterator[Played]:
    one = Played(standing)
    yield one
    one.stack.down()


class Jobs:
    """The jobs of a drill, by kubectl."""

    def __init__(self, played: Played) -> None:
        self._played = played

    def all(self) -> list[dict[str, Any]]:
        return self._items("jobs", "--selector=app.kubernetes.io/component=training")

    def pods(self, job: str) -> list[dict[str, Any]]:
        return self._items("pods", f"--selector=job-name={job}")

    def newest(self, number: int) -> str:
        """The name of the job of run `number`, once it is there with a pod that runs."""
        found: list[str] = []

        def there(_told: object) -> bool:
            found[:] = [
                one["metadata"]["name"] for one in self.all() if one["metadata"]["labels"]["drillbox.dev/run"] == str(number)
            ]
            return bool(found) and any(one["status"]["phase"] == "Running" for one in self.pods(found[0]))

        self._played.until(there, f"no job of run {number} runs")
        return found[0]

    def _items(self, *what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._played.kubectl("get", *what, "--output=json"))["items"]
        return found


def retrain(played: Played, number: int) -> None:
    played.act(retraining__requested=f"{DAYS}d#{number}")


def test_jobs_train_whatever_befalls_them(played: Played, scenario: Scenario) -> None:
    played.up(scenario)
    jobs = Jobs(played)
    played.until(lambda told: told.at > 0.0)

    # The first pod is deleted while it trains: the job makes another one, and the run goes on.
    retrain(played, 1)
    first = jobs.newest(1)
    (lost,) = jobs.pods(first)
    played.kubectl("delete", "pod", lost["metadata"]["name"], "--grace-period=0", "--force")
    played.until(lambda _told: "v3" in played.versions, "no version was registered")
    (job,) = jobs.all()
    labels = job["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "drillbox"
    assert labels["drillbox.dev/drill"] in played.namespace
    assert [one["metadata"]["name"] for one in jobs.pods(first)] != [lost["metadata"]["name"]]
    assert " is in the registry" in played.kubectl("logs", f"job/{first}") or "was in the registry" in played.kubectl(
        "logs", f"job/{first}"
    )
    assert any(line.component.startswith(first) and "trained flights-" in line.text for line in played.logs)
    assert played.logged(f"job {first} succeeded")

    # The candidate takes its model from the registry, is tried out, and becomes the champion.
    played.until(lambda _told: played.changed("candidate.version", "retraining") != [])
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


@pytest.mark.soak
def test_a_job_without_memory_is_told(
    played: Played, scenario: Scenario, monkeypatch: pytest.MonkeyPatch, things: Callable[[str], object]
) -> None:
    before = things(played.standing.name)
    real = pods.amounts
    monkeypatch.setattr(training.pods, "amounts", lambda *_of, **more: real("32Mi", "48Mi", **more))
    played.up(scenario)
    monkeypatch.undo()
    played.until(lambda told: told.at > 0.0)
    retrain(played, 1)
    played.until(lambda _told: played.logged("run-1 failed: "), "nobody told of it")
    (told,) = [line.text for line in played.logs if "run-1 failed: " in line.text]
    assert "OOMKilled, exit code 137" in told
    assert "BackoffLimitExceeded" in told
    played.stack.down()
    assert things(played.standing.name) == before
