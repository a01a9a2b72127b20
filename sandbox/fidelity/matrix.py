"""The matrix of fidelity: each scenario with reference and idle, several times on a stack. What is done is kept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..model.errors import DrillboxError, UsageError
from ..model.scenario import Scenario
from ..paths import atomic_write
from ..scoring.verdict import Verdict
from .bands import Comparison, bands_of, compare
from .figures import Figures, Outcome

SCHEMA = 1
OPERATORS = ("reference", "idle")


@dataclass(frozen=True, slots=True)
class Cell:
    """One drill of the matrix: which, by whom, and the how manieth time."""

    scenario: Scenario
    operator: str
    number: int

    @property
    def expected(self) -> str:
        """The verdict that it must come to: the reference passes, and so does idling where nothing is wrong."""
        return (Verdict.PASSED if self.operator == "reference" or self.scenario.control else Verdict.FAILED).value

    @property
    def key(self) -> str:
        """Its name among the results."""
        return f"{self.scenario.id}/{self.operator}/{self.number}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a cell: the two drills, or why there are none. `digest` is the scenario's, `commit` that of the code.

    `day` (as 2026-11-21) and `machine` are empty in files of older versions.
    """

    digest: str
    commit: str
    sim: Outcome | None = None
    other: Outcome | None = None
    error: str = ""
    day: str = ""
    machine: str = ""

    def comparison(self) -> Comparison | None:
        """The two side by side, by the bands of today."""
        if self.sim is None or self.other is None:
            return None
        return compare(self.sim, self.other, bands_of(self.other.stack))


@dataclass(frozen=True, slots=True)
class Source:
    """What plays: the commit of the code, the day, and the machine with the versions of what is on it."""

    commit: str
    day: str = ""
    machine: str = ""


Play = Callable[[Cell], Comparison]
"""Plays a cell on the simulation and on the stack."""
Tell = Callable[[str], None]


class Results:
    """The results in a file, which is written anew after each drill: an interruption loses none that was finished."""

    def __init__(self, path: Path, entries: Mapping[str, Entry] | None = None) -> None:
        self.path = path
        self._entries = dict(entries or {})

    @classmethod
    def read(cls, path: Path) -> Results:
        """Those of a file; none if there is no file.

        Raises:
            UsageError: the file is damaged, or of another version.
        """
        try:
            data = json.loads(path.read_bytes())
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read the results {path}: {error}; --fresh begins anew") from None
        try:
            if data["schema"] != SCHEMA:
                raise UsageError(f"{path} has schema {data['schema']}; this drillbox reads {SCHEMA}: --fresh begins anew")
            return cls(path, {str(key): _entry(one) for key, one in data["entries"].items()})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"the results {path} are damaged at {error}; --fresh begins anew") from None

    def of(self, cell: Cell) -> Entry | None:
        """What is known of a cell, if it was played with the scenario as it is now."""
        entry = self._entries.get(cell.key)
        return entry if entry is not None and entry.digest == cell.scenario.digest else None

    def put(self, cell: Cell, entry: Entry) -> None:
        """Keep what became of a cell.

        Raises:
            UsageError: the file cannot be written.
        """
        self._entries[cell.key] = entry
        self._write()

    def take(self, other: Results) -> None:
        """Take over what others kept in a file of their own; a drill that broke there replaces none that was played.

        Raises:
            UsageError: the file cannot be written.
        """
        self._entries |= {key: one for key, one in other._entries.items() if not one.error or key not in self._entries}
        self._write()

    def _write(self) -> None:
        data = {"schema": SCHEMA, "entries": {key: dataclasses.asdict(one) for key, one in self._entries.items()}}
        atomic_write(self.path, json.dumps(data, indent=1).encode())


def cells_of(scenarios: Iterable[Scenario], times: int) -> list[Cell]:
    """All drills of the matrix, in the order in which they are played."""
    return [Cell(one, name, number) for one in scenarios for name in OPERATORS for number in range(1, times + 1)]


def fill(results: Results, cells: Sequence[Cell], play: Play, source: Source, tell: Tell) -> None:
    """Play what is not done yet. A drill that breaks is noted, tried again the next time, and stops none of the others.

    Raises:
        KeyboardInterrupt: somebody interrupts; what was finished is kept.
        UsageError: the results cannot be written.
    """
    for place, cell in enumerate(cells, start=1):
        known = results.of(cell)
        if known is not None and not known.error:
            tell(f"{place}/{len(cells)} {cell.key}: done before")
            continue
        blank = Entry(cell.scenario.digest, source.commit, day=source.day, machine=source.machine)
        try:
            found = play(cell)
        except DrillboxError as error:
            results.put(cell, dataclasses.replace(blank, error=str(error)))
            tell(f"{place}/{len(cells)} {cell.key}: {error}")
            continue
        results.put(cell, dataclasses.replace(blank, sim=found.sim, other=found.other))
        bands = "every band met" if found.met else f"not met: {', '.join(line.what for line in found.missed)}"
        tell(f"{place}/{len(cells)} {cell.key}: {found.other.verdict}, {bands}")


@dataclass(frozen=True, slots=True)
class Row:
    """The drills of one scenario and operator, together."""

    scenario: str
    operator: str
    expected: str
    wanted: int  # drills
    errors: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    commits: tuple[str, ...]
    days: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()

    @property
    def as_expected(self) -> bool:
        """Whether all drills were played, and came to the verdict that they must."""
        return len(self.comparisons) == self.wanted and all(one.other.verdict == self.expected for one in self.comparisons)

    @property
    def met(self) -> bool:
        """Whether all drills were played, and kept every band."""
        return len(self.comparisons) == self.wanted and all(one.met for one in self.comparisons)


def rows_of(results: Results, cells: Sequence[Cell]) -> Iterator[Row]:
    """The matrix by scenario and operator."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.scenario.id, cell.operator), []).append(cell)
    for (name, operator), group in groups.items():
        entries = [entry for cell in group if (entry := results.of(cell)) is not None]
        yield Row(
            name,
            operator,
            group[0].expected,
            len(group),
            tuple(entry.error for entry in entries if entry.error),
            tuple(found for entry in entries if (found := entry.comparison()) is not None),
            *(
                tuple(dict.fromkeys(getattr(entry, name) for entry in entries if not entry.error))
                for name in ("commit", "day", "machine")
            ),
        )


def _entry(data: Mapping[str, object]) -> Entry:
    sim, other = (_outcome(data[name]) for name in ("sim", "other"))
    day, machine = (str(data.get(name, "")) for name in ("day", "machine"))
    return Entry(str(data["digest"]), str(data["commit"]), sim, other, str(data["error"]), day, machine)


def _outcome(data: object) -> Outcome | None:
    if data is None:
        return None
    if not isinstance(data, dict):
        raise TypeError(f"{data!r}")
    fields = {
        **data,
        "reasons": tuple(map(str, data["reasons"])),
        "pages": tuple((str(name), float(at)) for name, at in data["pages"]),
        "figures": {str(name): Figures(**one) for name, one in data["figures"].items()},
    }
    return Outcome(**fields)
