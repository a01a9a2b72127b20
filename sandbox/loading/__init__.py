"""YAML to `Scenario`: reading, validation, profiles, and the library of scenario files."""

from __future__ import annotations

from pathlib import Path

from ..model.scenario import Scenario
from .library import Entry, Library, Listing, find_scenario

__all__ = ["Entry", "Library", "Listing", "find_scenario", "load_scenario"]


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
