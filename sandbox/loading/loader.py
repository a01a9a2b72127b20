"""From a file to a `Scenario`: read, validate the base and every profile, convert the one that is wanted."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from ..model.errors import InvalidScenarioError, Problem, UsageError, nearest
from ..model.scenario import Runbook, Scenario
from .checks import RESERVED, findings, runbook_findings, timing_of
from .convert import runbook_of, scenario_of
from .document import Data, Document, parse_document
from .fields import Context
from .parts_drill import RunbookFilePart
from .problems import in_order, of_findings, of_validation
from .profiles import Variant, fixed_keys, variants
from .schema import ScenarioPart
from .traces import self_contained


def load(path: Path, profile: str = "") -> Scenario:
    """The scenario of a file. See `drillbox.sandbox.loading.load_scenario`."""
    return scenario_from(parse_document(self_contained(path), str(path)), profile)


def scenario_from(document: Document, profile: str = "") -> Scenario:
    """The scenario of a document with one profile applied; the base and all other profiles are validated as well.

    Raises:
        InvalidScenarioError: with every problem, in the file's order.
        UsageError: there is no such profile.
    """
    parts: dict[str, ScenarioPart] = {}
    base: list[Problem] = []
    profiles: list[Problem] = []
    for variant in variants(document):
        part, found = _validate(variant)
        (profiles if variant.profile else base).extend(found)
        if part is not None:
            parts[variant.profile] = part
    fixed = [(path, f"a profile cannot change {path[-1]!r}") for path in fixed_keys(document)]
    profiles += of_findings(fixed, Variant(document, "", document.data, {}))
    if base or profiles:
        raise InvalidScenarioError(in_order(base, profiles))
    if profile not in parts:
        known = [name for name in parts if name]
        raise UsageError(f"{document.file}: unknown profile {profile!r}; {nearest(profile, known)}")
    return scenario_of(parts[profile], profile, document.file)


def runbook_from(document: Document, scenario: Scenario) -> Runbook:
    """The runbook of a document, for a scenario with its profile.

    Raises:
        InvalidScenarioError: with every problem, in the file's order.
    """
    variant = Variant(document, "", document.data, {})
    timing = timing_of(scenario.profile)
    try:
        part = RunbookFilePart.model_validate(document.data, context=Context(scenario.world.pace))
    except ValidationError as error:
        raise InvalidScenarioError(in_order(of_validation(error, variant, RunbookFilePart), ())) from None
    found = list(runbook_findings(part, timing, scenario.duration))
    if part.id in RESERVED:
        found.append((("id",), f"{part.id!r} is the name of another operator: choose a different one"))
    if found:
        raise InvalidScenarioError(in_order(of_findings(found, variant), ()))
    return runbook_of(part.id, part, timing, scenario.world.pace)


def _validate(variant: Variant) -> tuple[ScenarioPart | None, list[Problem]]:
    try:
        part = ScenarioPart.model_validate(variant.data, context=Context(_pace(variant.data)))
    except ValidationError as error:
        return None, of_validation(error, variant)
    problems = of_findings(findings(part, variant.profile), variant)
    return (None if problems else part), problems


def _pace(data: dict[str, Data]) -> float:
    """The world's pace, needed before anything is validated; 1 where it is not valid itself."""
    world = data.get("world")
    pace = world.get("pace") if isinstance(world, dict) else None
    return float(pace) if isinstance(pace, (int, float)) and not isinstance(pace, bool) and pace > 0 else 1.0
