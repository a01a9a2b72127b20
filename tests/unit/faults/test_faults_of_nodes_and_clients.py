"""Node loss, a partner's large inputs, bids without end, an autoscaler that sees zeros, pushes to the gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from fault_kit import Drill, scaled, with_fault

from drillbox.sandbox.model.scenario import Scenario
from drillbox.stacks.sim.fleet import PodState

Opened = Callable[..., Drill]


# ----------------------------------------------------------------------------------------------------------------------- nodes


def test_replicas_are_spread_over_the_nodes(calm: Scenario, opened: Opened) -> None:
    drill = opened(calm, 1.0)
    assert sorted(pod.node for pod in drill.pods) == ["node-1", "node-2", "node-3", "node-4"]
    drill.do("cordon", node="node-2")
    drill.do("scale", replicas=7)
    drill.play(10.0)
    assert [pod.node for pod in drill.pods[4:]] == ["node-1", "node-3", "node-4"]
    assert drill.do("cordon", node="node-2") == "node-2 is cordoned already"
    assert drill.do("uncordon", node="node-1") == "node-1 is not cordoned; node-2 is"


def test_without_any_node_replicas_are_pending(calm: Scenario, opened: Opened) -> None:
    drill = opened(calm, 1.0)
    for number in range(1, 5):
        drill.do("cordon", node=f"node-{number}")
    drill.do("scale", replicas=5)
    drill.play(20.0)
    assert drill.pods[-1].node == ""
    assert drill.logged("pending: no node takes it", drill.pods[-1].name)
    drill.do("uncordon", node="node-3")
    drill.play(40.0)
    assert drill.pods[-1].node == "node-3"
    assert len(drill.ready) == 5


def test_a_lost_node_is_noticed_by_the_gateway_first_and_evicted_at_last(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "nodes.loss", node="node-2"), 13.0)
    lost = next(pod for pod in drill.pods if pod.node == "node-2")
    assert drill.harm() == (0.0, 0.0)
    assert lost.state is PodState.READY, "nobody has noticed"
    assert drill.stack._plane.state.r[lost.slot, 6] >= 1, "what was sent there hangs"
    drill.play(45.0)
    assert lost.state is PodState.UNREACHABLE
    assert drill.harm()[0] + drill.harm()[1] > 0
    assert "NodeNotReady" not in drill.fired()
    drill.play(70.0)
    assert drill.sli("nodes_ready") == 3.0
    assert drill.sli("targets_down") == 1.0
    assert drill.metric("container_spec_memory_limit_bytes", pod=lost.name) == 0.0, "nobody tells anything of it"
    assert "NodeNotReady" in drill.fired()
    harm = drill.harm()
    drill.play(79.0)
    assert lost in drill.pods
    drill.play(110.0)
    assert lost not in drill.pods
    assert len(drill.ready) == 4
    assert drill.harm() == harm


def test_a_drain_replaces_the_replicas_of_a_lost_node_at_once(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "nodes.loss", node="node-2"), 60.0)
    drill.do("drain", node="node-2")
    drill.play(75.0)
    assert len(drill.ready) == 4
    assert "node-2" not in {pod.node for pod in drill.pods}


def test_a_node_that_comes_back_starts_its_containers(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "nodes.loss", lasts=60.0, node="node-2"), 90.0)
    assert drill.sli("nodes_ready") == 4.0
    assert len(drill.ready) == 4
    [back] = [pod for pod in drill.pods if pod.node == "node-2"]
    assert (back.restarts, back.frozen) == (1, False)
    assert drill.sli("latency") == 1.0


def test_a_node_that_is_lost_twice_at_once_is_back_when_both_are_over(calm: Scenario, opened: Opened) -> None:
    once = with_fault(calm, "nodes.loss", lasts=30.0, node="node-2")
    again = replace(once.timeline[0], id="again", at=20.0, lasts=50.0)
    drill = opened(replace(once, timeline=(*once.timeline, again)), 55.0)
    assert drill.sli("nodes_ready") == 3.0, "40 s after the first loss"
    drill.play(100.0)
    assert drill.sli("nodes_ready") == 4.0
    assert len(drill.ready) == 4


@pytest.mark.parametrize("how", ["pause", "stop", "disconnect"])
def test_however_a_node_is_lost_it_is_gone(calm: Scenario, opened: Opened, how: str) -> None:
    drill = opened(with_fault(calm, "nodes.loss", node="node-2", how=how), 60.0)
    assert drill.sli("nodes_ready") == 3.0


def test_replicas_on_a_node_that_is_short_of_cpu_are_slower_until_it_is_over(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "nodes.cpu_limit", lasts=60.0, node="node-2", cores=0.1), 60.0)
    slow = [pod for pod in drill.pods if pod.throttled > 1.0]
    assert [pod.node for pod in slow] == ["node-2"]
    assert drill.sli("latency") < 1.0
    assert drill.metric("container_cpu_cfs_periods_total", pod=slow[0].name) == 0.0, "its own container has no quota"
    drill.play(140.0)
    assert {pod.throttled for pod in drill.pods} == {1.0}
    assert drill.sli("latency") == 1.0


def test_of_two_limits_of_a_node_the_lowest_counts(calm: Scenario, opened: Opened) -> None:
    alone = opened(with_fault(calm, "nodes.cpu_limit", node="node-2", cores=0.05), 14.0)
    crowded = with_fault(calm, "nodes.cpu_limit", node="node-2", cores=0.05)
    again = replace(crowded.timeline[0], id="again", params={"node": "node-2", "cores": 5.0})
    both = opened(replace(crowded, timeline=(*crowded.timeline, again)), 14.0)
    assert [pod.throttled for pod in alone.pods] == [pod.throttled for pod in both.pods]


# --------------------------------------------------------------------------------------------------------------------- partner


def test_a_partner_with_large_inputs_takes_most_of_the_work(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "clients.large_inputs", share=0.1, factor=20.0), 9.0)
    assert drill.sli("partner_share") == 0.0
    drill.play(90.0)
    assert drill.sli("partner_share") == pytest.approx(2.0 / 2.9, abs=0.1), "10% of 20-fold against 90%"
    sent = drill.metric("envoy_gateway_partner_rq_total") / (80.0 * 79.0)
    assert sent == pytest.approx(0.1, abs=0.015)
    assert drill.sli("latency") < 0.95


def test_a_quota_for_the_partner_spares_the_others(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "clients.large_inputs", share=0.1, factor=20.0), 40.0)
    drill.do("set-quota", client="partner", share=0.0)
    drill.play(90.0)
    assert drill.sli("partner_share") == 0.0
    assert drill.sli("availability") == pytest.approx(0.9, abs=0.02), "the partner is refused"
    assert drill.sli("latency") == pytest.approx(drill.sli("availability")), "whoever gets an answer gets it in time"
    drill.do("set-quota", client="partner", share=1.0)
    drill.play(130.0)
    assert drill.sli("availability") == 1.0


def test_when_the_partner_is_gone_all_is_as_before(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "clients.large_inputs", lasts=30.0, share=0.1, factor=20.0), 90.0)
    assert drill.sli("partner_share") == 0.0
    assert drill.sli("latency") == 1.0


# ------------------------------------------------------------------------------------------------------------------------ cost


def test_a_batch_job_bids_replicas_up_until_its_quota_ends_it(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "cost.runaway", step=2, every=20.0), 115.0)
    assert drill.spec.champion.replicas == 4 + 2 * 6
    assert drill.logged("backfill of scores needs capacity", "batch-planner")
    assert drill.sli("cost_share") > 1.2
    drill.do("set-quota", client="batch", share=0.0)
    drill.play(160.0)
    assert drill.spec.champion.replicas == 16
    drill.do("scale", replicas=4)
    drill.play(240.0)
    assert drill.sli("cost_share") == pytest.approx(0.5, abs=0.05)
    assert "CostAboveBudget" in drill.fired()


def test_bids_stop_at_what_was_asked_for_and_when_the_fault_ends(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "cost.runaway", lasts=45.0, step=3, every=10.0, most=11), 100.0)
    assert drill.spec.champion.replicas == 11
    drill.do("scale", replicas=4)
    drill.play(150.0)
    assert drill.spec.champion.replicas == 4


def test_an_autoscalers_maximum_bounds_the_bids(calm: Scenario, opened: Opened) -> None:
    drill = opened(scaled(with_fault(calm, "cost.runaway", step=3, every=10.0), minimum=4, maximum=9), 60.0)
    assert (drill.spec.champion.replicas, drill.spec.autoscaler.minimum) == (9, 9)


# ------------------------------------------------------------------------------------------------------------------ autoscaler


def test_an_autoscaler_that_takes_no_metrics_for_zero_scales_to_its_minimum(calm: Scenario, opened: Opened) -> None:
    drill = opened(scaled(with_fault(calm, "autoscaler.empty_as_zero"), minimum=1, target=0.2), 290.0)
    assert drill.spec.champion.replicas == 4, "the highest recommendation of five minutes holds"
    drill.play(345.0)
    assert drill.spec.champion.replicas == 1
    assert drill.sli("saturation") > 0.7
    drill.do("set-autoscaler", enabled=False)
    drill.do("scale", replicas=4)
    drill.play(400.0)
    assert drill.spec.champion.replicas == 4
    assert drill.sli("latency") == 1.0


def test_with_metrics_the_same_autoscaler_keeps_the_replicas(calm: Scenario, opened: Opened) -> None:
    drill = opened(scaled(with_fault(calm, "autoscaler.empty_as_zero", lasts=60.0), minimum=1, target=0.2), 345.0)
    assert drill.spec.champion.replicas == 4


# ----------------------------------------------------------------------------------------------------------------- config push


def test_a_pushed_timeout_fails_requests_until_it_is_rolled_back(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "config.push", timeout=0.03), 60.0)
    assert drill.logged("gateway.timeout: 4.0 -> 0.03 (settings of the new region)", "config-pipeline")
    assert drill.sli("availability") < 0.4
    drill.do("roll-back-config")
    drill.play(100.0)
    assert drill.spec.gateway.timeout == 4.0
    assert drill.spec.platform.pushed == ""
    assert drill.sli("availability") == 1.0


def test_a_pushed_threshold_calls_flights_late_and_costs(calm: Scenario, opened: Opened) -> None:
    plain = opened(calm, 200.0)
    drill = opened(with_fault(calm, "config.push", threshold=0.9), 200.0)
    assert plain.sli("called_late") > 0.5
    assert drill.sli("called_late") < 0.2
    spent = drill.observed().ledger["prediction_cost"]
    assert spent > 1.2 * plain.observed().ledger["prediction_cost"], "flights that are missed cost more"
    assert drill.harm() == plain.harm(), "nothing fails and nothing is slow"
    drill.do("roll-back-config")
    drill.play(260.0)
    plain.play(260.0)
    since = drill.observed().ledger["prediction_cost"] - spent
    drill.play(320.0)
    assert drill.sli("called_late") > 0.5
    assert since > 0.0


def test_a_push_of_both_is_rolled_back_as_one(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "config.push", timeout=0.03, threshold=0.9), 12.0)
    assert drill.spec.platform.pushed == "gateway.threshold=0.0;gateway.timeout=4.0"
    drill.do("roll-back-config")
    drill.play(25.0)
    assert (drill.spec.gateway.timeout, drill.spec.gateway.threshold) == (4.0, 0.0)
