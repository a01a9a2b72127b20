"""A scenario without its incident: the service as it stands, with steady traffic, until somebody takes it down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .loading import load_scenario_text
from .world.calendar import LAST

if TYPE_CHECKING:
    from .loading.document import Data

OPERATOR = "service"
"""Stands in journals, and in the names of sessions, where a drill has its operator."""
LONGEST = 86400.0
"""Seconds after which it ends by itself, the most that a scenario may last: what it writes down must end at some time."""
RATE = 5.0
"""Requests per second, where nobody asks for more: an hour of it leaves some 5 MB of predictions."""
_INCIDENT = ("stacks", "timeline", "alerts", "also_right", "hints", "profiles", "verdict_window")
_NOTHING = "Nothing is wrong: this is the service without an incident."


def standing_text(text: str, name: str, profile: str, rate: float = RATE) -> str:
    """The text of a scenario in which nothing happens, from that of an incident with one profile applied.

    World, service, runtime, versions and objectives are the incident's. What is played is a valid scenario of its own, so that
    its journal can be read as any other.

    Args:
        text: of the incident.
        name: of its file, for messages.
        profile: of the incident; empty for none.
        rate: requests per second, all the time.

    Raises:
        InvalidScenarioError: the text is not a valid scenario.
        UsageError: it has no such profile.
    """
    from .loading.document import parse_document
    from .loading.profiles import variants

    scenario = load_scenario_text(text, name, profile)
    variant = next(one for one in variants(parse_document(text, name)) if one.profile == profile)
    data = {key: value for key, value in variant.data.items() if key not in _INCIDENT}
    world = data["world"]
    if not isinstance(world, dict):
        raise TypeError("the world is no mapping, in a scenario that is valid")
    left = (LAST - scenario.world.start).total_seconds() / scenario.world.pace  # until the calendar leaves the data
    changed: dict[str, Data] = {
        "title": f"{scenario.title}, without the incident",
        "pager": _NOTHING,
        "control": True,
        "duration": f"{int(min(LONGEST, left))}s",
        "warmup": "0s",
        "world": {**world, "traffic": {"rate": f"{rate:g}/s"}},
        "timeline": [],
        "answer": {"component": "none", "cause": "none"},
        "operators": {"reference": {"why": _NOTHING, "steps": []}, "tempting": {}},
        "debrief": {"story": _NOTHING},
    }
    return json.dumps(data | changed, indent=1, ensure_ascii=False, default=str)  # JSON is YAML
