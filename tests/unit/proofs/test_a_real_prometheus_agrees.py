"""A Prometheus that scrapes a drill sees the series that the simulation has, and the SLIs that the built-in monitor computes."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from drillbox.sandbox.clock import Pacer, WallClock
from drillbox.sandbox.exposition import serve
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.telemetry import SCRAPE_INTERVAL, Scrape, Series
from drillbox.sandbox.monitor.catalogue import sli_rules
from drillbox.sandbox.monitor.export import prometheus_rules
from drillbox.sandbox.monitor.objectives import tightest_bound
from drillbox.sandbox.monitor.thresholds import threshold_alerts
from drillbox.sandbox.observing import burn_windows
from drillbox.sandbox.operators import Idle
from drillbox.sandbox.session import DrillSession

LOOPBACK = "127.0.0.1"
BEGIN = 300.0
"""Drill second from which on the clock is paced: the rush is on and the service is overloaded, so that every SLI says something."""

TOLERANCE: dict[str, float] = {
    # Shares and quantiles come from requests in the last 30 s. Prometheus evaluates its rules up to one scrape interval after its last
    # scrape, and then sees 25 s of the 30 s: one sixth of other requests. The rates of this drill move by some percent within that.
    "availability": 0.05,
    "latency": 0.05,
    "error_ratio": 0.05,
    "rules_share": 0.0,
    "saturation": 0.02,
    "request_rate": 20.0,  # of about 420/s
    "latency_p50": 0.06,
    "latency_p95": 0.06,
    "latency_p99": 0.06,
    "retry_rate": 20.0,
    "shed_rate": 0.0,
    "queue_length": 30.0,  # of 160, from one scrape to the next
    "replicas": 0.0,
    "replicas_wanted": 0.0,
    "restarts": 0.0,
    "cost_rate": 0.02,
    # Gauges that change every 15 s at most, by little.
    **dict.fromkeys(("labels_matured", "labels_overdue", "labels_pending"), 60.0),
    **dict.fromkeys(("quality_auc", "quality_ap", "quality_brier", "calibration", "calibration_bias"), 0.02),
    **dict.fromkeys(("drift", "drift_psi_max", "prediction_psi"), 0.3),
    **dict.fromkeys(("drift_ks_max", "null_rate", "out_of_range"), 0.05),
    **dict.fromkeys(("feature_freshness", "model_age"), 120.0),  # calendar seconds: 60 from one scrape to the next
    "quality": 0.0,
    "retraining_age": 120.0,
    "retraining_runs": 0.0,
    "memory_share": 0.05,  # a request in the queue takes 1 MiB of 1 GiB
    "slowest_replica": 0.03,
    "called_late": 0.3,  # of the flights of the last 15 s
    "cost_share": 0.02,
    **dict.fromkeys(("nodes_ready", "oom_kills", "partner_share", "series"), 0.0),
    # Prometheus scrapes one target here, which is up; the drill has one per replica.
    "targets_down": 0.0,
    "scrape_seconds": 2.0,
}
"""Largest distance from what the built-in monitor said at the same scrape or at one of its neighbours."""


def test_names_labels_and_values_come_out_as_they_are() -> None:
    series = (
        Series.of("envoy_gateway_rq_retry"),
        Series.of("envoy_gateway_rq_time_bucket", le="300", response_code_class="2xx"),
        Series.of("envoy_gateway_rq_time_bucket", le="+Inf", response_code_class="2xx"),
        Series.of("envoy_gateway_rq_time_count", response_code_class="2xx"),
        Series.of("envoy_gateway_rq_time_sum", response_code_class="2xx"),
        Series.of("model_server_ready", deployment="model-champion", pod="a"),
        Series.of("model_server_requests_total", code="503", pod='odd "name"\\'),
        Series.of("something_count", own="x"),
    )
    values = np.array([3.0, 1.0, 2.0, 2.0, 0.1 + 0.2, 1.0, 1e15, math.nan])
    scrapes: list[Scrape] = []
    with serve(lambda: scrapes[0] if scrapes else None) as exposition:
        assert _get(exposition.url).strip() == ""
        scrapes.append(Scrape(0.0, (*series, Series.of("up", job="gateway")), np.append(values, 1.0)))
        text = _get(exposition.url)
    found = {
        Series(sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found.keys() == set(series)
    assert [found[one] for one in series[:-1]] == values[:-1].tolist()
    assert math.isnan(found[series[-1]])
    assert "# TYPE envoy_gateway_rq_time histogram" in text
    assert "# TYPE model_server_requests_total counter" in text


def test_the_port_is_given_back_and_only_loopback_listens() -> None:
    with serve(lambda: None) as exposition:
        port = exposition.port
        assert exposition.url == f"http://127.0.0.1:{port}/metrics"
        with pytest.raises(UsageError, match=f"port {port} is in use: choose another one"):
            serve(lambda: None, port)
        assert exposition._server.server_address[0] == LOOPBACK
    serve(lambda: None, port).close()


def test_an_impossible_port_is_the_user_s_mistake() -> None:
    with pytest.raises(UsageError, match="port 70000 cannot be used"):
        serve(lambda: None, 70_000)


def test_a_session_serves_its_last_scrape(scenario_named, opening) -> None:
    session, monitor = opening(scenario_named("slow-afternoon", "short"))
    assert session.last_scrape is None
    session.start(lambda _step, _done: None)
    try:
        for _ in range(12):
            session.advance()
        assert session.last_scrape is monitor.scrapes[-1]
        assert session.last_scrape is not None
        assert session.last_scrape.at == 10.0
    finally:
        session.end("aborted")


# A drill paced at 1x with a Prometheus beside it.


@pytest.mark.slow
@pytest.mark.prometheus
def test_prometheus_sees_the_slis_of_the_monitor(scenario_named, opening, tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus (Debian: prometheus) is not on the PATH")
    scenario = scenario_named("monday-rush")
    session, monitor = opening(scenario)
    session.start(lambda _step, _done: None)
    while session.now < BEGIN:
        session.advance(Idle())
    scraped = threading.Event()

    def latest() -> Scrape | None:
        scraped.set()
        return session.last_scrape

    try:
        rules = prometheus_rules(scenario.objectives, threshold_alerts(), burn_windows(scenario))
        with serve(latest) as exposition, _prometheus(program, tmp_path, exposition.port, rules) as url:
            # Prometheus decides when it scrapes. The drill scrapes half an interval later, so that each of Prometheus's scrapes
            # finds one new one, and a delay of some milliseconds cannot make it two or none.
            assert scraped.wait(30.0)
            _play(session, SCRAPE_INTERVAL / 2.0 + 1.0, 7 * SCRAPE_INTERVAL)
            names = {rule.record: sli for sli, rule in sli_rules(tightest_bound(scenario.objectives)).items()}
            found = {names[record]: value for record, value in _recorded(url).items() if record in names}
            series = _series(url)
            firing = _firing(url)
    finally:
        session.end("aborted")
    last = monitor.readings[-1].slis
    assert found.keys() == last.keys() == TOLERANCE.keys()
    for sli, value in found.items():
        near = [readings.slis[sli] for readings in monitor.readings[-3:]]
        assert min(near) - TOLERANCE[sli] <= value <= max(near) + TOLERANCE[sli], (sli, value, near)
    # The state is one in which a wrong rule would show.
    assert last["error_ratio"] > 0.1
    assert last["saturation"] > 0.9
    assert last["retry_rate"] > 5.0
    assert session.last_scrape is not None
    assert series == {one for one in session.last_scrape.series if one.name != "up" and not one.name.startswith("scrape_")}
    assert ("AvailabilityBurnRate", "5m") in firing  # half a minute is enough for `rate` over 5 minutes to tell


def _play(session: DrillSession, offset: float, length: float) -> None:
    """Play `length` seconds of the drill at 1x, beginning `offset` seconds of the wall clock from now."""
    clock = WallClock()
    begin, until = session.now, session.now + length
    clock.sleep(offset)
    pacer = Pacer(clock, 1.0)
    while session.now < until:
        clock.sleep(pacer.delay(session.now + 1.0 - begin))
        session.advance(Idle())


@contextmanager
def _prometheus(program: str, folder: Path, target: int, rules: str) -> Iterator[str]:
    """A Prometheus of our own on loopback, killed at the end in any case."""
    (folder / "rules.yml").write_text(rules)
    interval = f"{SCRAPE_INTERVAL:g}s"
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": "2s", "evaluation_interval": interval},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "drill", "static_configs": [{"targets": [f"{LOOPBACK}:{target}"]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = _free_port()
    url = f"http://{LOOPBACK}:{port}"
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    with (folder / "log.txt").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as process:
        try:
            _wait(lambda: process.poll() is None and _get(f"{url}/-/ready") != "", 30.0, folder / "log.txt")
            yield url
        finally:
            process.kill()
            process.wait(10.0)


def _wait(condition: Callable[[], bool], limit: float, log: Path) -> None:
    """Wait for a condition, asking ten times a second."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        threading.Event().wait(0.1)
    pytest.fail(f"not in time:\n{log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket(AF_INET, SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10.0) as answer:
        return str(answer.read().decode())


def _query(url: str, expr: str) -> list[dict]:
    answer = json.loads(_get(f"{url}/api/v1/query?query={urllib.request.quote(expr)}"))
    assert answer["status"] == "success"
    return answer["data"]["result"]


def _recorded(url: str) -> dict[str, float]:
    """The present values of the SLIs' recording rules, those that are numbers."""
    results = _query(url, '{__name__=~"sli:.*"}')
    values = {result["metric"]["__name__"]: float(result["value"][1]) for result in results}
    return {record: value for record, value in values.items() if math.isfinite(value)}


def _series(url: str) -> set[Series]:
    """The series that were scraped, without the labels of the target."""
    results = _query(url, '{job="drill",__name__!~"up|scrape_.*"}')
    found = set()
    for result in results:
        labels = {name: value for name, value in result["metric"].items() if name not in ("__name__", "job", "instance")}
        found.add(Series.of(result["metric"]["__name__"], **labels))
    return found


def _firing(url: str) -> set[tuple[str, str]]:
    results = _query(url, 'ALERTS{alertstate="firing"}')
    return {(result["metric"]["alertname"], result["metric"].get("window", "")) for result in results}
