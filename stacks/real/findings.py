"""What comes together in a running service between two looks of the session, and readings of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...sandbox.model.events import Registered
from ...sandbox.model.params import Value
from ...sandbox.model.service import Change, ServiceSpec, get
from ...sandbox.model.telemetry import LogLine, Scrape

_OF_PODS = {
    "model_server_busy_seconds_total": "busy_seconds",
    "model_server_slow_answers_total": "slow",
}
_REQUESTS = "model_server_requests_total"
OF_REPLICAS = frozenset((*_OF_PODS, _REQUESTS))
"""What the pipeline is told of replicas, beside what rules read."""


@dataclass(slots=True)
class Findings:
    """What came together since it was last asked for."""

    scrapes: list[Scrape] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    versions: list[Registered] = field(default_factory=list)


def by_pod(scrape: Scrape) -> Mapping[str, Mapping[str, float]]:
    """What model servers say of themselves, by replica."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for series, value in zip(scrape.series, scrape.values.tolist(), strict=True):
        if series.name in _OF_PODS:
            found[series.label("pod")][_OF_PODS[series.name]] = value
        elif series.name == _REQUESTS:
            numbers = found[series.label("pod")]
            numbers["requests"] = numbers.get("requests", 0.0) + value
            if series.label("code") != "200":
                numbers["failed"] = numbers.get("failed", 0.0) + value
    return found


def typed(spec: ServiceSpec, path: str, value: Value) -> Value:
    """A value that has come as JSON, in the type of its field."""
    return type(get(spec, path))(value)
