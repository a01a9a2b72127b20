"""Scrapes of real producers give the monitor what it reads, under the simulation's names; what fails is stale and down."""

from __future__ import annotations

import math
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.scenario import Prices
from drillbox.sandbox.model.telemetry import Scrape, Series
from drillbox.sandbox.monitor.monitor import Monitor
from drillbox.sandbox.monitor.thresholds import threshold_alerts
from drillbox.stacks.monitoring.exporter import Exporter, PodState
from drillbox.stacks.monitoring.exposition import Reader
from drillbox.stacks.monitoring.rules import OWN, wanted_metrics
from drillbox.stacks.monitoring.scraper import Scraper
from drillbox.stacks.monitoring.targets import Target

sys.path.insert(0, str(Path(__file__).parent))
from monitoring_kit import EXPOSITIONS, Make, Producer

ENVOY = (EXPOSITIONS / "envoy.txt").read_text()
SERVER = (EXPOSITIONS / "model_server.txt").read_text()
STORE = (EXPOSITIONS / "feature_store.txt").read_text()


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Producer] = []

    def new(*args: str) -> Producer:
        made.append(Producer(*args))
        return made[-1]

    yield new
    for one in made:
        one.close()


OPEN: list[Scraper] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


class Scraping:
    """A scraper of targets that tests change, and what it told of failures."""

    def __init__(self, *targets: Target, timeout: float = 20.0, limit: int = 10_000) -> None:
        self.targets = list(targets)
        self.told: list[tuple[str, str]] = []
        self.scraper = Scraper(
            lambda: self.targets, timeout=timeout, limit=limit, failed=lambda one, why: self.told.append((one.name, why))
        )
        self.at = 0.0
        OPEN.append(self.scraper)

    def scrape(self) -> Scrape:
        self.at += 5.0
        return self.scraper.scrape(self.at)


def values(scrape: Scrape) -> dict[str, float]:
    return {str(series): float(value) for series, value in zip(scrape.series, scrape.values, strict=True)}


def up(name: str, job: str = "model-server") -> str:
    return f'up{{instance="{name}",job="{job}"}}'


# What producers say


def test_all_that_the_rules_read_of_envoy_and_services_is_taken_from_their_own_expositions() -> None:
    found = {series.name for text in (ENVOY, SERVER, STORE) for series in Reader(wanted_metrics()).read(text)[0]}
    assert found <= wanted_metrics()
    theirs = {name for name in wanted_metrics() if name.startswith(("envoy_", "model_server_", "feature_store_"))}
    of_others = {"model_server_restarts_total", "model_server_client_work_seconds_total"}
    assert theirs - found == of_others


def test_values_are_those_that_the_official_parser_reads() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    for text in (ENVOY, SERVER, STORE):
        untyped = "".join(line + "\n" for line in text.splitlines() if not line.startswith("#"))  # else names get `_total`
        expected = {
            Series(one.name, tuple(sorted(one.labels.items()))): one.value
            for family in text_string_to_metric_families(untyped)
            for one in family.samples
            if one.name in wanted_metrics()
        }
        reader = Reader(wanted_metrics())
        first = reader.read(text)
        assert dict(zip(*first, strict=True)) == expected
        again = reader.read(text)
        assert again[0] is first[0]
        assert again[1] == first[1]


def test_odd_lines_are_read_as_the_format_says() -> None:
    reader = Reader(frozenset({"a", "b"}), (("pod", "one"),))
    text = 'a{x="1 } \\" ,",y=""} 2\na 1 1700000000000\nb{pod="two"} NaN\nb +Inf\n# EOF\nother{x="\u2028"} 1\n\nb 7'
    for _ in range(2):
        series, numbers = reader.read(text)
        named = {str(one): value for one, value in zip(series, numbers, strict=True)}
        assert named.pop('b{pod="two"}') != 0.0
        assert named == {'a{pod="one",x="1 } " ,",y=""}': 2.0, 'a{pod="one"}': 1.0, 'b{pod="one"}': math.inf}


@pytest.mark.parametrize("text", ["a{x=1} 2", 'a{x="1" 2', "a", "a b", 'a{x="1"}'])
def test_what_is_no_exposition_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"text format|could not convert"):
        Reader(frozenset({"a"})).read(text)


# Scrapes over HTTP


def test_a_scrape_has_all_targets_and_the_same_series_are_the_same_object(make: Make) -> None:
    own = Scraping(make(ENVOY, "gateway", "gateway").target, make(SERVER, "model-champion-1").target)
    first, second = own.scrape(), own.scrape()
    assert first.series is second.series
    assert list(first.series) == sorted(set(first.series))
    found = values(second)
    assert found[up("gateway", "gateway")] == found[up("model-champion-1")] == 1.0
    assert found['model_server_slots{deployment="model-champion",pod="model-champion-1"}'] == 8.0
    assert found['envoy_gateway_rq_time_count{response_code_class="2xx"}'] == 32.0
    assert found["prometheus_tsdb_head_series"] == len(first.series)
    assert first.at == 5.0


def test_a_target_that_fails_is_down_and_stale_until_it_is_back_with_the_same_series(make: Make) -> None:
    gateway, server = make(ENVOY, "gateway", "gateway"), make(SERVER, "model-champion-1")
    own = Scraping(gateway.target, server.target)
    whole = own.scrape()
    server.put(SERVER, 503)
    without = own.scrape()
    assert values(without)[up("model-champion-1")] == 0.0
    assert not [one for one in without.series if one.name.startswith("model_server_")]
    assert own.scrape().series is without.series
    server.put(SERVER)
    assert own.scrape().series is whole.series
    assert own.told == [("model-champion-1", "it answered 503 Service Unavailable"), ("model-champion-1", "")]


def test_a_target_that_hangs_does_not_hold_up_the_others(make: Make) -> None:
    gateway, server = make(ENVOY, "gateway", "gateway"), make(SERVER, "model-champion-1")
    own = Scraping(gateway.target, server.target, timeout=1.0)
    own.scrape()
    server.hold()
    found = values(own.scrape())
    assert (found[up("gateway", "gateway")], found[up("model-champion-1")]) == (1.0, 0.0)
    assert found['scrape_duration_seconds{instance="model-champion-1",job="model-server"}'] >= 1.0
    server.let_go()
    assert values(own.scrape())[up("model-champion-1")] == 1.0


def test_a_scrape_can_be_begun_and_taken_later(make: Make) -> None:
    server = make(SERVER, "model-champion-1")
    server.hold()
    own = Scraping(server.target)
    pending = own.scraper.begin(5.0)
    assert not pending.done()
    server.let_go()
    assert pending.result(20.0).at == 5.0


def test_targets_come_and_go_and_a_replica_on_another_port_is_the_same_series(make: Make) -> None:
    server, other = make(SERVER, "model-champion-1"), make(SERVER.replace("champion-1", "champion-2"), "model-champion-2")
    own = Scraping(server.target)
    alone = own.scrape()
    own.targets.append(other.target)
    both = own.scrape()
    assert len(both.series) > len(alone.series)
    own.targets.remove(other.target)
    assert own.scrape().series is alone.series
    own.targets[:] = [make(SERVER, "model-champion-1").target]
    assert own.scrape().series is alone.series


def test_a_port_where_nobody_listens_and_one_where_something_else_does_are_down(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:  # accepts connections, and answers nothing that is HTTP
        port = taken.getsockname()[1]
        rude = threading.Thread(target=_answer_rubbish, args=(taken,), daemon=True)
        rude.start()
        own = Scraping(Target("rude", "model-server", f"http://127.0.0.1:{port}/metrics"), make("<html>", "page").target)
        found = values(own.scrape())
        assert (found[up("rude")], found[up("page")]) == (0.0, 1.0)
        rude.join(20.0)
    own.targets[:] = [Target("gone", "model-server", f"http://127.0.0.1:{port}/metrics")]
    assert values(own.scrape())[up("gone")] == 0.0
    assert own.told[-1][1]


def _answer_rubbish(taken: socket.socket) -> None:
    for _ in range(2):  # a scrape is tried again once when a connection breaks
        connection, _ = taken.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"SSH-2.0-nobody\r\n")


def test_too_many_samples_and_broken_expositions_are_thrown_away_whole(make: Make) -> None:
    many = make("".join(f'model_server_ready{{pod="p{i}"}} 1\n' for i in range(30)), "many")
    broken = make('model_server_ready{pod="a"} 1\nmodel_server_ready{pod="b" 1\n', "broken")
    own = Scraping(many.target, broken.target, limit=20)
    found = values(own.scrape())
    assert (found[up("many")], found[up("broken")]) == (0.0, 0.0)
    assert not [name for name in found if name.startswith("model_server")]
    assert own.told[0] == ("many", "sample limit of 20 exceeded")
    assert "broken" in own.told[1][0]
    assert "text format" in own.told[1][1]


def test_of_two_targets_that_say_the_same_the_first_counts(make: Make) -> None:
    own = Scraping(make('model_server_ready{pod="a"} 1', "first").target, make('model_server_ready{pod="a"} 0', "second").target)
    assert values(own.scrape())['model_server_ready{pod="a"}'] == 1.0


# The platform


class Platform:
    """Two replicas, of which one waits for its restart."""

    def __init__(self) -> None:
        usual = PodState(
            "model-champion-1", "model-champion", "v1", "node-1", running=True, ready=True, memory=300.0, limit=400.0
        )
        waiting = PodState("model-champion-2", "model-champion", "v1", "node-2", False, False, 3, 0.0, 400.0, 100.0, 40.0, 2)
        self.all = [usual, waiting]

    def wanted(self) -> dict[str, int]:
        return {"model-champion": 2, "model-candidate": 0, "model-shadow": 0}

    def pods(self) -> list[PodState]:
        return self.all

    def nodes(self) -> dict[str, bool]:
        return {"node-1": True, "node-2": False}

    def replica_seconds(self) -> float:
        return 7200.0

    def training_seconds(self) -> float:
        return 1800.0

    def prices(self) -> Prices:
        return Prices(1.0, 1.0, 1.0, 1.0, replica_hour=0.5, training_hour=4.0)

    def budget(self) -> float:
        return 2.0


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    one = Exporter(Platform())
    one.start()
    yield one
    one.stop()
    one.stop()  # as often as one likes


def test_what_the_platform_knows_has_the_names_and_labels_of_the_simulation(exporter: Exporter) -> None:
    own = Scraping(exporter.target())
    found = values(own.scrape())
    second = 'deployment="model-champion",pod="model-champion-2"'
    expected = {
        'kube_deployment_spec_replicas{deployment="model-champion"}': 2.0,
        'kube_node_status_condition{condition="Ready",node="node-2",status="true"}': 0.0,
        'service_cost_dollars_total{item="replicas"}': 1.0,
        'service_cost_dollars_total{item="training"}': 2.0,
        "service_cost_budget_dollars_per_hour": 2.0,
        f"model_server_restarts_total{{{second}}}": 3.0,
        f'model_server_ready{{{second},reported_by="platform"}}': 0.0,
        f"container_oom_events_total{{{second}}}": 2.0,
        f"container_cpu_cfs_periods_total{{{second}}}": 100.0,
        f"container_cpu_cfs_throttled_periods_total{{{second}}}": 40.0,
        f"container_spec_memory_limit_bytes{{{second}}}": 400.0 * 2**20,
        'container_memory_working_set_bytes{deployment="model-champion",pod="model-champion-1"}': 300.0 * 2**20,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert len([name for name in found if name.startswith("model_server_ready")]) == 1  # the other says so itself
    assert "_created" not in httpx.get(exporter.url, trust_env=False).text


def test_a_port_that_is_taken_is_named(exporter: Exporter) -> None:
    port = int(exporter.url.split(":")[2].split("/")[0])
    with pytest.raises(StackError, match=f"port {port} of 127.0.0.1 cannot be used: Address already in use"):
        Exporter(Platform()).start(port)


def test_the_monitor_makes_its_slis_of_real_producers(make: Make, exporter: Exporter) -> None:
    gateway, store = make(ENVOY, "gateway", "gateway"), make(STORE, "feature-store", "feature-store")
    server = make(SERVER, "model-champion-1")
    own = Scraping(gateway.target, server.target, store.target, exporter.target())
    monitor = Monitor((), threshold_alerts())
    monitor.observe(own.scrape())
    gateway.put(ENVOY.replace('rq_time_count{response_code_class="2xx"} 32', 'rq_time_count{response_code_class="2xx"} 82'))
    server.put(SERVER.replace('busy_seconds_total{deployment="model-champion",pod="model-champion-1"} 0.0', _busy(20.0)))
    found = monitor.observe(own.scrape())
    slis = found.slis
    assert slis["request_rate"] > 0.0
    assert slis["saturation"] == pytest.approx(20.0 / 30.0 / 8.0)
    assert (slis["replicas"], slis["replicas_wanted"], slis["restarts"]) == (1.0, 2.0, 3.0)
    assert (slis["memory_share"], slis["nodes_ready"], slis["targets_down"]) == (0.75, 1.0, 0.0)
    assert slis["feature_freshness"] == pytest.approx(1803.36, abs=0.01)
    assert "ReplicasMissing" in {one.alert.name for one in found.transitions} | {one.name for one in monitor.alerts}


def _busy(seconds: float) -> str:
    return f'busy_seconds_total{{deployment="model-champion",pod="model-champion-1"}} {seconds}'


def test_nothing_that_a_rule_reads_is_without_a_producer() -> None:
    """Producers that are told of here, the pipeline's quality monitor and retraining loop, and the scraper itself."""
    pipeline = ("quality_monitor_", "retraining_")
    own = {series.name for text in (ENVOY, SERVER, STORE) for series in Reader(wanted_metrics()).read(text)[0]} | OWN
    platform = ("kube_", "container_", "service_cost_", "model_server_restarts_total")
    partner = "model_server_client_work_seconds_total"  # of a fault that processes do not have
    rest = {name for name in wanted_metrics() - own if not name.startswith((*pipeline, *platform))}
    assert rest == {partner}
