"""Processes of replicas that are killed, and that hang: what clients, gateway and on-call see of it, and what cures it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fault_kit import Drill, with_fault

from drillbox.sandbox.model.events import Logged
from drillbox.sandbox.model.scenario import Scenario
from drillbox.stacks.control_plane.luck import Draw
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.fleet import PodState

Opened = Callable[..., Drill]


def test_a_killed_replica_breaks_what_it_has_and_starts_again(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.kill"), 11.0)
    [victim] = [pod for pod in drill.pods if pod.state is not PodState.READY]
    assert drill.logged("process ended: killed by SIGKILL", victim.name)
    assert drill.metric("envoy_cluster_upstream_rq_retry") == 0.0, "as of the last scrape"
    drill.play(30.0)
    assert (len(drill.ready), victim.restarts) == (4, 1)
    assert not drill.logged("restart in", victim.name), "the first restart is immediate"
    broken = drill.metric("envoy_cluster_upstream_rq_retry")
    assert 0.0 < broken + drill.harm()[0] < 10.0, "what it had in service is retried or lost"
    assert drill.harm()[1] < 60.0


def test_kills_again_and_again_come_up_against_the_back_off(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.kill", lasts=60.0, count=4, every=15.0), 200.0)
    kills = drill.logged("killed by SIGKILL")
    assert 8 <= len(kills) <= 16
    assert sum(pod.restarts for pod in drill.pods) == len(kills)
    assert {"restart in 10 s", "restart in 20 s"} <= set(drill.logged("restart in"))
    assert len(drill.ready) == 4
    harm = drill.harm()[0]
    assert harm > 0
    drill.play(230.0)
    assert drill.harm()[0] == harm


def test_more_than_there_are_is_all_of_them(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.kill", count=9), 11.0)
    assert not drill.ready
    drill.play(30.0)
    assert drill.sli("availability") < 1.0
    assert len(drill.ready) == 4


def test_a_hung_replica_holds_requests_until_they_time_out_and_until_the_gateway_knows(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.hang"), 17.0)
    [hung] = [pod for pod in drill.pods if pod.frozen]
    assert hung.state is PodState.READY, "nobody has noticed"
    assert drill.harm()[0] > 0, "who was sent there waits until the gateway's timeout"
    drill.play(20.0)
    assert hung.state is PodState.UNREACHABLE
    assert drill.logged("health checks fail: no answer", hung.name)
    drill.play(38.0)
    harm = drill.harm()
    assert drill.sli("targets_down") == 1.0
    assert not drill.logged("liveness")
    drill.play(48.0)
    assert drill.logged("liveness probe fails: its container is to be restarted", hung.name)
    assert hung.restarts == 0, "it has its grace"
    drill.play(70.0)
    assert drill.logged("process ended: killed by SIGKILL", hung.name)
    assert (hung.restarts, len(drill.ready)) == (1, 4)
    assert drill.harm() == harm
    assert not hung.frozen


def test_it_hangs_far_less_work_than_a_replica_would_get(calm: Scenario, opened: Opened) -> None:
    """The gateway sends to whoever has less outstanding: what hangs counts until it has timed out."""
    drill = opened(with_fault(calm, "pods.hang"), 30.0)
    share = drill.harm()[0] / (80.0 * 8.5 / 4.0)
    assert 0.02 < share < 0.5


def test_a_process_that_goes_on_serves_again_as_the_same(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.hang", lasts=25.0, count=2), 30.0)
    assert len(drill.ready) == 2
    drill.play(42.0)
    assert len(drill.ready) == 4
    assert sum(pod.restarts for pod in drill.pods) == 0
    assert len(drill.logged("health checks pass again: ready")) == 2
    harm = drill.harm()
    drill.play(100.0)
    assert drill.harm() == harm


def test_who_goes_on_within_its_grace_ends_as_it_was_asked(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.hang", lasts=35.0), 70.0)
    assert drill.logged("process ended: exit 0")
    assert not drill.logged("SIGKILL")
    assert (sum(pod.restarts for pod in drill.pods), len(drill.ready)) == (1, 4)


def test_a_short_stop_is_noticed_by_nobody_but_those_who_waited(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.hang", lasts=0.3), 40.0)
    assert drill.harm()[0] == 0.0
    assert 0.0 < drill.harm()[1] < 20.0
    assert not drill.logged("health checks")
    assert not any(pod.frozen for pod in drill.pods)
    assert len(drill.ready) == 4


def test_a_restart_in_between_ends_it_for_good(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.hang", lasts=30.0), 21.0)
    [hung] = [pod for pod in drill.pods if pod.frozen]
    drill.do("restart", replica=hung.name)
    drill.play(60.0)
    assert len(drill.ready) == 4
    assert not any(pod.frozen for pod in drill.pods)
    assert not drill.logged("pass again")


def test_a_kill_ends_a_hang_and_the_fault_that_ends_later_finds_nothing(calm: Scenario, opened: Opened) -> None:
    hang = with_fault(calm, "pods.hang", lasts=30.0, count=4)
    kill = with_fault(calm, "pods.kill", at=12.0, count=4).timeline[0]
    drill = opened(replace(hang, timeline=(*hang.timeline, replace(kill, id="kill"))), 30.0)
    assert len(drill.ready) == 4
    assert [pod.restarts for pod in drill.pods] == [1] * 4
    drill.play(60.0)
    assert len(drill.ready) == 4


def test_the_same_seed_hits_the_same(calm: Scenario) -> None:
    def hit(seed: int) -> tuple[list[str], list[str]]:
        drill = Drill.open(with_fault(calm, "pods.kill", count=2), seed).play(14.0)
        drill.stack.down()
        lines = [event.body for event in drill.session.events() if isinstance(event.body, Logged)]
        return sorted(line.component for line in lines if "SIGKILL" in line.text), [line.text for line in lines]

    assert hit(1) == hit(1)
    assert len({tuple(hit(seed)[0]) for seed in range(1, 6)}) > 1


def test_a_draw_takes_each_once_and_the_next_is_the_same_whatever_there_was() -> None:
    nexts = []
    for there in (["a"], list("abcdef"), list[str]()):
        draw = Draw(1, "faults/kills")
        found = draw.of(there, 3)
        assert len(found) == len(set(found)) == min(3, len(there))
        assert set(found) <= set(there)
        nexts.append(draw.of(list("pqrst"), 2))
    assert nexts[0] == nexts[1] == nexts[2]


def test_an_unready_replica_gets_no_requests_and_is_not_restarted(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.unready", lasts=60.0, count=2), 13.0)
    assert len(drill.ready) == 4, "the probe has to fail three times"
    drill.play(20.0)
    unfit = [pod for pod in drill.pods if pod.state is not PodState.READY]
    assert len(unfit) == 2
    assert drill.logged("readiness probe fails: 503", unfit[0].name)
    served = [drill.stack._plane.state.r[pod.slot, lay.R_SERVED] for pod in unfit]
    drill.play(65.0)
    assert [drill.stack._plane.state.r[pod.slot, lay.R_SERVED] for pod in unfit] == served
    assert [pod.restarts for pod in unfit] == [0, 0]
    assert drill.sli("targets_down") == 0.0, "they are scraped as ever"
    assert drill.harm()[0] == 0.0
    drill.play(80.0)
    assert len(drill.ready) == 4


def test_a_restart_cures_an_unready_replica(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.unready"), 20.0)
    [unfit] = [pod for pod in drill.pods if pod.state is not PodState.READY]
    drill.do("restart", replica=unfit.name)
    drill.play(50.0)
    assert len(drill.ready) == 4


def test_a_replica_that_hangs_meanwhile_goes_on_unready(calm: Scenario, opened: Opened) -> None:
    unready = with_fault(calm, "pods.unready", lasts=60.0, count=4)
    hang = replace(with_fault(calm, "pods.hang", at=11.0, lasts=15.0, count=4).timeline[0], id="hang")
    drill = opened(replace(unready, timeline=(*unready.timeline, hang)), 40.0)
    assert drill.ready == []
    drill.play(75.0)
    assert len(drill.ready) == 4


def test_new_replicas_wait_for_an_image_that_nobody_has(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "pods.bad_image"), 12.0)
    assert drill.logged("servers.settings: usual -> revision-2 (a smaller image)", "config-pipeline")
    drill.do("scale", replicas=5)
    drill.play(45.0)
    new = drill.pods[-1]
    assert (len(drill.ready), new.state) == (4, PodState.BACKING_OFF)
    assert drill.logged("ImagePullBackOff", new.name) == [
        "ImagePullBackOff: the image of settings revision-2 is not in the registry"
    ]
    old = drill.pods[0]
    drill.do("restart", replica=old.name)
    drill.play(50.0)
    assert len(drill.ready) == 3, "a replica that is deleted comes back as a new one"
    drill.do("roll-back-config")
    drill.play(90.0)
    assert len(drill.ready) == 5
