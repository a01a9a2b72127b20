"""Replicas as the stack reports them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ....sandbox.control.canary import Tally
from ...control_plane.interfaces import POOLS

STALE = 7.5
"""Seconds for which a replica is taken to go on working as it did in the last two reports."""


_COUNTED = ("busy_seconds", "requests", "failed", "slow")


@dataclass(frozen=True, slots=True)
class Report:
    """What is observed of a replica; counters since its container began."""

    name: str
    deployment: str
    version: str
    ready: bool
    busy_seconds: float
    requests: float
    failed: float
    slow: float


@dataclass(slots=True)
class _Counter:
    """A counter that goes on when its container starts anew."""

    last: float = 0.0
    before: float = 0.0

    def read(self, value: float) -> float:
        if value < self.last:
            self.before += self.last
        self.last = value
        return self.before + value

    @property
    def total(self) -> float:
        return self.before + self.last


@dataclass(slots=True)
class _Seen:
    """A replica over time: `at` and `busy` are of the last report that said something new, `rate` is its work per second."""

    report: Report
    at: float
    busy: float
    rate: float = 0.0
    counters: Mapping[str, _Counter] = field(default_factory=lambda: {name: _Counter() for name in _COUNTED})


class ReportedReplicas:
    """The latest report of each replica. Between reports it works on as it did, so that it does not matter when they come.

    Args:
        now: gives drill time.
        wanted: gives the version that a pool is to have.
    """

    def __init__(self, now: Callable[[], float], wanted: Callable[[int], str]) -> None:
        self._now = now
        self._wanted = wanted
        self._seen: dict[str, _Seen] = {}

    def report(self, reports: Sequence[Report]) -> None:
        """These replicas there are now, and no others."""
        now, before = self._now(), self._seen
        self._seen = {}
        for one in reports:
            seen = self._seen[one.name] = before.get(one.name) or _Seen(one, now, 0.0)
            seen.report = one
            for name, counter in seen.counters.items():
                counter.read(getattr(one, name))
            _work(seen, now, known=one.name in before)

    def ready(self, pool: int) -> int:
        """As `Replicas`; those of another version than the wanted one do not count."""
        wanted = self._wanted(pool)
        return sum(seen.report.ready and seen.report.version == wanted for seen in self._of(pool))

    def busy(self, pool: int) -> Mapping[str, float]:
        """As `Replicas`."""
        now = self._now()
        return {
            seen.report.name: seen.busy + seen.rate * max(0.0, min(now - seen.at, STALE))
            for seen in self._of(pool)
            if seen.report.ready
        }

    def tallies(self, pool: int) -> Mapping[str, Tally]:
        """As `Replicas`."""
        return {seen.report.name: _tally(seen.counters) for seen in self._of(pool)}

    def rolled_out(self, pool: int, version: str, replicas: int) -> bool:
        """Whether a pool has so many ready replicas of a version, and none of another."""
        seen = self._of(pool)
        return self.ready(pool) >= max(1, replicas) and all(one.report.version == version for one in seen)

    def _of(self, pool: int) -> list[_Seen]:
        return [seen for seen in self._seen.values() if seen.report.deployment == POOLS[pool]]


def _work(seen: _Seen, now: float, *, known: bool) -> None:
    busy = seen.counters["busy_seconds"].total
    if not known:
        seen.at, seen.busy = now, busy
    elif busy != seen.busy or now - seen.at > STALE:
        seen.rate = (busy - seen.busy) / (now - seen.at) if now > seen.at else seen.rate
        seen.at, seen.busy = now, busy


def _tally(counters: Mapping[str, _Counter]) -> Tally:
    """Whole numbers that fit together, whatever the moments at which they were read."""
    failed, requests, slow = (round(counters[name].total) for name in ("failed", "requests", "slow"))
    requests = max(requests, failed)
    return Tally(requests, failed, min(slow, requests))
