"""The scrapers of the simulated service: which targets give data, how many samples each has, and how long they take.

A target that fails has `up` 0 and no other series, as in Prometheus: those that it had are stale. A label without bound adds a
series per value to its target until the container restarts; beyond the sample limit, counted after labels are dropped, all of the
scrape is thrown away (Prometheus documentation, "Configuration: scrape_config", `sample_limit`). Such series are counted, not
stored one by one: no rule reads them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...sandbox.model.features import names_in
from ...sandbox.model.params import Params
from ...sandbox.model.service import Monitoring
from ...sandbox.world.streams import Stream
from . import layout as lay
from .fleet import Fleet, Log, Pod
from .plane import Plane

GATEWAY, SERVER = "gateway", "model-server"
SAMPLE_LIMIT = 10_000
"""Samples of one target beyond which its scrape is thrown away."""
TIMEOUT = 5.0
LATENCY, PER_SAMPLE = 0.004, 20e-6
"""Seconds of a scrape: of the connection, and of each sample."""
COMPONENT = "monitoring"


@dataclass(slots=True)
class Counted:
    """New label values of one container: its restarts, the answers that it had given then, and the series stored so far."""

    restarts: int
    answers: int
    stored: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """Scrapes of all targets, the gateway first, then the pods in their order: whether each is `up`, samples, seconds."""

    up: NDArray[np.float64]
    samples: NDArray[np.float64]
    seconds: NDArray[np.float64]
    series: float  # of all targets, that are stored


@dataclass(slots=True)
class Trouble:
    """What faults do to scrapes at present, by beat."""

    blackouts: dict[str, tuple[str, float]] = field(default_factory=dict)  # job, share of its targets
    labels: dict[str, tuple[str, float]] = field(default_factory=dict)  # label, share of the requests with a new value


class Scraping:
    """Scrapes of gateway and model servers.

    Args:
        plane: whose counters say how many label values there are.
        fleet: the pods.
        spec: the desired state of the monitoring.
        seed: of the drill.
        log: takes component, severity and text.
    """

    def __init__(self, plane: Plane, fleet: Fleet, spec: Callable[[], Monitoring], seed: int, log: Log) -> None:
        self._plane = plane
        self._fleet = fleet
        self._spec = spec
        self._luck = Stream(seed, "faults/scrapes")
        self._log = log
        self._counted: dict[str, Counted] = {}
        self._gone = 0  # stored series of targets and labels that there are no more: they stay in the head block
        self._over: set[str] = set()
        self.trouble = Trouble()

    def take(self, alive: NDArray[np.float64], gateway: int, pod: int, other: int) -> Result:
        """Scrape all targets.

        Args:
            alive: [pods] 1 where a process runs.
            gateway: ordinary samples of the gateway.
            pod: those of a pod.
            other: series of everything else.
        """
        pods = self._fleet.pods()
        up = np.concatenate([[1.0], alive])
        samples = up * np.array([gateway] + [pod] * len(pods), np.float64)
        kept = samples
        if self.trouble.labels:
            extra = np.array([0, *self._label_values(pods)], np.float64) * up
            samples = samples + extra
            dropped = all(label in names_in(self._spec().dropped) for label, _ in self.trouble.labels.values())
            kept = kept if dropped else samples
        seconds = np.minimum(TIMEOUT, (LATENCY + PER_SAMPLE * samples) * up)
        if self.trouble.blackouts:
            dark = self._dark([(GATEWAY, GATEWAY), *((SERVER, one.name) for one in pods)])
            seconds[dark & (up > 0.0)] = TIMEOUT
            samples = np.where(dark, 0.0, samples)
            up[dark] = 0.0
        over = kept > SAMPLE_LIMIT
        if over.any() or self._over:
            self._tell(pods, over & (up > 0.0))
            up[over] = 0.0
        if kept is samples and self.trouble.labels:
            self._store(pods, up, kept - pod)
        return Result(up, samples, seconds, float(gateway + pod * len(pods) + other + self._stored()))

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault begins."""
        if fault == "monitoring.blackout":
            self.trouble.blackouts[beat] = (str(params["job"]), float(params["share"]))
        elif fault == "monitoring.cardinality":
            self.trouble.labels[beat] = (str(params["label"]), float(params["share"]))
            self._counted = {pod.name: Counted(pod.restarts, self._answers(pod)) for pod in self._fleet.pods()}
        else:
            raise ValueError(f"{fault} is no fault of the monitoring")

    def end(self, beat: str) -> None:
        """A fault ends by itself; series that were stored stay for hours."""
        self.trouble.blackouts.pop(beat, None)
        if self.trouble.labels.pop(beat, None) is not None:
            self._gone = self._stored()
            self._counted = {}

    def restart(self) -> None:
        """The scrapers start anew: their credentials are good again."""
        self.trouble.blackouts.clear()
        self._log(COMPONENT, "info", "scrapers started; all targets found")

    def _dark(self, targets: Sequence[tuple[str, str]]) -> NDArray[np.bool_]:
        """Which targets are dark: the luck of a target is keyed by its name."""
        found = []
        for job, instance in targets:
            luck = float(self._luck.uniform(zlib.crc32(instance.encode()), 1)[0])
            found.append(any(what in ("all", job) and luck < share for what, share in self.trouble.blackouts.values()))
        return np.array(found, np.bool_)

    def _answers(self, pod: Pod) -> int:
        return int(self._plane.state.r[pod.slot, lay.R_SERVED])

    def _label_values(self, pods: list[Pod]) -> list[int]:
        """Values of the label in each container so far."""
        share, values = min(1.0, sum(share for _, share in self.trouble.labels.values())), []
        for pod in pods:
            known = self._counted.get(pod.name)
            if known is None or known.restarts != pod.restarts:
                self._gone += known.stored if known else 0
                # A new pod counts from its first answer.
                known = self._counted[pod.name] = Counted(pod.restarts, self._answers(pod) if known else 0)
            values.append(int(share * (self._answers(pod) - known.answers)))
        return values

    def _store(self, pods: list[Pod], up: NDArray[np.float64], extra: NDArray[np.float64]) -> None:
        for pod, is_up, values in zip(pods, up[1:], extra[1:], strict=True):
            if is_up:
                self._counted[pod.name].stored = max(self._counted[pod.name].stored, int(values))

    def _stored(self) -> int:
        return self._gone + sum(known.stored for known in self._counted.values())

    def _tell(self, pods: list[Pod], over: NDArray[np.bool_]) -> None:
        """Log the targets that have come over the sample limit."""
        names = {pod.name for pod, is_over in zip(pods, over[1:], strict=True) if is_over}
        for name in sorted(names - self._over):
            self._log(COMPONENT, "warning", f"scrape of {name} failed: sample limit of {SAMPLE_LIMIT} exceeded")
        self._over = names
