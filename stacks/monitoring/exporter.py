"""What kube-state-metrics, cAdvisor and a price list say on a cluster, for a platform that has none: its replicas are processes.

Names and labels are the simulation's. What a model server says of itself is not repeated here, but while no process of a replica
runs nobody else can say that it is not ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Protocol
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.registry import Collector

from ...sandbox.model.errors import StackError
from ...sandbox.model.scenario import Prices, Scenario
from .targets import Target

ADDRESS = "127.0.0.1"
JOB = "platform"

_MIB = 1024.0 * 1024.0

Rows = Iterable[tuple[Mapping[str, str], float]]


@dataclass(frozen=True, slots=True)
class PodState:
    """A replica. Memory is in MiB; numbers of periods, restarts and kills only grow. None: nobody tells."""

    name: str
    deployment: str  # model-champion, model-candidate, model-shadow
    version: str
    node: str
    running: bool  # whether there is a process, ready or not
    ready: bool
    restarts: int = 0
    memory: float | None = 0.0
    limit: float = 0.0  # 0: none
    cpu_periods: float | None = 0.0  # of the CPU quota; 0 without one
    cpu_throttled: float | None = 0.0  # those in which the quota ran out
    oom_kills: int = 0


class PlatformState(Protocol):
    """What the exporter asks, in a thread of its own and at any time: the answers must not take long."""

    def wanted(self) -> Mapping[str, int]:
        """Replicas wanted, by deployment."""

    def pods(self) -> Sequence[PodState]:
        """All replicas that there are, those that wait for a restart included."""

    def nodes(self) -> Mapping[str, bool]:
        """Whether each node is ready."""

    def replica_seconds(self) -> float:
        """Seconds of replicas that were paid for since the warm-up began."""

    def training_seconds(self) -> float:
        """Seconds of training that were paid for since the warm-up began."""

    def prices(self) -> Prices | None:
        """The price list; None if there is none: then there are no metrics of money."""

    def budget(self) -> float:
        """What the replicas may cost, in dollars per hour."""


def replica_budget(scenario: Scenario) -> float:
    """What the replicas may cost: what the autoscaler may ask for, or twice those of the beginning, in dollars per hour."""
    spec = scenario.service
    most = spec.autoscaler.maximum if spec.autoscaler.enabled else 0
    return scenario.world.prices.replica_hour * max(2 * spec.champion.replicas, most)


class PlatformMetrics(Collector):
    """Asks the platform when it is scraped."""

    def __init__(self, state: PlatformState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """All families."""
        state, pods = self._state, self._state.pods()
        wanted = state.wanted()
        ready = {name: sum(pod.ready for pod in pods if pod.deployment == name) for name in wanted}
        yield _gauge("kube_deployment_spec_replicas", "Replicas wanted.", _by("deployment", wanted))
        yield _gauge("kube_deployment_status_replicas_ready", "Replicas that are ready.", _by("deployment", ready))
        nodes = [({"condition": "Ready", "node": name, "status": "true"}, float(ok)) for name, ok in state.nodes().items()]
        yield _gauge("kube_node_status_condition", "1 if a node is ready.", nodes)
        yield from self._money()
        yield from _containers(pods)

    def _money(self) -> Iterator[Metric]:
        state, prices = self._state, self._state.prices()
        if prices is None:
            return
        paid = {
            "replicas": state.replica_seconds() * prices.replica_hour / 3600.0,
            "training": state.training_seconds() * prices.training_hour / 3600.0,
        }
        yield _counter("service_cost_dollars", "What was paid for.", _by("item", paid))
        yield _gauge("service_cost_budget_dollars_per_hour", "What the replicas may cost.", [({}, state.budget())])


def _containers(pods: Sequence[PodState]) -> Iterator[Metric]:
    named = [({"deployment": pod.deployment, "pod": pod.name}, pod) for pod in pods]
    info = [({**labels, "node": pod.node, "version": pod.version}, 1.0) for labels, pod in named]
    yield _gauge("model_server_info", "Where a replica is, and which version it has.", info)
    # Never the same series as the server's own: each ends when its target no longer has it, at another moment.
    waiting = [({**labels, "reported_by": JOB}, 0.0) for labels, pod in named if not pod.running]
    yield _gauge("model_server_ready", "0: no process runs.", waiting)
    yield _counter("model_server_restarts", "Restarts.", [(labels, pod.restarts) for labels, pod in named])
    memory = [(labels, pod.memory * _MIB) for labels, pod in named if pod.memory is not None]
    yield _gauge("container_memory_working_set_bytes", "Memory in use.", memory)
    limits = [(labels, pod.limit * _MIB) for labels, pod in named if pod.limit > 0.0]
    yield _gauge("container_spec_memory_limit_bytes", "The memory limit.", limits)
    yield _counter("container_oom_events", "Kills at the memory limit.", [(labels, pod.oom_kills) for labels, pod in named])
    periods = [(labels, pod.cpu_periods) for labels, pod in named if pod.cpu_periods is not None]
    yield _counter("container_cpu_cfs_periods", "CPU periods with a quota.", periods)
    throttled = [(labels, pod.cpu_throttled) for labels, pod in named if pod.cpu_throttled is not None]
    yield _counter("container_cpu_cfs_throttled_periods", "Those in which the quota ran out.", throttled)


def _by(label: str, values: Mapping[str, float]) -> list[tuple[dict[str, str], float]]:
    return [({label: name}, float(value)) for name, value in values.items()]


def _gauge(name: str, text: str, rows: Rows) -> Metric:
    return _family(name, text, "gauge", name, rows)


def _counter(name: str, text: str, rows: Rows) -> Metric:
    return _family(name, text, "counter", f"{name}_total", rows)


def _family(name: str, text: str, kind: str, sample: str, rows: Rows) -> Metric:
    family = Metric(name, text, kind)
    for labels, value in rows:
        family.add_sample(sample, dict(labels), float(value))
    return family


class Exporter:
    """Serves the platform's metrics on loopback, in threads of this process, from `start` to `stop`."""

    def __init__(self, state: PlatformState) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(PlatformMetrics(state))
        self._running: tuple[WSGIServer, Thread] | None = None
        self.url = ""
        """Where the metrics are, while it runs."""

    def start(self, port: int = 0) -> str:
        """Listen on a port, 0 for a free one; gives the URL.

        Raises:
            StackError: the port is taken, or may not be used.
        """
        try:
            self._running = start_http_server(port, ADDRESS, self._registry)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise StackError(f"platform metrics: port {port} of {ADDRESS} cannot be used: {reason}") from None
        self.url = f"http://{ADDRESS}:{self._running[0].server_address[1]}/metrics"
        return self.url

    def target(self) -> Target:
        """As a target of scrapes."""
        return Target("platform", JOB, self.url)

    def stop(self) -> None:
        """Stop serving and give the port back; it may have been done before."""
        if self._running is not None:
            server, thread = self._running
            self._running = None
            server.shutdown()
            thread.join()
            server.server_close()
