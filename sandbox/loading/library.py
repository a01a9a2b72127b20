"""The library of scenarios: folders of YAML files, listed without validating them in full, so that a listing is fast."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ..model.errors import InvalidScenarioError, Place, Problem, UsageError, nearest
from ..model.scenario import Scenario
from ..model.units import UnitError, parse_duration
from .document import Data, Document, invalid, parse_document, read_document
from .packs import Found, Pack, find_packs

SUFFIXES = (".yaml", ".yml")
_IN_PACK = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the listing; `id` has the name of its pack before it. `group`, `cause` and `control` are spoilers."""

    id: str
    title: str
    pager: str
    difficulty: int
    skills: tuple[str, ...]
    minutes: float
    stacks: tuple[str, ...]
    group: str
    cause: str
    control: bool
    path: Path
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in a library: entries by id, and the problems of files that could not be listed."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


class Library:
    """Scenario files in folders and the folders below them, and packs of others. Read once, when it is first asked for."""

    def __init__(self, folders: Iterable[Path], packs: Callable[[], Found] = lambda: ((), ())) -> None:
        """`packs` finds the packs and tells the problems of those that are left out."""
        self.folders = tuple(folders)
        self._packs = packs
        self._listing: Listing | None = None

    @classmethod
    def packaged(cls, *packs: Path) -> Library:
        """The scenarios that come with the package, then those of further packs."""
        return cls((Path(__file__).parents[2] / "scenarios", *packs))

    @classmethod
    def installed(cls) -> Library:
        """The scenarios that come with the package, and the packs of the user and of installed distributions."""
        return cls(cls.packaged().folders, find_packs)

    @cached_property
    def packs(self) -> Mapping[str, Pack]:
        """The packs by name."""
        return {pack.name: pack for pack in self._found[0]}

    @cached_property
    def _found(self) -> Found:
        return self._packs()

    def paths(self) -> tuple[Path, ...]:
        """Every scenario file that is not in a pack, folder by folder, sorted.

        Raises:
            UsageError: a folder is not there.
        """
        found: list[Path] = []
        for folder in self.folders:
            if not folder.is_dir():
                raise UsageError(f"{folder}: no such folder of scenarios")
            found += _files(folder)
        return tuple(dict.fromkeys(found))

    def listing(self) -> Listing:
        """Entries sorted by difficulty and id, and the files that could not be listed.

        Raises:
            InvalidScenarioError: two files that are not in a pack have the same id; it names both.
        """
        if self._listing is None:
            entries, problems, duplicates = _list(self.paths())
            if duplicates:
                raise InvalidScenarioError(duplicates)
            problems += self._found[1]
            for pack in self.packs.values():
                # A pack of somebody else must not keep anybody from playing: what is wrong in it is left out.
                others, broken, twice = _list(_files(pack.folder))
                broken += [_has_a_pack(entry) for entry in others if "/" in entry.id]
                others = [entry for entry in others if "/" not in entry.id]
                entries += [replace(entry, id=f"{pack.name}/{entry.id}") for entry in others]
                problems += broken + twice
            self._listing = Listing(tuple(sorted(entries, key=lambda entry: (entry.difficulty, entry.id))), tuple(problems))
        return self._listing

    def entries(self) -> tuple[Entry, ...]:
        """The entries of the listing."""
        return self.listing().entries

    def find(self, name: str) -> Path:
        """The file of the scenario with this id.

        Raises:
            UsageError: there is none.
            InvalidScenarioError: its file cannot be listed, or two files have the same id.
        """
        listing = self.listing()
        by_id = {entry.id: entry.path for entry in listing.entries}
        if name in by_id:
            return by_id[name]
        pack, _, plain = name.rpartition("/")
        if pack and pack not in self.packs:
            raise UsageError(f"unknown scenario {name[:80]!r}: there is no pack {pack[:80]!r}{self._why_not(pack)}")
        broken = [problem for problem in listing.problems if self._means(problem, pack, plain)]
        if broken:
            raise InvalidScenarioError(broken)
        raise UsageError(f"unknown scenario {name!r}; {nearest(name[:80], by_id)}")

    def read(self, path: Path) -> str:
        """The text of a scenario file as it is played: with the traces that it names, and its pack's name before its id.

        Raises:
            InvalidScenarioError: the file or a trace cannot be read.
        """
        from .traces import in_pack, self_contained  # not needed to list

        text = self_contained(path)
        pack = next((pack for pack in self.packs.values() if path.resolve().is_relative_to(pack.folder.resolve())), None)
        return in_pack(text, pack.name, path) if pack else text

    def load(self, path: Path, profile: str = "") -> Scenario:
        """The scenario of a file, which has the name of its pack if it is in one.

        Raises:
            InvalidScenarioError: the file cannot be read or is not valid.
            UsageError: it has no such profile.
        """
        from .loader import scenario_from  # imports pydantic: the listing does without

        return scenario_from(parse_document(self.read(path), str(path)), profile)

    def _means(self, problem: Problem, pack: str, plain: str) -> bool:
        """Whether a file that could not be listed is the scenario of a name, by the looks of it."""
        file = Path(problem.place.file)
        return file.stem == plain and (not pack or file.is_relative_to(self.packs[pack].folder))

    def _why_not(self, name: str) -> str:
        told = [str(problem) for problem in self._found[1]]
        return f"; {nearest(name[:80], self.packs)}" if not told else "; left out: " + "; ".join(told)


def find_scenario(name: str | Path, library: Library) -> Path:
    """The scenario file that is meant by an id, an id in a pack (`acme/slow-lane`) or a path.

    A path is recognised by its suffix, by more than one separator or by being there.

    Raises:
        UsageError: there is no scenario with this id.
        InvalidScenarioError: the library cannot be listed.
    """
    path = Path(name)
    in_pack = (
        isinstance(name, str) and _IN_PACK.fullmatch(name) and (name.partition("/")[0] in library.packs or not path.exists())
    )
    if isinstance(name, Path) or path.suffix in SUFFIXES or (len(path.parts) > 1 and not in_pack) or path.is_absolute():
        return path
    try:
        return library.find(name)
    except UsageError:
        if name and path.exists():
            return path
        raise


def _has_a_pack(entry: Entry) -> Problem:
    return Problem(Place(str(entry.path), key="id"), f"{entry.id!r} names a pack: that is known from where the file is")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())


def _list(paths: Iterable[Path]) -> tuple[list[Entry], list[Problem], list[Problem]]:
    """Entries, problems of files that cannot be listed, and of files whose id another one has."""
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    duplicates: list[Problem] = []
    for path in paths:
        try:
            document = read_document(path)
            entry = _entry(document, path)
        except InvalidScenarioError as error:
            problems += error.problems
            continue
        first = entries.setdefault(entry.id, entry)
        if first is not entry:
            place = Place(str(path), *document.values[("id",)], "id")
            duplicates.append(Problem(place, f"{entry.id!r} is the id of {first.path} already"))
    return list(entries.values()), problems, duplicates


def _entry(document: Document, path: Path) -> Entry:
    """The entry of a file that is well-formed where a listing looks; a full validation says what is wrong elsewhere."""
    data = document.data
    answer, stacks, control = data.get("answer"), data.get("stacks", ["sim"]), data.get("control", False)
    cause = answer.get("cause") if isinstance(answer, dict) else None
    match data, cause, stacks, control:
        case (
            {"id": str(name), "title": str(title), "pager": str(pager), "difficulty": int(difficulty), "group": str(group)},
            str(),
            list(),
            bool(),
        ):
            return Entry(
                name,
                title,
                pager.strip(),
                difficulty,
                _words(data.get("skills")),
                _minutes(document),
                _words(stacks),
                group,
                cause,
                control,
                path,
                _names(data.get("profiles")),
            )
    from .loader import load  # pydantic is slow to import, and needed only to say what is wrong

    load(path)
    raise invalid(document.file, "cannot be listed")


def _words(raw: Data) -> tuple[str, ...]:
    return tuple(str(item) for item in raw) if isinstance(raw, list) else ()


def _names(value: object) -> tuple[str, ...]:
    """The keys of a mapping."""
    return tuple(str(name) for name in value) if isinstance(value, dict) else ()


def _minutes(document: Document) -> float:
    """The drill's length; a length in calendar time needs the pace."""
    raw = document.data.get("duration")
    world = document.data.get("world")
    pace = world.get("pace") if isinstance(world, dict) else None
    try:
        if isinstance(raw, dict) and isinstance(pace, (int, float)) and pace > 0:
            return round(parse_duration(raw.get("cal")) / pace / 60.0, 2)
        return round(parse_duration(raw) / 60.0, 2)
    except UnitError as error:
        raise invalid(document.file, str(error), *document.values.get(("duration",), (1, 1)), key="duration") from None
