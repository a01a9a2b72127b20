"""Whom a fault hits: drawn by the drill's seed, the same on every stack for the same replicas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ...sandbox.world.streams import Stream

_T = TypeVar("_T")


class Draw:
    """Draws some of those that there are, each time anew.

    Args:
        seed: of the drill.
        name: of the stream of random numbers.
    """

    def __init__(self, seed: int, name: str) -> None:
        self._stream = Stream(seed, name)
        self._drawn = 0

    def of(self, there: Sequence[_T], count: int) -> list[_T]:
        """So many different ones, or all if there are fewer. How many there are does not change the luck of the next draw."""
        left, places = list(there), self._stream.uniform(self._drawn, count).tolist()
        self._drawn += count
        return [left.pop(int(place * len(left))) for place in places[: len(left)]]
