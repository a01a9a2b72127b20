"""The alerts of a real Prometheus as transitions, and the way back to the built-in monitor's own when it is gone.

Both evaluate the same rules over the same producers, at their own moments: they may differ for an evaluation or two. So when the
built-in monitor takes over, a difference that was there then is not told at once, but only if it stays for `GRACE`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..model.telemetry import SCRAPE_INTERVAL, AlertState
from .alerts import Alert, Key, State, Transition

GRACE = 2 * SCRAPE_INTERVAL
"""Seconds after Prometheus was last heard for which its alerts count where the built-in monitor has others."""

_SAME = 1.0  # seconds between two readings of the same moment; clocks drift, and evaluations are 5 s apart
_ACTIVE = (State.PENDING, State.FIRING)


class FollowedAlerts:
    """What was told of alerts, by Prometheus first, and for good by the built-in monitor once Prometheus says nothing."""

    def __init__(self) -> None:
        self._told: dict[Key, Alert] = {}
        self._heard = -math.inf  # when Prometheus last said something
        self._alone = False

    @property
    def alerts(self) -> list[Alert]:
        """All alerts that have ever been active, with their present states."""
        return list(self._told.values())

    def update(self, at: float, alerts: Sequence[AlertState] | None, own: Iterable[Alert]) -> tuple[Transition, ...]:
        """Take in the alerts as of `at` seconds.

        Args:
            at: of the scrape.
            alerts: pending and firing ones by Prometheus; None: it says nothing, and is not listened to again.
            own: all that the built-in monitor has.
        """
        transitions: list[Transition] = []
        if alerts is None or self._alone:
            self._alone = True
            self._take_own(at, {(one.name, one.labels): one for one in own if one.state in _ACTIVE}, transitions)
        else:
            self._heard = at
            self._take_theirs(at, {(one.name, one.labels): one for one in alerts}, transitions)
        return tuple(transitions)

    def _take_theirs(self, at: float, now: dict[Key, AlertState], transitions: list[Transition]) -> None:
        for key, one in now.items():
            told = self._told.get(key)
            if told is not None and told.state is State.FIRING and one.since > told.since + _SAME:
                self._end(at, told, transitions)  # it ended and began again between two looks
            state = State.FIRING if one.firing else State.PENDING
            self._tell(at, Alert(one.name, one.labels, state, one.since, one.value, one.summary), transitions)
        for told in self._active():
            if (told.name, told.labels) not in now:
                self._end(at, told, transitions)

    def _take_own(self, at: float, own: dict[Key, Alert], transitions: list[Transition]) -> None:
        heard = self._heard
        waits = at < heard + GRACE + _SAME
        for key, one in own.items():
            told = self._told.get(key)
            if told is not None and told.state is State.FIRING and one.state is State.PENDING:
                continue  # it lags behind: an end of the condition would have been told first
            ended = told is None or told.state not in _ACTIVE
            if ended and waits and one.since <= heard:
                continue  # Prometheus knew better: it had ended, or not begun
            self._tell(at, one, transitions)
        for told in self._active():
            if (told.name, told.labels) not in own and not (waits and told.since <= heard):
                self._end(at, told, transitions)

    def _active(self) -> list[Alert]:
        return [told for told in self._told.values() if told.state in _ACTIVE]

    def _tell(self, at: float, alert: Alert, transitions: list[Transition]) -> None:
        told = self._told.get((alert.name, alert.labels))
        before = State.INACTIVE if told is None else told.state
        self._told[alert.name, alert.labels] = alert
        if alert.state is not before:
            transitions.append(Transition(at, before, alert))

    def _end(self, at: float, told: Alert, transitions: list[Transition]) -> None:
        state = State.RESOLVED if told.state is State.FIRING else State.INACTIVE
        self._tell(at, replace(told, state=state, since=at), transitions)
