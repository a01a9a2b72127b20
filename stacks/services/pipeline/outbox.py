"""What the pipeline has to say, numbered, until the stack has read it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ....sandbox.model.events import Registered
from ....sandbox.model.params import Value

MOST = 20_000
"""Items that are kept; the oldest are forgotten first."""


@dataclass(slots=True)
class Desire:
    """Fields of the desired state are to have these values."""

    fields: dict[str, Value]
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Said:
    """A line of a component's log."""

    component: str
    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """One of them; `at` is drill time in seconds."""

    number: int
    at: float
    body: Desire | Said | Registered


class Outbox:
    """Items in the order in which they came. A reader asks for those after the last one that it has dealt with."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque(maxlen=MOST)
        self._next = 0
        self._given = self._dealt_with = -1

    def add(self, at: float, body: Desire | Said | Registered) -> None:
        """One more."""
        self._items.append(Item(self._next, at, body))
        self._next += 1

    def read(self, after: int) -> list[Item]:
        """Those after number `after`, up to which the reader has dealt with them."""
        found = [item for item in self._items if item.number > after]
        self._dealt_with = max(self._dealt_with, min(after, self._given))
        self._given = max([self._given, *(item.number for item in found[-1:])])
        return found

    def pending(self) -> Iterator[Mapping[str, Value]]:
        """Fields of the desires that the reader may not have dealt with yet, the oldest first."""
        for item in self._items:
            if item.number > self._dealt_with and isinstance(item.body, Desire):
                yield item.body.fields

    def withdraw(self, paths: Iterable[str]) -> None:
        """Desire nothing of these fields any more, as far as nobody has read it."""
        for item in self._items:
            if item.number > self._given and isinstance(item.body, Desire):
                for path in paths:
                    item.body.fields.pop(path, None)
