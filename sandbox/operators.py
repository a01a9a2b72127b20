"""Scripted operators: they see what an on-call sees, and are no faster than people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .model.expr import Expression
from .model.params import Params
from .model.scenario import Runbook, Step


@dataclass(frozen=True, slots=True)
class View:
    """What an operator sees at drill time `now` (seconds): the SLIs of the last scrape, names of firing alerts, new log lines."""

    now: float
    slis: Mapping[str, float]
    alerts: frozenset[str] = frozenset()
    logs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """An action that an operator wants."""

    action: str
    params: Params


class Operator(Protocol):
    """Asked at every step of drill time."""

    name: str

    def decide(self, view: View) -> tuple[Ask, ...]:
        """What to do now."""


class Idle:
    """Does nothing: the baseline."""

    name = "idle"

    def decide(self, view: View) -> tuple[Ask, ...]:  # noqa: ARG002  # an operator is asked with what there is to see
        """Nothing, whatever there is to see."""
        return ()


class Scripted:
    """Plays a runbook, step by step and in order.

    The first step that waits for a symptom is taken `notice` after the symptom has shown (a person reads the page and logs on
    first); every further command follows the one before by at least `step`. A step at a drill time needs no notice.
    """

    def __init__(self, runbook: Runbook) -> None:
        self.name = runbook.id
        self._runbook = runbook
        self._steps = list(runbook.steps)
        self._expressions = {
            step.trigger.metric: Expression(step.trigger.metric) for step in runbook.steps if step.trigger.metric
        }
        self._texts = {step.trigger.log for step in runbook.steps if step.trigger.log}
        self._logged: set[str] = set()
        self._held_since: float | None = None
        self._due: float | None = None
        self._noticed = False
        self._last: float | None = None

    def decide(self, view: View) -> tuple[Ask, ...]:
        """The next step, if it is due; never more than one."""
        self._logged |= {text for text in self._texts if any(text in line for line in view.logs)}
        if not self._steps:
            return ()
        step = self._steps[0]
        if self._due is None and self._shows(step, view):
            notice = self._runbook.notice if step.trigger.symptom and not self._noticed else 0.0
            self._due = view.now + notice
            self._noticed = self._noticed or step.trigger.symptom
        earliest = None if self._last is None else self._last + self._runbook.step
        if self._due is None or view.now < self._due or (earliest is not None and view.now < earliest):
            return ()
        self._steps.pop(0)
        self._due, self._held_since, self._last = None, None, view.now
        return (Ask(step.action, step.params),)

    def _shows(self, step: Step, view: View) -> bool:
        trigger = step.trigger
        if trigger.at is not None and view.now < trigger.at:
            return False
        if not self._holds(step, view):
            self._held_since = None
            return False
        if self._held_since is None:
            self._held_since = view.now
        return view.now - self._held_since >= trigger.hold

    def _holds(self, step: Step, view: View) -> bool:
        trigger = step.trigger
        if trigger.alert and trigger.alert not in view.alerts:
            return False
        if trigger.log and trigger.log not in self._logged:
            return False
        return not trigger.metric or bool(self._expressions[trigger.metric].evaluate(view.slis))
