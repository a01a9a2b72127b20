"""At which pace a drill was played: a file beside its journal, which knows drill time only and is the same at every speed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .model.errors import UsageError
from .paths import atomic_write


@dataclass(frozen=True, slots=True)
class Pace:
    """The slowest speed at which some of a drill was played (drill seconds per wall second), and whether it was ever paused."""

    slowest: float
    paused: bool = False


class PaceKeeper:
    """Told of the pace while a drill is played, it keeps it beside the journal."""

    def __init__(self, journal: Path) -> None:
        self._path = _path(journal)
        self._kept: Pace | None = None

    def __call__(self, speed: float, paused: bool) -> None:
        """Note a speed or a pause. One that cannot be written is not known later on; it ends no drill."""
        before = self._kept
        slowest = speed if before is None else before.slowest if paused else min(before.slowest, speed)
        now = Pace(slowest, paused or (before is not None and before.paused))
        if now == before:
            return
        self._kept = now
        try:
            atomic_write(self._path, json.dumps(asdict(now)).encode())
        except UsageError:
            return


def pace_of(journal: Path) -> Pace | None:
    """At which pace the drill of a journal was played; None if nobody kept it, as of scripted drills."""
    try:
        data = json.loads(_path(journal).read_bytes())
        return Pace(float(data["slowest"]), bool(data["paused"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _path(journal: Path) -> Path:
    return journal.with_suffix(".pace.json")
