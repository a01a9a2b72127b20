"""A real Prometheus beside the built-in monitor: the same alerts, and the drill goes on when it is gone or never comes up."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from drillbox.sandbox.loading.library import Library
from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.sandbox.model.telemetry import AlertState
from drillbox.sandbox.monitor.alerts import AlertBook
from drillbox.sandbox.monitor.export import rule_file
from drillbox.sandbox.monitor.expressions import Binary, Instant, Operation, Rate, Recorded, sum_of
from drillbox.sandbox.monitor.promql import Selector
from drillbox.sandbox.monitor.rules import AlertRule, RecordingRule, RuleGroup
from drillbox.sandbox.monitor.store import SeriesStore
from drillbox.stacks.local.prometheus import PrometheusServer
from drillbox.stacks.monitoring.alerting import Alerting
from drillbox.stacks.monitoring.api import GoneError
from drillbox.stacks.monitoring.rules import rules_text
from drillbox.stacks.monitoring.scraper import Scraper
from drillbox.stacks.monitoring.targets import Target
from drillbox.stacks.real.machine.installed import PROMETHEUS_SETTING, find_prometheus

sys.path.insert(0, str(Path(__file__).parent))
from monitoring_kit import PATIENCE, PROMETHEUS, Producer

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus (Debian: prometheus) is not on the PATH"
)

RULES = RuleGroup(
    [
        RecordingRule("test:queue:sum", sum_of(Instant(Selector("model_server_queue_length")))),
        RecordingRule("test:answers:rate", sum_of(Rate(Selector("model_server_requests_total"), 4.0))),
    ],
    [
        AlertRule("QueueLong", Binary(Operation.ABOVE, Recorded("test:queue:sum"), 5.0), summary="it is long"),
        AlertRule("QueueLongForTwo", Binary(Operation.ABOVE, Recorded("test:queue:sum"), 5.0), hold=2.0),
        AlertRule("ReplicaQueue", Binary(Operation.ABOVE, Instant(Selector("model_server_queue_length")), 7.0), hold=1.0),
        AlertRule("AnswersMany", Binary(Operation.ABOVE, Recorded("test:answers:rate"), 50.0), severity="page"),
        AlertRule("TargetsDown", Binary(Operation.ABOVE, sum_of(Binary(Operation.SUBTRACT, 1.0, Instant(Selector("up")))), 0.0)),
    ],
)
INTERVAL = 1.0


def rules() -> str:
    return rule_file(RULES).replace("interval: 5s", "interval: 1s")


class Processes:
    """Starts what it is asked to, and ends it all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> Callable[[], bool]:
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(argv, env={**os.environ, **environment}, stdout=log, stderr=log)
        self.running[name] = process
        return lambda: process.poll() is None

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    one = Processes(tmp_path)
    yield one
    one.end()


@pytest.fixture
def producer() -> Iterator[Producer]:
    one = Producer(text(0, 0), "model-champion-1")
    yield one
    one.close()


def text(queue: float, answers: float) -> str:
    labels = 'deployment="model-champion",pod="model-champion-1"'
    return f'model_server_queue_length{{{labels}}} {queue}\nmodel_server_requests_total{{{labels},code="200"}} {answers}\nodd 1\n'


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.02)


class Told:
    """A log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, component: str, severity: str, line: str) -> None:
        self.lines.append(f"{component} {severity}: {line}")


# A real one


@dataclass
class Real:
    """A Prometheus that runs, and what it scrapes."""

    server: PrometheusServer
    producer: Producer
    origin: float
    targets: list[Target]

    def alerts(self) -> tuple[AlertState, ...]:
        return self.server.alerts(time.monotonic() - self.origin)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """One for several tests: it takes its targets up within ten seconds."""
    folder = tmp_path_factory.mktemp("real")
    processes, producer, origin = Processes(folder), Producer(text(0, 0), "model-champion-1"), time.monotonic()
    targets = [producer.target]
    server = PrometheusServer(folder / "prometheus", rules(), lambda: targets, origin, interval=INTERVAL)
    server.write()
    try:
        version = server.wait_ready(PATIENCE, processes.start("prometheus", server.argv(), server.environment()))
        assert version[0].isdigit()
        producer.wait_for(PROMETHEUS)
        yield Real(server, producer, origin, targets)
    finally:
        server.close()
        processes.end()
        producer.close()


QUEUES = [0, 9, 9, 9, 9, 0, 0, 6, 6, 6, 0, 9, 0, 0]
GROWTH = [1, 1, 1, 90, 90, 90, 1, 1, 1, 1, 1, 1, 1, 1]
DOWN = [8, 9]


@needs_prometheus
@pytest.mark.slow
def test_prometheus_and_the_built_in_monitor_have_the_same_alerts_at_the_same_evaluation(real: Real) -> None:
    """Each of Prometheus's scrapes sees the next values of the course, and right after it so does the built-in monitor's."""
    scraper, store, book = Scraper(lambda: real.targets), SeriesStore(), AlertBook(RULES.alerting)
    ours: list[dict[str, str]] = []
    theirs: list[dict[str, str]] = []
    answers, since = 0, {}
    for step, queue in enumerate(QUEUES):
        answers += GROWTH[step]
        real.producer.put(text(queue, answers), 503 if step in DOWN else 200)
        real.producer.wait_for(PROMETHEUS)
        at = step * INTERVAL
        store.append(scraper.scrape(at))
        book.update(at, RULES.evaluate(store, at).alerts)
        ours.append({_key(one.name, one.labels): str(one.state) for one in book.active()})
        told = real.alerts()
        theirs.append({_key(one.name, one.labels): "firing" if one.firing else "pending" for one in told})
        since |= {(one.name, round(one.since, 1)): time.monotonic() - real.origin for one in told}
    scraper.close()
    for name in sorted({name for states in (*ours, *theirs) for name in states}):
        mine, other = (_runs([states.get(name, "") for states in course]) for course in (ours, theirs))
        assert [state for state, _ in mine] == [state for state, _ in other], (name, mine, other)
        assert all(0 <= late - first <= 1 for (_, first), (_, late) in zip(mine, other, strict=True)), (name, mine, other)
    assert {name.partition(" ")[0] for states in ours for name in states} == {rule.name for rule in RULES.alerting}
    assert all(0.0 < began < seen < began + 10.0 for (_, began), seen in since.items())  # in drill time


def _key(name: str, labels: Sequence[tuple[str, str]]) -> str:
    return f"{name} {labels}"


def _runs(states: list[str]) -> list[tuple[str, int]]:
    """Where a state begins."""
    return [(state, index) for index, state in enumerate(states) if index == 0 or state != states[index - 1]]


@needs_prometheus
def test_when_prometheus_is_killed_the_built_in_monitor_goes_on_and_it_is_not_used_again(
    tmp_path: Path, processes: Processes, producer: Producer
) -> None:
    producer.put(text(9, 0))
    told, origin = Told(), time.monotonic()
    server = PrometheusServer(tmp_path / "prometheus", rules(), lambda: (producer.target,), origin, interval=INTERVAL)
    alerting = Alerting(server, told)
    alerting.start(processes.start, PATIENCE)
    assert alerting.outside
    assert told.lines == [f"monitoring info: alerts are evaluated by {alerting.used}"]
    assert alerting.used.startswith("Prometheus ")
    alerts: list[AlertState] = []

    def firing() -> bool:
        alerts[:] = alerting.poll(time.monotonic() - origin) or ()
        return {one.name for one in alerts if one.firing} >= {"QueueLong", "QueueLongForTwo"}

    until(firing)
    own = {one.name: one for one in alerts}["QueueLong"]
    assert (own.labels, own.value, own.summary) == ((("severity", "ticket"),), 9.0, "it is long")
    processes.running["prometheus"].send_signal(signal.SIGKILL)
    processes.running["prometheus"].wait()
    assert alerting.poll(time.monotonic() - origin) is None
    assert "monitoring warning: Prometheus at" in told.lines[1]
    assert "from now on alerts are evaluated by the built-in monitor" in told.lines[1]
    assert not alerting.outside
    processes.start("prometheus", server.argv(), server.environment())
    assert alerting.poll(time.monotonic() - origin) is None
    alerting.retarget()
    assert len(told.lines) == 2


@needs_prometheus
@pytest.mark.slow
def test_targets_change_while_it_runs_and_its_series_are_those_of_the_built_in_monitor(real: Real) -> None:
    other = Producer(text(1, 1).replace("champion-1", "champion-2"), "model-champion-2")
    real.targets[:] = [other.target]
    real.server.write()
    other.wait_for(PROMETHEUS, 2)
    scraper = Scraper(lambda: real.targets)
    expected = {str(one) for one in scraper.scrape(0.0).series}
    scraper.close()
    other.close()
    found = httpx.get(f"{real.server.api.url}/api/v1/series", params={"match[]": '{__name__=~".+"}'}, trust_env=False).json()[
        "data"
    ]
    of_rules = ("test:", "ALERTS", "scrape_s")
    series = {
        _text(one)
        for one in found
        if "champion-1" not in str(one) and one.get("job") != "prometheus" and not one["__name__"].startswith(of_rules)
    }
    assert series == expected


def _text(labels: dict[str, str]) -> str:
    inner = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return labels["__name__"] + (f"{{{inner}}}" if inner else "")


@needs_prometheus
def test_it_takes_the_rules_of_every_scenario(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian: prometheus) is not on the PATH")
    library = Library.packaged()
    scenario = library.load(library.find("monday-rush"), "short")
    server = PrometheusServer(tmp_path, rules_text(scenario), lambda: (Target("one", "job", "http://127.0.0.1:1/metrics"),), 0.0)
    server.write()
    config = [promtool, "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(config, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BurnRate" in rules_text(scenario)
    assert "1800s" not in rules_text(scenario)
    server.close()


@needs_prometheus
def test_a_taken_port_is_told_and_the_built_in_monitor_is_used(tmp_path: Path, processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = PrometheusServer(tmp_path, rules(), lambda: (), 0.0, port=port)
        told = Told()
        alerting = Alerting(server, told)
        alerting.start(processes.start, PATIENCE)
    assert alerting.poll(0.0) is None
    (line,) = told.lines
    assert f"port {port} of 127.0.0.1 is taken" in line
    assert "by the built-in monitor" in line


@needs_prometheus
def test_one_that_ends_at_once_is_told(tmp_path: Path, processes: Processes) -> None:
    server = PrometheusServer(tmp_path / "prometheus", "groups: 7\n", lambda: (), 0.0)
    server.write()
    with pytest.raises(StackError, match="Prometheus ended before it was ready; its log says why"):
        server.wait_ready(PATIENCE, processes.start("prometheus", server.argv(), server.environment()))
    assert "rules.yml" in (tmp_path / "prometheus.log").read_text()
    server.close()


# The choice


def test_the_setting_names_a_program_or_switches_it_off(tmp_path: Path) -> None:
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\n")
    assert find_prometheus({"PATH": str(tmp_path)}) is None  # it cannot be run
    with pytest.raises(UsageError, match=rf"{PROMETHEUS_SETTING}=\S+: \S+ is not a program; give the path of prometheus, or off"):
        find_prometheus({PROMETHEUS_SETTING: str(program)})
    program.chmod(0o755)
    assert find_prometheus({"PATH": str(tmp_path)}) == program
    assert find_prometheus({"PATH": "", PROMETHEUS_SETTING: str(program)}) == program
    assert find_prometheus({"PATH": str(tmp_path), PROMETHEUS_SETTING: "off"}) is None
    with pytest.raises(UsageError, match="is a folder"):
        find_prometheus({PROMETHEUS_SETTING: str(tmp_path)})
    with pytest.raises(UsageError, match="is not there"):
        find_prometheus({PROMETHEUS_SETTING: str(tmp_path / "other")})


def test_without_a_prometheus_the_built_in_monitor_is_used_and_shown() -> None:
    told = Told()
    alerting = Alerting(None, told)
    alerting.start(lambda *_what: lambda: True, 1.0)
    (line,) = told.lines
    assert line.startswith(
        "monitoring info: alerts are evaluated by the built-in monitor (there is no prometheus on the PATH, or"
    )
    assert alerting.poll(0.0) is None


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    server = PrometheusServer(tmp_path / "file" / "prometheus", rules(), lambda: (), 0.0)
    with pytest.raises(UsageError, match="monitoring: cannot write"):
        server.write()
    server.close()


# One that is slow or wrong


class Slow:
    """A Prometheus that answers as it is told to."""

    def __init__(self) -> None:
        self.trouble: StackError | None = None
        self.closed = False

    def write(self) -> None:
        pass

    def argv(self) -> list[str]:
        return ["prometheus"]

    def environment(self) -> dict[str, str]:
        return {}

    def wait_ready(self, _timeout: float, _alive: object) -> str:
        return "2"

    def alerts(self, now: float) -> tuple[AlertState, ...]:
        if self.trouble:
            raise self.trouble
        return (AlertState("Hot", (), True, now, 1.0),)

    def close(self) -> None:
        self.closed = True


def test_a_poll_without_an_answer_is_forgiven_twice_and_what_was_heard_last_counts() -> None:
    server, told = Slow(), Told()
    alerting = Alerting(server, told)
    alerting.start(lambda *_what: lambda: True, 1.0)
    first = alerting.poll(5.0)
    for _ in range(3):
        server.trouble = StackError("it takes its time")
        assert [alerting.poll(10.0), alerting.poll(15.0)] == [first, first]
        server.trouble = None
        assert alerting.poll(20.0) != first
        first = alerting.poll(5.0)
    server.trouble = StackError("it takes its time")
    assert [alerting.poll(10.0), alerting.poll(15.0), alerting.poll(20.0)] == [first, first, None]
    assert server.closed
    assert told.lines[1:] == [
        "monitoring warning: it takes its time; from now on alerts are evaluated by the built-in monitor",
    ]


@pytest.mark.parametrize(("trouble", "runs"), [(GoneError("gone"), True), (StackError("slow"), False)])
def test_one_that_is_gone_is_not_waited_for(trouble: StackError, runs: bool) -> None:
    server = Slow()
    alerting = Alerting(server, Told())
    alerting.start(lambda *_what: lambda: runs, 1.0)
    server.trouble = trouble
    assert alerting.poll(5.0) is None


def test_rules_that_fail_or_are_not_evaluated_are_no_alerts(tmp_path: Path) -> None:
    api = Producer("")
    server = PrometheusServer(tmp_path, "", lambda: (), 0.0, port=int(api.target.url.split(":")[2].split("/")[0]))
    api.put(_document(evaluated=100.0, scraped=99.0))
    assert [one.name for one in server.alerts(110.0)] == ["Hot"]
    with pytest.raises(StackError, match="has not evaluated its rules for 90 s"):
        server.alerts(200.0)
    api.put(_document(evaluated=100.0, scraped=99.0, health="err", lastError="many-to-many"))
    with pytest.raises(StackError, match="cannot evaluate Hot: many-to-many"):
        server.alerts(110.0)
    for rubbish in ("<html>", "[]", "{}", '{"data": 1}'):
        api.put(rubbish)
        with pytest.raises(StackError, match="does not answer"):
            server.alerts(110.0)
    server.close()
    api.close()


def test_there_are_no_alerts_before_an_evaluation_that_has_seen_all_targets(tmp_path: Path) -> None:
    """Without data it would say that no replica is ready."""
    api = Producer("")
    server = PrometheusServer(tmp_path, "", lambda: (), 0.0, port=int(api.target.url.split(":")[2].split("/")[0]))
    for scraped in (None, 101.0):
        api.put(_document(evaluated=100.0, scraped=scraped))
        assert server.alerts(103.0) == ()
    api.put(_document(evaluated=105.0, scraped=101.0))
    assert len(server.alerts(106.0)) == 1
    api.put(_document(evaluated=110.0, scraped=None))  # a target that is new
    assert len(server.alerts(111.0)) == 1
    server.close()
    api.close()


def _document(evaluated: float, scraped: float | None, **more: str) -> str:
    alert = {"labels": {"alertname": "Hot"}, "state": "firing", "activeAt": _moment(90.0), "value": "1e+00"}
    groups = [{"lastEvaluation": _moment(evaluated), "rules": [{"name": "Hot", "health": "ok", "alerts": [alert], **more}]}]
    scrape = "0001-01-01T00:00:00Z" if scraped is None else _moment(scraped)
    targets = [{"labels": {"job": "one"}, "lastScrape": scrape}]
    return json.dumps({"data": {"groups": groups, "activeTargets": targets}})


def _moment(at: float) -> str:
    """Drill time as Prometheus tells it; drill time is the monotonic clock's here."""
    return dt.datetime.fromtimestamp(time.time() - time.monotonic() + at, dt.UTC).isoformat()
