"""Generic gamers: moves that would win a badly made scenario without understanding it. A scenario proves itself against them."""

from __future__ import annotations

from collections.abc import Iterable

from .model.actions import ACTIONS, Action
from .model.params import Kind, Param, Value
from .model.scenario import Runbook, Scenario, Step, Trigger
from .operators import Ask, Operator, Scripted, View

MOST_REPLICAS = 64
_START = Trigger(at=0.0)

SHED_EVERYTHING = Runbook("shed-everything", (Step(_START, "shed", {"share": 1.0}),))
FALLBACK_FOR_EVER = Runbook("fallback-for-ever", (Step(_START, "fallback", {"mode": "always"}),))
SCALE_TO_ZERO = Runbook(
    "scale-to-zero", (Step(_START, "set-autoscaler", {"enabled": False}), Step(Trigger(), "scale", {"replicas": 0}))
)
MOST = Runbook(
    "maximum-replicas",
    (Step(_START, "set-autoscaler", {"enabled": False}), Step(Trigger(), "scale", {"replicas": MOST_REPLICAS})),
)
ROLL_BACK_AT_ONCE = Runbook("roll-back-at-once", (Step(_START, "roll-back", {}),))
PLAIN = (SHED_EVERYTHING, FALLBACK_FOR_EVER, SCALE_TO_ZERO, MOST, ROLL_BACK_AT_ONCE)
SHOTGUN = "shotgun"
MAY_BE_RIGHT = tuple(book.id for book in PLAIN)
"""Gamers that a scenario may list as `also_right`; the shotgun never is."""


def gamers(scenario: Scenario, alerts: Iterable[str]) -> tuple[Operator, ...]:
    """All of them for a scenario; `alerts` are the names whose first firing sets the shotgun off."""
    return (*(Scripted(book) for book in PLAIN), Shotgun(scenario, alerts))


class Shotgun:
    """Every mitigating action once from the first alert on, `step` apart, alphabetical, with default or lowest parameters."""

    name = SHOTGUN

    def __init__(self, scenario: Scenario, alerts: Iterable[str]) -> None:
        actions = sorted((action for action in ACTIONS.values() if action.mitigating), key=lambda action: action.name)
        steps = tuple(Step(Trigger(), action.name, lowest(action)) for action in actions)
        self._alerts = frozenset(alerts)
        self._book = Runbook(SHOTGUN, steps, step=scenario.reference.step)
        self._scripted: Scripted | None = None

    def decide(self, view: View) -> tuple[Ask, ...]:
        """Nothing before the first alert; then the next action when it is due."""
        if self._scripted is None:
            if not self._alerts & view.alerts:
                return ()
            self._scripted = Scripted(self._book)
        return self._scripted.decide(view)


def lowest(action: Action) -> dict[str, Value]:
    """Parameters of an action: defaults, else the lowest that is allowed."""
    return {param.name: _least(param) for param in action.params if not param.optional}


def _least(param: Param) -> Value:
    if param.default is not None:
        return param.default
    if param.choices:
        return param.choices[0]
    low = param.minimum or 0.0
    return int(low) if param.kind is Kind.COUNT else low
