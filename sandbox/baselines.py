"""Baselines: how a drill goes with nobody's hand on it, and with the reference's. Only the simulation can tell at any time.

They are kept in the cache as compressed journals' events, under a key of all that they follow from.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .journal import decode, encode
from .model.errors import UsageError
from .model.events import Ended, Event
from .model.scenario import Scenario
from .model.stack import Progress
from .operators import Idle, Operator, Scripted
from .paths import atomic_write, cache_dir
from .scoring.harm import harm_of
from .scoring.impact import control_impact, impact
from .scoring.record import Record, record_of

KEPT = 400
"""Most files that the cache keeps; the oldest go first."""

Play = Callable[[Scenario, Operator], Sequence[Event]]
"""Plays a drill of a scenario with an operator to its end, with the seed at hand; gives all its events."""


@dataclass(frozen=True, slots=True)
class Baselines:
    """What a drill is held against. `tempting` has the harms (dollars) of a control's tempting runbooks, by name."""

    scenario: Scenario
    idle: Record
    reference: Record
    tempting: Mapping[str, float]

    def impact_of(self, harm: float) -> float | None:
        """The impact of a drill with that harm, in dollars; see `scoring.impact`."""
        idle, reference = self.harm(self.idle), self.harm(self.reference)
        if self.scenario.control:
            return control_impact(harm, idle, max(self.tempting.values(), default=idle))
        return impact(harm, idle, reference)

    def harm(self, record: Record) -> float:
        """Dollars of a record."""
        return harm_of(record.ledger, self.scenario.world.prices).total


class BaselineCache:
    """Plays baselines, or takes them from the cache.

    Args:
        scenario: with its profile applied.
        seed: of the drills.
        origin: all else that decides how a drill goes: stack, code, data, versions.
        play: plays what the cache does not hold.
    """

    def __init__(self, scenario: Scenario, seed: int, origin: Iterable[str], play: Play) -> None:
        self._scenario = scenario
        self._play = play
        key = hashlib.sha256("/".join((scenario.digest, scenario.profile, str(seed), *origin)).encode()).hexdigest()[:16]
        self._folder = cache_dir() / "baselines"
        self._stem = f"{scenario.stem}-{seed}-{key}"

    def baselines(self, progress: Progress) -> Baselines:
        """All that a drill is held against; plays up to two drills (a control: one for each tempting runbook more)."""
        scenario = self._scenario
        operators: list[Operator] = [Idle(), Scripted(scenario.reference)]
        if scenario.control:
            operators += [Scripted(book) for book in scenario.tempting]
        records: dict[str, Record] = {}
        for number, operator in enumerate(operators):
            known = self._read(operator.name)
            if not known:
                progress("comparing with idle and reference", (number + 0.5) / len(operators))
            records[operator.name] = record_of(known or self._play_and_keep(operator))
        prices = scenario.world.prices
        tempting = {book.id: harm_of(records[book.id].ledger, prices).total for book in scenario.tempting if book.id in records}
        return Baselines(scenario, records["idle"], records["reference"], tempting)

    def put(self, name: str, events: Sequence[Event]) -> None:
        """Keep the events of a whole drill that an operator has played.

        Raises:
            UsageError: the cache cannot be written.
        """
        lines = "\n".join(json.dumps(encode(event)) for event in events)
        atomic_write(self._path(name), gzip.compress(lines.encode(), compresslevel=5, mtime=0))
        self._prune()

    def _play_and_keep(self, operator: Operator) -> Sequence[Event]:
        events = self._play(self._scenario, operator)
        with suppress(UsageError):  # without room in the cache the comparison is as good, only slower the next time
            self.put(operator.name, events)
        return events

    def _read(self, name: str) -> Sequence[Event]:
        """What the cache holds; nothing if that is not a whole drill: whatever is damaged there is made again."""
        try:
            lines = gzip.decompress(self._path(name).read_bytes()).splitlines()
            events = [decode(json.loads(line)) for line in lines]
        except (OSError, EOFError, ValueError, RecursionError):
            return ()
        return events if events and events[-1].body == Ended("finished") else ()

    def _path(self, name: str) -> Path:
        return self._folder / f"{self._stem}-{name}.jsonl.gz"

    def _prune(self) -> None:
        """Keep the cache small. Another process may do the same at the same time."""
        try:
            files = sorted(self._folder.glob("*.jsonl.gz"), key=lambda path: path.stat().st_mtime)
            for path in files[:-KEPT]:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"cannot tidy the cache {self._folder}: {error.strerror}") from None
