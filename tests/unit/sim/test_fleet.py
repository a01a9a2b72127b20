"""Pods live as on Kubernetes: start, load, ready, crash with back-off, rolling updates, graceful ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from drillbox.sandbox.model.service import Workload
from drillbox.stacks.sim.fleet import CHAMPION, Pod, PodState

if TYPE_CHECKING:
    from .conftest import Bench


def ready(bench: Bench) -> list[str]:
    return [pod.name for pod in bench.fleet.ready(CHAMPION)]


def test_new_pods_start_load_and_then_serve(bench: Bench, three: Workload) -> None:
    bench.fleet.reconcile(CHAMPION, three)
    bench.run(5.0)
    assert set(bench.states().values()) == {"starting"}
    bench.run(15.0)
    assert set(bench.states().values()) == {"loading"}
    assert not ready(bench)
    bench.run(31.0)
    assert len(ready(bench)) == 3
    assert (30.0, "model-champion-1", "info", "model v1 loaded, ready") in bench.log


def test_pods_of_the_beginning_are_ready_at_once(bench: Bench, three: Workload) -> None:
    bench.fleet.reconcile(CHAMPION, three, at_once=True)
    assert len(ready(bench)) == 3


def test_scaling_down_takes_unready_pods_first_then_the_youngest(bench: Bench, three: Workload) -> None:
    bench.fleet.reconcile(CHAMPION, three, at_once=True)
    bench.run(1.0)
    bench.fleet.reconcile(CHAMPION, replace(three, replicas=4))
    bench.run(2.0)
    bench.fleet.reconcile(CHAMPION, replace(three, replicas=2))
    bench.fleet.sweep()
    assert bench.states() == {"model-champion-1": "ready", "model-champion-2": "ready"}


def test_a_retired_pod_finishes_what_it_has(bench: Bench, three: Workload) -> None:
    bench.fleet.reconcile(CHAMPION, replace(three, replicas=1), at_once=True)
    bench.serve([0.0, 0.001, 0.002], 0.01)
    bench.fleet.reconcile(CHAMPION, replace(three, replicas=0))
    bench.fleet.sweep()
    assert bench.states() == {"model-champion-1": "draining"}
    bench.run(1.0)
    bench.fleet.sweep()
    assert not bench.fleet.pods()
    assert bench.plane.counts().ok == 3


def test_deleted_pods_lose_their_work_and_are_replaced(bench: Bench, three: Workload) -> None:
    bench.fleet.reconcile(CHAMPION, replace(three, replicas=1), at_once=True)
    bench.serve([0.0, 0.001, 0.002], 0.01)
    bench.fleet.replace(CHAMPION, "all", replace(three, replicas=1))
    assert bench.states() == {"model-champion-2": "starting"}
    bench.run(1.0)
    assert bench.plane.counts().failed == 3


def test_only_the_named_pod_is_deleted(bench: Bench, three: Workload) -> None:
    bench.fleet.reconcile(CHAMPION, three, at_once=True)
    bench.fleet.replace(CHAMPION, "model-champion-2", three)
    assert set(bench.states()) == {"model-champion-1", "model-champion-3", "model-champion-4"}


def test_a_crash_restarts_with_the_kubelets_back_off(bench: Bench, three: Workload) -> None:
    bench.fleet.reconcile(CHAMPION, replace(three, replicas=1), at_once=True)
    pod: Pod = bench.fleet.pods()[0]
    ready_at: list[float] = []
    for _ in range(3):
        bench.fleet.crash(pod, "out of memory")
        assert not ready(bench)
        before = bench.env.now
        while not ready(bench):
            bench.run(bench.env.now + 1.0)
        ready_at.append(bench.env.now - before)
    # Start and load take 30 s; the back-off before them is 0, 10, 20 s.
    assert ready_at == [30.0, 40.0, 50.0]
    assert pod.restarts == 3
    assert pod.state is PodState.READY


def test_a_rollout_keeps_three_quarters_available_and_surges_by_one_quarter(bench: Bench, three: Workload) -> None:
    four = replace(three, replicas=4)
    bench.fleet.reconcile(CHAMPION, four, at_once=True)
    bench.fleet.reconcile(CHAMPION, replace(four, version="v2"))
    for second in range(1, 200):
        bench.run(float(second))
        bench.fleet.sweep()
        assert len(ready(bench)) >= 3
        assert len(list(bench.fleet.alive(CHAMPION))) <= 5
    assert {pod.version for pod in bench.fleet.pods()} == {"v2"}
    assert len(ready(bench)) == 4


def test_a_rollout_turned_back_halfway_ends_on_the_old_version(bench: Bench, three: Workload) -> None:
    bench.fleet.reconcile(CHAMPION, three, at_once=True)
    bench.fleet.reconcile(CHAMPION, replace(three, version="v2"))
    bench.run(32.0)
    assert {pod.version for pod in bench.fleet.pods()} == {"v1", "v2"}
    bench.fleet.reconcile(CHAMPION, three)
    for second in range(33, 200):
        bench.run(float(second))
        bench.fleet.sweep()
    assert {pod.version for pod in bench.fleet.pods()} == {"v1"}
    assert len(ready(bench)) == 3


def test_the_revision_grows_whenever_the_set_of_pods_changes(bench: Bench, three: Workload) -> None:
    seen = [bench.fleet.revision]
    bench.fleet.reconcile(CHAMPION, three, at_once=True)
    seen.append(bench.fleet.revision)
    bench.fleet.replace(CHAMPION, "model-champion-1", three)
    seen.append(bench.fleet.revision)
    assert seen == sorted(set(seen))
