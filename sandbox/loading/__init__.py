"""YAML to `Scenario`: reading, validation, profiles, and the library of scenario files."""

from __future__ import annotations

from pathlib import Path

from ..model.scenario import Runbook, Scenario
from .library import Entry, Library, Listing, find_scenario

__all__ = ["Entry", "Library", "Listing", "find_scenario", "load_runbook", "load_scenario", "load_scenario_text"]


def load_scenario(path: Path | str, profile: str = "") -> Scenario:
    """The scenario of a file, with a profile applied. The base and every profile of the file are validated.

    Args:
        path: the file.
        profile: the name of one of its profiles; empty for the full drill.

    Raises:
        InvalidScenarioError: the file cannot be read or is not valid; with every problem, in the file's order.
        UsageError: the file has no such profile.
    """
    from .loader import load  # imports pydantic: the listing does without

    return load(Path(path), profile)


def load_scenario_text(text: str, name: str, profile: str = "") -> Scenario:
    """The scenario of a text such as a journal keeps; `name` is for messages.

    Raises:
        InvalidScenarioError: the text is not a valid scenario.
        UsageError: it has no such profile.
    """
    from .document import parse_document
    from .loader import scenario_from  # imports pydantic: the listing does without

    return scenario_from(parse_document(text, name), profile)


def load_runbook(path: Path | str, scenario: Scenario) -> Runbook:
    """The scripted operator of a file of its own, for a drill of `scenario`.

    Raises:
        InvalidScenarioError: the file cannot be read or is not valid; with every problem, in the file's order.
    """
    from .document import read_document
    from .loader import runbook_from  # imports pydantic: the listing does without

    return runbook_from(read_document(Path(path)), scenario)
