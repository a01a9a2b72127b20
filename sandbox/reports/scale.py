"""The scale of impact in words: what 0 and 100 are, and how much is needed."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.scenario import Scenario
from ..scoring.impact import PASSING, PASSING_CONTROL


@dataclass(frozen=True, slots=True)
class Scale:
    """What has an impact of 0 and of 100, and the least of a passed drill."""

    none: str
    all: str
    least: float

    @property
    def told(self) -> str:
        """In a few words."""
        return f"{self.none} is 0, {self.all} 100"


def scale_of(scenario: Scenario) -> Scale:
    """In a control, where nothing is wrong, idling is right and the worst tempting runbook is the bottom."""
    if scenario.control:
        return Scale("the worst temptation", "idle", PASSING_CONTROL)
    return Scale("idle", "the reference", PASSING)
