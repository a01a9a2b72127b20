"""A drill's result, compared: with idle and reference, and with itself without each of its actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .baselines import BaselineCache
from .counterfactuals import counterfactuals
from .drill import Result, compared
from .model.errors import StackError
from .model.events import Ended, Event, Role
from .model.scenario import Scenario
from .model.stack import Progress
from .operators import Operator
from .provenance import cpu_model, versions
from .session import DrillSession

SIMULATION = "sim"
"""The only stack that can play a drill again, and so the only one whose drills can be compared at any time."""

Make = Callable[[Scenario, int], DrillSession]
"""Makes a simulated session of a scenario and seed, not yet started."""


@dataclass(frozen=True, slots=True)
class Assessor:
    """Compares results. `code` and `data` are hashes of what decides how a simulated drill goes."""

    make: Make
    code: str
    data: str

    def compare(self, result: Result, progress: Progress) -> Result:
        """With idle and reference, played where the cache does not hold them; on other stacks nothing is known."""
        if result.stack != SIMULATION:
            return result
        return compared(result, self._cache(result.scenario, result.seed).baselines(progress))

    def explain(self, result: Result, events: Sequence[Event], progress: Progress) -> Result:
        """What each action cost or saved: plays the drill once more for each."""
        if result.stack != SIMULATION or result.record.ended != "finished":
            return result
        found = counterfactuals(events, result.scenario, lambda: self.make(result.scenario, result.seed), progress)
        return replace(result, counterfactuals=found)

    def _cache(self, scenario: Scenario, seed: int) -> BaselineCache:
        def play(wanted: Scenario, operator: Operator) -> Sequence[Event]:
            session = self.make(wanted, seed)
            session.start(_silent)
            session.run(operator)
            events = session.events(role=Role.FACILITATOR)
            if events[-1].body != Ended("finished"):
                raise StackError(f"{wanted.id}: the drill of {operator.name} did not reach its end")
            return events

        origin = (SIMULATION, self.code, self.data, cpu_model(), *(f"{name}={text}" for name, text in versions().items()))
        return BaselineCache(scenario, seed, origin, play)


def _silent(_step: str, _done: float) -> None:
    """A baseline's own warm-up is a part of the comparison's progress."""
