"""A session that tells what it was told to: the same on every machine, for pictures that are compared character by character."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.events import (
    Accepted,
    Alerted,
    Audience,
    Began,
    Body,
    Changed,
    Command,
    Completed,
    Event,
    Logged,
    Observed,
    Rejected,
    Role,
)
from drillbox.sandbox.model.scenario import Objective, Prices
from drillbox.sandbox.model.service import Autoscaler, Gateway, ServiceSpec, Workload
from drillbox.sandbox.model.slis import SLIS
from drillbox.sandbox.model.views import Table
from drillbox.sandbox.session import Catalogue, Phase, Range, Snapshot

NOW = 600.0
SPEC = ServiceSpec(
    champion=Workload("v7", "v6", replicas=4, concurrency=4, queue=40),
    candidate=Workload("v8", "", replicas=1, concurrency=4, queue=40),
    autoscaler=Autoscaler(enabled=True, minimum=3, maximum=6),
    gateway=Gateway(timeout=0.6, retries=1, retry_budget=0.2, shed=0.1, canary_weight=0.1),
)
GOALS = (
    Objective("availability", "availability", 0.99),
    Objective("latency", "latency", 0.95, bound=0.3),
    Objective("quality", "quality", 0.95, brier=0.23),
)


def bodies() -> Iterator[tuple[float, Body]]:
    """Ten minutes: calm, trouble from the third on, an answer to it in the fifth."""
    good = total = late = 0.0
    for step in range(121):
        at = 5.0 * step
        trouble = max(0.0, min(1.0, (at - 180.0) / 30.0)) * (1.0 if at < 330.0 else 0.3)
        rate = 120.0 + 20.0 * math.sin(at / 90.0) + 250.0 * trouble
        errors = 0.35 * trouble
        total += 5.0 * rate
        good += 5.0 * rate * (1.0 - errors)
        late += 5.0 * rate * (1.0 - 0.6 * trouble)
        slis = dict.fromkeys(SLIS, 0.0) | {
            "availability": 1.0 - errors,
            "latency": 1.0 - 0.6 * trouble,
            "quality": 1.0,
            "error_ratio": errors,
            "request_rate": rate,
            "latency_p50": 0.046 + 0.5 * trouble,
            "latency_p95": 0.09 + 0.65 * trouble,
            "latency_p99": 0.125 + 0.66 * trouble,
            "saturation": min(1.0, 0.5 + 0.5 * trouble),
            "queue_length": 150.0 * trouble,
            "replicas": 4.0,
            "replicas_wanted": 5.0,
            "quality_brier": 0.19,
            "quality_auc": 0.88,
            "drift": 0.8,
            "feature_freshness": at * 12.0 % 3600.0,
        }
        counts = {"availability": (good, total), "latency": (late, total), "quality": (50.0 * step, 50.0 * step)}
        ledger = {"failed": total - good, "slow": 0.0, "ok": good, "prediction_cost": 0.006 * good, "replica_seconds": 4.0 * at}
        yield at, Observed(slis, counts, ledger)
        yield from ((at, body) for when, body in _MARKS if when == at)


_PAGE = {"objective": "availability", "severity": "page", "window": "5m"}
_MARKS: tuple[tuple[float, Body], ...] = (
    (195.0, Changed("champion.replicas", 3, 4, "autoscaler", "busy")),
    (195.0, Logged(195.0, "model-champion-4", "info", "starting")),
    (215.0, Logged(215.0, "model-champion-4", "info", "loading model v7")),
    (230.0, Alerted("SaturationHigh", {"severity": "ticket"}, "inactive", "pending", 0.97, "busy slots", told=True)),
    (240.0, Alerted("AvailabilityBurnRate", _PAGE, "inactive", "firing", 15.8, "burns its budget", told=True)),
    (245.0, Logged(245.0, "model-champion-4", "info", "model v7 loaded, ready")),
    (260.0, Alerted("SaturationHigh", {"severity": "ticket"}, "pending", "firing", 0.99, "busy slots", told=True)),
    (265.0, Alerted("ReplicasMissing", {"severity": "ticket"}, "inactive", "pending", 4.0, "too few", told=True)),
    (300.0, Accepted("you", 1, "declare", {})),
    (300.0, Completed("you", 1, "declare")),
    (305.0, Accepted("you", 2, "acknowledge", {"alert": "all"})),
    (305.0, Completed("you", 2, "acknowledge")),
    (315.0, Rejected("you", 3, "scale", {"replicas": 12}, "the autoscaler keeps between 3 and 6 replicas")),
    (330.0, Accepted("you", 4, "shed", {"share": 0.1})),
    (330.0, Changed("gateway.shed", 0.0, 0.1, "you")),
    (330.0, Completed("you", 4, "shed")),
    (400.0, Alerted("SaturationHigh", {"severity": "ticket"}, "firing", "resolved", 0.7, "busy slots", told=True)),
    (590.0, Logged(590.0, "model-champion-5", "info", "starting")),
    (595.0, Logged(595.0, "gateway", "warning", "214 requests refused by load shedding in the last 10 s")),
    (595.0, Logged(595.0, "model-champion-2", "warning", "12 requests refused: queue full in the last 10 s")),
    (600.0, Logged(600.0, "model-champion-3", "error", "out of memory")),
)


class Told:
    """A session at its tenth minute."""

    def __init__(self) -> None:
        known = [(0.0, Began("told", "A told drill", "PAGE: something is wrong.")), *bodies()]
        self._events = [Event(number, at, Audience.ALL, body) for number, (at, body) in enumerate(known)]

    def snapshot(self) -> Snapshot:
        """The present state."""
        return Snapshot(
            scenario="told",
            title="A told drill",
            pager="PAGE: something is wrong.",
            phase=Phase.RUNNING,
            now=NOW,
            duration=1200.0,
            calendar="2013-07-08 14:00",
            speed=10.0,
            slis={},
            spec=SPEC,
            events=len(self._events),
            objectives=GOALS,
            prices=Prices(failed=0.03, slow=0.009, missed=0.05, false_alarm=0.01, replica_hour=0.6),
        )

    def events(self, after: int = -1, role: Role = Role.OPERATOR) -> Sequence[Event]:
        """All of them."""
        assert role is Role.OPERATOR
        return [event for event in self._events if event.number > after]

    def catalogue(self, role: Role = Role.OPERATOR) -> Catalogue:
        """Some actions: pictures do not change when there are more."""
        assert role is Role.OPERATOR
        some = ("scale", "restart", "roll-back", "set-autoscaler", "shed", "declare", "diagnose", "acknowledge", "resolve")
        return Catalogue(tuple(ACTIONS[name] for name in some), tuple(SLIS))

    def look(self, view: str, subject: str = "") -> Table:
        """Nothing."""
        raise UsageError(f"there is no {view} {subject}".rstrip())

    def query(self, expr: str, start: float, end: float, step: float = 5.0) -> Range:
        """A line."""
        times = tuple(start + step * index for index in range(int((end - start) / step) + 1))
        return Range(expr, times, tuple(times))

    def submit(self, action: str, params: Mapping[str, object], actor: str = "you") -> Command:
        """Nobody obeys."""
        return Command(actor, 5, action, params)
