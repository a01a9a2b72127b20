"""What past drills of a person came to. Judging one can take seconds, so that every score is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from .sandbox.drill import Result
from .sandbox.model.errors import DrillboxError
from .sandbox.pace import pace_of
from .sandbox.paths import atomic_write, home

FILE = "scores.json"


@dataclass(frozen=True, slots=True)
class Score:
    """What a drill came to. `stamp` tells whether the journal has changed since; without a `scenario` it is no person's drill.

    `speed` is the slowest at which it was played (drill seconds per wall second); None if that is not known.
    """

    stamp: str
    scenario: str = ""
    profile: str = ""
    ended: bool = False
    passed: bool = False
    impact: float | None = None
    speed: float | None = None
    paused: bool = False

    @property
    def counts(self) -> bool:
        """Whether it can be somebody's best: played to its end at a speed that is known, and never paused."""
        return self.ended and self.impact is not None and self.speed is not None and not self.paused


def known() -> Mapping[Path, Score]:
    """Scores by journal, of those that are there and have not changed since."""
    kept = _read()
    return {path: kept[path.name] for path in journals() if path.name in kept and kept[path.name].stamp == stamp_of(path)}


def journals() -> list[Path]:
    """Journals of drills in the state folder, the latest first."""
    found = [(path.stat().st_mtime, path) for path in (home() / "drills").glob("*.jsonl") if path.is_file()]
    return [path for _, path in sorted(found, reverse=True)]


def judged(judge: Callable[[Path], Score], progress: Callable[[str, float], object]) -> Mapping[Path, Score]:
    """Scores of all journals; those that are not known yet are looked through now, and kept."""
    found, missing = dict(known()), [path for path in journals() if path not in known()]
    for number, path in enumerate(missing):
        progress("looking through past drills", number / len(missing))
        try:
            found[path] = judge(path)
        except DrillboxError:  # damaged, or of another version: no attempt that could be counted
            found[path] = Score(stamp_of(path))
        keep(found)
    return found


def keep(scores: Mapping[Path, Score]) -> None:
    """Write scores down beside those of before."""
    merged = {**_read(), **{path.name: score for path, score in scores.items()}}
    there = {path.name for path in journals()}
    data = {name: asdict(score) for name, score in merged.items() if name in there}
    atomic_write(home() / FILE, json.dumps(data, indent=1).encode())


def score_of(result: Result, path: Path) -> Score:
    """The score of a result."""
    scenario, pace = result.scenario, pace_of(path)
    return Score(
        stamp_of(path),
        scenario.id,
        scenario.profile,
        result.record.ended == "finished",
        result.passed,
        result.impact,
        pace.slowest if pace is not None else None,
        pace is not None and pace.paused,
    )


def stamp_of(path: Path) -> str:
    """What changes when the file does."""
    about = path.stat()
    return f"{about.st_size}/{about.st_mtime_ns}"


def _read() -> dict[str, Score]:
    """What was kept; nothing of what cannot be read: it is found again."""
    try:
        data = json.loads((home() / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return dict(_valid(data)) if isinstance(data, dict) else {}


def _valid(data: Mapping[str, object]) -> Iterator[tuple[str, Score]]:
    for name, one in data.items():
        try:
            yield name, Score(**one)  # type: ignore[arg-type]  # what does not fit is found again
        except TypeError:
            continue
