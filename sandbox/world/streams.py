"""Keyed randomness: draw i of a named stream is a pure function of (seed, name, i), whatever was drawn before, and by whom.

Built on Philox, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the key is
a hash of seed and name, the counter holds the chunk's number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

CHUNK = 4096
"""Draws made at once."""

_KEPT = 4
_UNIFORM, _EXPONENTIAL = 1, 2
Floats = NDArray[np.float64]


class Stream:
    """One named stream of a drill's seed. Uniform and exponential draws of the same index are independent of each other."""

    def __init__(self, seed: int, name: str) -> None:
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        self._key = np.frombuffer(digest, dtype="<u8", count=2)
        self._chunks: dict[tuple[int, int], Floats] = {}

    def uniform(self, start: int, n: int) -> Floats:
        """Draws start to start + n - 1, uniform on [0, 1)."""
        return self._slice(_UNIFORM, start, n)

    def exponential(self, start: int, n: int) -> Floats:
        """Draws start to start + n - 1, exponential with mean 1."""
        return self._slice(_EXPONENTIAL, start, n)

    def _slice(self, kind: int, start: int, n: int) -> Floats:
        first, offset = divmod(start, CHUNK)
        if offset + n <= CHUNK:
            return self._chunk(kind, first)[offset : offset + n].copy()
        last = (start + n - 1) // CHUNK
        whole = np.concatenate([self._chunk(kind, number) for number in range(first, last + 1)])
        return whole[offset : offset + n]

    def _chunk(self, kind: int, number: int) -> Floats:
        found = self._chunks.get((kind, number))
        if found is None:
            counter = np.array([0, kind, number, 0], dtype=np.uint64)
            generator = np.random.Generator(np.random.Philox(counter=counter, key=self._key))
            draw: Callable[[int], Floats] = generator.random if kind == _UNIFORM else generator.standard_exponential
            found = draw(CHUNK)
            if len(self._chunks) >= _KEPT:
                del self._chunks[next(iter(self._chunks))]
            self._chunks[kind, number] = found
        return found
