"""The library of scenarios: folders of YAML files, listed without validating them in full, so that a listing is fast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..model.errors import InvalidScenarioError, Place, Problem, UsageError, nearest
from ..model.units import UnitError, parse_duration
from .document import Data, Document, invalid, read_document

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the listing. `group`, `cause` and `control` are spoilers."""

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
    """Scenario files in folders and the folders below them. Read once, when it is first asked for."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = tuple(folders)
        self._listing: Listing | None = None

    @classmethod
    def packaged(cls, *packs: Path) -> Library:
        """The scenarios that come with the package, then those of further packs."""
        return cls((Path(__file__).parents[2] / "scenarios", *packs))

    def paths(self) -> tuple[Path, ...]:
        """Every scenario file, folder by folder, sorted.

        Raises:
            UsageError: a folder is not there.
        """
        found: list[Path] = []
        for folder in self.folders:
            if not folder.is_dir():
                raise UsageError(f"{folder}: no such folder of scenarios")
            found += sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
        return tuple(dict.fromkeys(found))

    def listing(self) -> Listing:
        """Entries sorted by difficulty and id, and the files that could not be listed.

        Raises:
            InvalidScenarioError: two files have the same id; it names both.
        """
        if self._listing is None:
            self._listing = _list(self.paths())
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
        broken = [problem for problem in listing.problems if Path(problem.place.file).stem == name]
        if broken:
            raise InvalidScenarioError(broken)
        raise UsageError(f"unknown scenario {name!r}; {nearest(name[:80], by_id)}")


def find_scenario(name: str | Path, library: Library) -> Path:
    """The scenario file that is meant by an id or a path. A path is recognised by its suffix, by a separator or by being there.

    Raises:
        UsageError: there is no scenario with this id.
        InvalidScenarioError: the library cannot be listed.
    """
    path = Path(name)
    if isinstance(name, Path) or path.suffix in SUFFIXES or len(path.parts) > 1 or path.is_absolute():
        return path
    try:
        return library.find(name)
    except UsageError:
        if name and path.exists():
            return path
        raise


def _list(paths: Iterable[Path]) -> Listing:
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
    if duplicates:
        raise InvalidScenarioError(duplicates)
    return Listing(tuple(sorted(entries.values(), key=lambda entry: (entry.difficulty, entry.id))), tuple(problems))


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
    from .loader import scenario_from  # pydantic is slow to import, and needed only to say what is wrong

    scenario_from(document)
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
