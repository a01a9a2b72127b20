"""What stood at a moment of a drill: the latest indicators, what was firing, what had been done."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ...sandbox.model.events import Accepted, Alerted, Changed, Ended, Event, Hinted, Logged, Observed, Rejected
from ..ports import Recording


@dataclass(frozen=True, slots=True)
class Moment:
    """A drill at a second: indicators by name, alerts as (severity, name, summary, since), events in their order."""

    at: float
    slis: Mapping[str, float]
    firing: tuple[tuple[str, str, str, float], ...]
    events: tuple[Event, ...]


class Timeline:
    """A recording that can be asked for any of its moments."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._seen = [event for event in recording.events if isinstance(event.body, Observed)]
        self._alerts = [event for event in recording.events if isinstance(event.body, Alerted)]
        self._told = [event for event in recording.events if _is_told(event)]
        self.end = max((event.at for event in recording.events), default=0.0)

    def curve(self, sli: str) -> list[tuple[float, float | None]]:
        """An indicator over the drill."""
        return [(event.at, event.body.slis.get(sli)) for event in self._seen if isinstance(event.body, Observed)]

    def at(self, second: float) -> Moment:
        """How it stood."""
        seen = self._until(self._seen, second)
        body = seen[-1].body if seen else None
        slis = body.slis if isinstance(body, Observed) else {}
        return Moment(second, slis, self._firing(second), tuple(self._until(self._told, second)))

    def next(self, second: float, by: int) -> float:
        """When something happened next, or before: an action, an alert, a change."""
        times = sorted({event.at for event in self._told if not isinstance(event.body, Logged)})
        later = [at for at in times if at > second] if by > 0 else [at for at in times if at < second]
        if not later:
            return self.end if by > 0 else 0.0
        return later[0] if by > 0 else later[-1]

    def gap(self) -> float:
        """Seconds between two observations."""
        return min((after.at - before.at for before, after in pairwise(self._seen) if after.at > before.at), default=5.0)

    def _firing(self, second: float) -> tuple[tuple[str, str, str, float], ...]:
        found: dict[tuple[str, ...], tuple[str, str, str, float]] = {}
        for event in self._until(self._alerts, second):
            body = event.body
            if isinstance(body, Alerted):
                key = (body.name, *(f"{name}={value}" for name, value in sorted(body.labels.items())))
                found.pop(key, None)
                if body.state == "firing":
                    found[key] = (body.labels.get("severity", "alert"), named(body.name, body.labels), body.summary, event.at)
        return tuple(found.values())

    @staticmethod
    def _until(events: Sequence[Event], second: float) -> Sequence[Event]:
        return events[: bisect_right(events, second, key=_when)]


def named(alert: str, labels: Mapping[str, str]) -> str:
    """An alert's name, with the window that tells it from its like."""
    return f"{alert} {labels['window']}" if "window" in labels else alert


def _when(event: Event) -> float:
    return event.at


def _is_told(event: Event) -> bool:
    match event.body:
        case Accepted() | Rejected() | Changed() | Hinted() | Ended():
            return True
        case Alerted(state=state):
            return state in ("firing", "resolved")
        case Logged(severity=severity):
            return severity in ("warning", "error")
    return False
