"""Packs: scenarios of others, each below a name of its own, such as `acme/slow-lane`.

A pack is a folder of YAML files. It is named by the setting `DRILLBOX_SCENARIOS`, or an installed distribution announces it as an
entry point of the group `drillbox.scenarios`. Nothing of a pack is ever executed or imported: an entry point only says where the
folder is.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ..model.errors import Place, Problem

SETTING = "DRILLBOX_SCENARIOS"
"""Environment variable: folders of packs, `name=folder` or just the folder, separated as in PATH."""

GROUP = "drillbox.scenarios"
"""Entry points: the pack's name, and the package whose folder it is, such as `acme = "acme_drills.scenarios"`."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MODULE = re.compile(r"\w+(\.\w+)*")


@dataclass(frozen=True, slots=True)
class Pack:
    """Scenarios below a name; `source` says who named it."""

    name: str
    folder: Path
    source: str


Found = tuple[tuple[Pack, ...], tuple[Problem, ...]]


def find_packs() -> Found:
    """The packs of the setting, then those of installed distributions, and why others are left out."""
    packs: dict[str, Pack] = {}
    problems: list[Problem] = []
    announced = entry_points(group=GROUP)
    for found in (*_of_setting(os.environ.get(SETTING, "")), *_of_entry_points(announced)):
        if isinstance(found, Problem):
            problems.append(found)
        elif found.name in packs:
            message = f"{found.name!r} is the name of the pack of {packs[found.name].source} already; this one is left out"
            problems.append(Problem(Place(found.source), message))
        else:
            packs[found.name] = found
    return tuple(packs.values()), tuple(problems)


def _of_setting(setting: str) -> Iterator[Pack | Problem]:
    for part in filter(None, setting.split(os.pathsep)):
        given, equals, rest = part.partition("=")
        path = Path(os.path.expandvars(rest if equals else part)).expanduser().absolute()
        name = given if equals else _plain(path.name)
        yield _pack(name, path, f"{SETTING} ({part})")


def _of_entry_points(points: Iterable[EntryPoint]) -> Iterator[Pack | Problem]:
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        source = f"{point.dist.name if point.dist else 'a distribution'} ({point.name} = {point.value})"
        folder = _folder_of(point.value)
        if folder is None:
            yield Problem(Place(source), "is not the name of an installed package, such as acme_drills.scenarios")
        else:
            yield _pack(point.name, folder, source)


def _pack(name: str, folder: Path, source: str) -> Pack | Problem:
    if not _NAME.fullmatch(name):
        return Problem(Place(source), f"{name!r} is no name for a pack: write small letters and digits, joined by hyphens")
    if not folder.is_dir():
        return Problem(Place(source), f"{folder}: no such folder of scenarios")
    return Pack(name, folder, source)


def _folder_of(module: str) -> Path | None:
    """Where a package is, without importing it: only the search for its first name is Python's."""
    if not _MODULE.fullmatch(module):
        return None
    first, *rest = module.split(".")
    try:
        spec: importlib.machinery.ModuleSpec | None = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location, *rest)
        if folder.is_dir():
            return folder
    return None


def _plain(name: str) -> str:
    """A folder's name as the name of a pack."""
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))
