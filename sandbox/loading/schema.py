"""The scenario file, key by key: pydantic models that mirror the YAML. Unknown keys are errors; quantities carry their unit.

What one part of the file can tell by itself is checked in the parts (names, parameters, units, contradictions within a part), so
that all such problems of a file are reported together; what needs several parts is checked in `checks`. The text beneath each
key is its description in the JSON schema.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .fields import Difficulty, DrillTime, Identifier, Line, Name, Part, StackName, Text
from .parts_drill import AlertsPart, AnswerPart, BeatPart, DebriefPart, ObjectivePart, OperatorsPart
from .parts_world import RuntimePart, ServicePart, WorldPart


def _sim_only() -> list[StackName]:
    return ["sim"]


class ScenarioPart(Part):
    """A scenario file."""

    schema_: Annotated[int, Field(ge=1, le=1)] = Field(alias="schema")
    """Version of this format: 1."""
    id: Identifier
    """Unique name; must not tell the cause."""
    title: Line
    """One line; must not tell the cause."""
    group: Name
    """The sort of incident, such as `traffic`; shown with spoilers only."""
    difficulty: Difficulty
    """1 (easiest) to 5."""
    skills: list[Line] = Field(min_length=1, max_length=12)
    """What is practised."""
    pager: Text
    """What the pager says: symptoms only."""
    duration: DrillTime = Field(gt=0, le=24 * 3600)
    """How long the drill lasts."""
    warmup: DrillTime | None = Field(default=None, le=6 * 3600)
    """Time before t = 0 that fills the monitor's windows: 30m by default (1m in the profile `short`)."""
    verdict_window: DrillTime | None = Field(default=None, gt=0)
    """The last part of the drill, in which the objectives must be met: 5m by default (1m in the profile `short`)."""
    stacks: list[StackName] = Field(default_factory=_sim_only, min_length=1)
    """Where it can run."""
    control: bool = False
    """Whether nothing is wrong and the right action is none."""
    world: WorldPart
    """Data, calendar, traffic, prices."""
    service: ServicePart
    """The service at the start."""
    runtime: RuntimePart = RuntimePart()
    """How the simulated service behaves."""
    timeline: list[BeatPart]
    """What goes wrong, and when."""
    objectives: list[ObjectivePart] = Field(min_length=1)
    """What must hold."""
    alerts: AlertsPart = AlertsPart()
    """What must hold of the alerts."""
    also_right: dict[str, Text] = Field(default_factory=dict, max_length=1)
    """The one generic gamer that may win this incident, with the reason: `maximum-replicas: why`."""
    answer: AnswerPart
    """What it was."""
    hints: list[Text] = Field(default_factory=list, max_length=9)
    """For who asks, the vaguest first."""
    operators: OperatorsPart
    """Scripted operators."""
    debrief: DebriefPart
    """What to learn."""
    profiles: dict[Name, dict[str, object]] = Field(default_factory=dict)
    """Named variants: parts of the file that override it. Mappings are merged, lists replaced."""
