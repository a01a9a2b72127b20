"""Blackout and unbounded labels: what the scrapers see and what they do not; and how all faults of the platform begin."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from fault_kit import FAULTS, Drill, with_fault

from drillbox.sandbox.model.events import Injected, Role
from drillbox.sandbox.model.params import Value
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.telemetry import Series

Opened = Callable[..., Drill]

ONE_OF_EACH: dict[str, dict[str, Value]] = {
    "pods.bad_image": {},
    "pods.unready": {},
    "nodes.cpu_limit": {"node": "node-2", "cores": 0.5},
    "pods.crash_loop": {"after": 2.0},
    "pods.memory_leak": {"leak": 2.0},
    "pods.cpu_throttling": {"limit": 0.5},
    "pods.grey_slow": {"factor": 20.0},
    "pods.kill": {},
    "pods.hang": {},
    "nodes.loss": {"node": "node-2"},
    "artifacts.refusing": {},
    "config.push": {"timeout": 0.03, "threshold": 0.8},
    "gateway.delay": {"delay": 0.3, "share": 0.5},
    "gateway.abort": {"share": 0.2},
    "monitoring.blackout": {"share": 0.5},
    "monitoring.cardinality": {},
    "autoscaler.empty_as_zero": {},
    "clients.large_inputs": {"share": 0.1, "factor": 20.0},
    "cost.runaway": {"step": 2, "every": 5.0},
}


def names(drill: Drill, **labels: str) -> set[str]:
    """Metrics in the last scrape that have these labels."""
    scrape = drill.session.last_scrape
    assert scrape is not None
    wanted = set(labels.items())
    return {series.name for series in scrape.series if wanted <= set(series.labels)}


# ---------------------------------------------------------------------------------------------------------------- all of them


@pytest.fixture(scope="module")
def untouched(calm: Scenario) -> Drill:
    """Nothing happens."""
    drill = Drill.open(calm).play(40.0)
    drill.stack.down()
    return drill


def test_no_fault_of_the_platform_is_left_out() -> None:
    assert set(ONE_OF_EACH) == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_changes_before_a_fault_begins(calm: Scenario, opened: Opened, untouched: Drill, name: str) -> None:
    drill = opened(with_fault(calm, name, at=30.0, **ONE_OF_EACH[name]), 40.0)
    assert drill.before(30.0) == untouched.before(30.0)
    assert len(drill.before(30.0)) > 6
    assert [event.at for event in drill.session.events(role=Role.FACILITATOR) if isinstance(event.body, Injected)] == [30.0]
    assert not any(isinstance(event.body, Injected) for event in drill.session.events()), "an operator is not told"


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_the_same_for_the_same_seed_and_ends(calm: Scenario, opened: Opened, name: str) -> None:
    scenario = with_fault(calm, name, lasts=15.0, **ONE_OF_EACH[name])
    first, second = opened(scenario, 45.0), opened(scenario, 45.0)
    assert first.before(45.0) == second.before(45.0)
    with pytest.raises(KeyError):
        first.stack._faults.end("beat")


# -------------------------------------------------------------------------------------------------------------------- blackout


def test_in_a_blackout_targets_are_down_and_go_on_working(calm: Scenario, opened: Opened) -> None:
    dark, plain = opened(with_fault(calm, "monitoring.blackout"), 60.0), opened(calm, 60.0)
    assert dark.sli("targets_down") == 5.0
    assert dark.sli("scrape_seconds") == 5.0, "the timeout"
    for name in ("availability", "latency", "request_rate", "replicas", "saturation", "memory_share"):
        assert name in plain.observed().slis
        assert name not in dark.observed().slis, "no data is not zero"
    assert dark.observed().ledger == plain.observed().ledger, "the service does not notice"
    assert dark.sli("replicas_wanted") == 4.0, "what others tell is still there"
    dark.play(90.0)
    assert "TargetsDown" in dark.fired()


def test_a_part_of_the_targets_is_dark_the_same_ones_all_the_time(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "monitoring.blackout", job="model-server", share=0.5), 20.0)
    dark = {pod.name for pod in drill.pods if drill.metric("up", instance=pod.name) == 0.0}
    assert 0 < len(dark) < 4
    for pod in drill.pods:
        assert ("model_server_ready" in names(drill, pod=pod.name)) == (pod.name not in dark)
        assert {"up", "scrape_duration_seconds", "scrape_samples_scraped"} <= names(drill, instance=pod.name)
    assert drill.sli("availability") == 1.0, "the gateway is another job"
    drill.play(60.0)
    assert {pod.name for pod in drill.pods if drill.metric("up", instance=pod.name) == 0.0} == dark


def test_a_blackout_ends_and_counters_go_on_where_they_are(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "monitoring.blackout", lasts=30.0), 120.0)
    assert drill.sli("targets_down") == 0.0
    assert drill.sli("request_rate") == pytest.approx(80.0, rel=0.2)
    served = sum(int(drill.stack._plane.state.r[pod.slot, 11]) for pod in drill.pods)
    assert drill.metric("model_server_requests_total", code="200") == served


def test_restarted_scrapers_see_again(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, "monitoring.blackout"), 20.0)
    drill.do("restart-monitoring")
    drill.play(45.0)
    assert drill.sli("targets_down") == 5.0, "it takes half a minute"
    drill.play(60.0)
    assert drill.sli("targets_down") == 0.0
    assert drill.logged("scrapers started; all targets found", "monitoring")


# ----------------------------------------------------------------------------------------------------------------- cardinality


@pytest.fixture
def labelled(calm: Scenario, opened: Opened) -> Drill:
    """Eight times the traffic would: here a target has 20 new values a second, and a limit that is reached in the drill."""
    world = dataclasses.replace(calm.world, traffic=dataclasses.replace(calm.world.traffic, rate=200.0))
    return opened(with_fault(dataclasses.replace(calm, world=world), "monitoring.cardinality"), 5.0)


def test_series_grow_with_the_requests_until_scrapes_are_thrown_away(labelled: Drill) -> None:
    before = labelled.sli("series")
    labelled.play(70.0)
    grown = labelled.sli("series") - before
    assert grown == pytest.approx(200.0 * 60.0, rel=0.05), "one for each answer"
    assert labelled.sli("targets_down") == 0.0
    seconds = labelled.sli("scrape_seconds")
    labelled.play(240.0)
    assert labelled.sli("targets_down") == 4.0
    assert labelled.sli("scrape_seconds") > 2 * seconds, "scrapes slow down"
    assert len(labelled.logged("sample limit of 10000 exceeded")) == 4
    assert "saturation" not in labelled.observed().slis
    assert labelled.sli("series") < 4 * 10_000 + 500, "what is thrown away is not stored"
    assert {"SeriesGrow"} <= labelled.fired()
    assert labelled.harm() == (0.0, 0.0), "the service does not suffer"


def test_a_dropped_label_brings_the_scrapes_back(labelled: Drill) -> None:
    labelled.play(240.0)
    labelled.do("drop-label", label="request_id")
    assert labelled.do("drop-label", label="request_id") == "the label request_id is dropped already"
    labelled.play(300.0)
    assert labelled.sli("targets_down") == 0.0
    assert "saturation" in labelled.observed().slis
    series = labelled.sli("series")
    labelled.play(330.0)
    assert labelled.sli("series") == series, "it grows no more, and what is there stays for hours"


def test_another_label_does_not_help(labelled: Drill) -> None:
    labelled.play(240.0)
    labelled.do("drop-label", label="client_address")
    labelled.play(260.0)
    assert labelled.sli("targets_down") == 4.0


def test_a_restarted_server_begins_without_label_values(labelled: Drill) -> None:
    labelled.play(240.0)
    labelled.do("restart", replica="all")
    labelled.play(270.0)
    assert labelled.sli("targets_down") == 0.0
    assert max(labelled.metric("scrape_samples_scraped", instance=pod.name) for pod in labelled.pods) < 3_000.0


def test_samples_are_counted_as_they_are(calm: Scenario, opened: Opened) -> None:
    drill = opened(calm, 10.0)
    scrape = drill.session.last_scrape
    assert scrape is not None
    own = {"scrape_duration_seconds", "scrape_samples_scraped", "up"}
    gateway = [one for one in scrape.series if one.name.startswith("envoy_")]
    assert drill.metric("scrape_samples_scraped", job="gateway") == len(gateway)
    pod = drill.pods[0].name
    series: list[Series] = [one for one in scrape.series if one.label("pod") == pod]
    assert drill.metric("scrape_samples_scraped", instance=pod) == len(series)
    assert drill.sli("series") == len([one for one in scrape.series if one.name not in own])
