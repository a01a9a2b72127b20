"""Crash loop, memory leak, CPU throttling, a grey replica, refused artifacts: by their mechanisms, and what cures them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from fault_kit import Drill, with_fault

from drillbox.sandbox.model.scenario import Scenario
from drillbox.stacks.sim.fleet import PodState

Opened = Callable[..., Drill]


# ----------------------------------------------------------------------------------------------------------------- crash loop


def test_in_a_crash_loop_every_process_dies_again_with_the_kubelets_back_off(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.crash_loop", after=5.0), 11.0)
    assert drill.spec.servers.settings == "revision-2"
    assert drill.logged("servers.settings: usual -> revision-2 (larger thread pools)", "config-pipeline")
    assert len(drill.ready) == 4, "nobody dies before its time"
    drill.play(140.0)
    assert all(pod.restarts >= 3 for pod in drill.pods)
    told = drill.logged("restart in", "model-champion-1")
    assert told[:3] == ["restart in 10 s", "restart in 20 s", "restart in 40 s"]
    assert {"NoReplica", "ReplicaRestarting"} <= drill.fired()


def test_a_roll_back_of_the_settings_ends_a_crash_loop_and_a_restart_does_not(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.crash_loop", after=5.0), 60.0)
    drill.do("restart", replica="all")
    drill.play(80.0)
    assert sum(pod.restarts for pod in drill.pods) >= 4, "the new ones die, too"
    assert drill.do("roll-back-config") == ""
    drill.play(200.0)
    assert drill.spec.servers.settings == "usual"
    restarts = [pod.restarts for pod in drill.pods]
    failed = drill.harm()
    drill.play(300.0)
    assert [pod.restarts for pod in drill.pods] == restarts
    assert drill.harm() == failed, "nobody is harmed any more"
    assert drill.do("roll-back-config") == "there is no push of configuration to roll back"


# ---------------------------------------------------------------------------------------------------------------- memory leak


def test_memory_grows_with_the_answers_until_the_container_is_killed(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.memory_leak", leak=1.0), 9.0)
    before = drill.sli("memory_share")
    assert 0.28 < before < 0.32
    drill.play(30.0)
    for pod in drill.pods:
        served = drill.metric("model_server_requests_total", pod=pod.name, code="200")
        assert 200.0 < pod.usage.leaked < served, "one MiB for each answer since the fault began"
    assert drill.sli("memory_share") > before + 0.3
    drill.play(60.0)
    assert drill.sli("oom_kills") == 4.0
    assert len(drill.logged("OOMKilled: ")) == 4
    assert {"MemoryHigh", "ReplicaOOMKilled"} <= drill.fired()
    assert all(pod.usage.leaked < 700.0 for pod in drill.pods), "a new process begins anew"
    assert drill.harm()[0] > 0


def test_a_leak_that_ends_leaves_what_has_leaked(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.memory_leak", lasts=20.0, leak=1.0), 32.0)
    leaked = [pod.usage.leaked for pod in drill.pods]
    assert min(leaked) > 100.0
    drill.play(90.0)
    assert [pod.usage.leaked for pod in drill.pods] == leaked
    assert not drill.fired()


@pytest.mark.parametrize("action", ["set-limits", "restart"])
def test_more_memory_or_a_restart_in_time_spares_the_kill(calm: Scenario, opened: Opened, action: str) -> None:
    drill = opened(with_fault(calm, "pods.memory_leak", leak=0.5), 40.0)
    if action == "set-limits":
        drill.do("set-limits", memory=4096.0)
        drill.play(120.0)
        assert drill.metric("container_spec_memory_limit_bytes") == 4 * 4096.0 * 2**20
    else:
        for number in range(1, 5):
            drill.do("restart", replica=f"model-champion-{number}")
            drill.play(drill.session.now + 8.0)
        assert drill.session.now < 80.0
        drill.play(100.0)
    assert drill.sli("oom_kills") == 0.0
    assert drill.harm()[0] <= 10.0, "what a restarted replica had in service"


def test_a_limit_below_what_a_process_needs_kills_it(calm: Scenario, opened: Opened) -> None:
    drill = opened(calm, 5.0)
    drill.do("set-limits", memory=256.0)
    drill.play(30.0)
    assert drill.sli("oom_kills") >= 4.0
    assert drill.sli("availability") < 0.9


# ------------------------------------------------------------------------------------------------------------- CPU throttling


def test_a_cpu_limit_slows_down_in_proportion_to_what_is_wanted(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.cpu_throttling", limit=1.0), 9.0)
    assert "throttled_share" not in drill.observed().slis, "without a limit there are no periods"
    drill.play(60.0)
    assert drill.logged("servers.cpu: 0.0 -> 1.0", "capacity")
    # Each replica wants 20/s x 40 ms = 0.8 cores: just enough on the average, not in every second.
    assert 0.0 < drill.sli("throttled_share") < 0.9
    assert drill.harm()[0] == 0.0


def test_a_quota_below_the_load_throttles_all_the_time_and_a_roll_back_ends_it(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.cpu_throttling", limit=0.5), 60.0)
    assert drill.sli("throttled_share") == pytest.approx(1.0, abs=0.05)
    assert all(pod.throttled == pytest.approx(8.0, abs=0.5) for pod in drill.pods), "four busy slots share half a core"
    assert drill.sli("slowest_replica") == pytest.approx(0.04 * 8, rel=0.15)
    assert "CPUThrottlingHigh" in drill.fired()
    drill.do("roll-back-config")
    drill.play(130.0)
    assert drill.spec.servers.cpu == 0.0
    assert all(pod.throttled == 1.0 for pod in drill.pods)
    assert drill.sli("latency") == 1.0


def test_a_higher_limit_cures_it_as_well(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.cpu_throttling", limit=0.5), 40.0)
    drill.do("set-limits", cpu=4.0)
    drill.play(90.0)
    assert drill.sli("throttled_share") < 0.01
    assert drill.sli("latency") == 1.0


# --------------------------------------------------------------------------------------------------------------- grey replica


def test_one_replica_is_slow_and_ready_all_the_same(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.grey_slow", factor=20.0), 60.0)
    [grey] = [pod for pod in drill.pods if pod.grey != 1.0]
    assert len(drill.ready) == 4
    assert drill.sli("slowest_replica") == pytest.approx(0.8, rel=0.2)
    assert 0.85 < drill.sli("latency") < 0.99
    rows = {str(row[0]): row for row in drill.stack.look("replicas").rows}
    work = {name: float(row[-1] or 0) for name, row in rows.items()}
    assert max(work, key=work.__getitem__) == grey.name, "the view tells which"
    drill.do("restart", replica=grey.name)
    drill.play(120.0)
    assert drill.sli("latency") == 1.0


def test_a_grey_replica_that_recovers_is_like_the_others(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.grey_slow", lasts=20.0, factor=20.0), 90.0)
    assert [pod.grey for pod in drill.pods] == [1.0] * 4
    assert drill.sli("slowest_replica") == pytest.approx(0.04, rel=0.1)


def test_which_replica_is_grey_is_the_luck_of_the_seed(calm: Scenario, opened: Opened) -> None:
    names = set()
    for seed in range(1, 5):
        drill = Drill.open(replace(with_fault(calm, "pods.grey_slow", factor=20.0)), seed).play(12.0)
        names.add(next(pod.name for pod in drill.pods if pod.grey != 1.0))
        drill.stack.down()
    assert len(names) > 1


# ------------------------------------------------------------------------------------------------------------------ artifacts


def test_refused_artifacts_show_only_when_somebody_has_to_load(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "artifacts.refusing"), 60.0)
    assert drill.harm() == (0.0, 0.0)
    assert len(drill.ready) == 4, "who has loaded goes on"
    drill.do("restart", replica="model-champion-2")
    drill.play(100.0)
    new = drill.pods[-1]
    assert new.state is not PodState.READY
    assert new.restarts >= 2
    assert drill.logged("503 Service Unavailable from the artifact store", new.name)
    waits = [float(line.split()[2]) for line in drill.logged("restart in", new.name)]
    assert all(later == 2 * earlier for earlier, later in pairwise(waits))


def test_a_pinned_mirror_lets_replicas_load(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "artifacts.refusing"), 20.0)
    assert drill.do("pin-artifacts", source="mirror") == ""
    drill.do("scale", replicas=6)
    drill.play(40.0)
    assert len(drill.ready) == 6


def test_when_the_host_answers_again_the_next_try_loads(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "artifacts.refusing", lasts=20.0), 12.0)
    drill.do("restart", replica="model-champion-1")
    drill.play(60.0)
    assert len(drill.ready) == 4
    assert drill.pods[-1].restarts >= 1
