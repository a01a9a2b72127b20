"""The clients' luck, as in the simulation: keyed by (stream, request, attempt), so that the same requests have the same luck.

The formulas are those of the simulation's kernel (`stacks/sim/kernel_memory.py`), without its compiler; a test compares them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...sim import layout as lay

_MASK = (1 << 64) - 1
_GOLDEN, _ODD = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95
_MIX1, _MIX2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_TINY = 2.0**-53
_PLANE = 0x706C616E
"""The simulation's data plane, among the users of a seed."""


class Luck:
    """The streams of one drill's seed that clients draw from."""

    def __init__(self, seed: int) -> None:
        keys = np.random.SeedSequence([seed, _PLANE]).generate_state(lay.N_S, np.uint64)
        self._backoff, self._route = int(keys[lay.S_BACKOFF]), keys[lay.S_ROUTE]

    def backoff(self, index: int, attempt: int) -> float:
        """The share of the longest back-off that a request waits after attempt `attempt` (from 0) failed, in [0, 1)."""
        bits = _mix((_mix((self._backoff + index * _GOLDEN) & _MASK) + (attempt + 1) * _ODD) & _MASK)
        return (bits >> 11) * _TINY

    def routes(self, first: int, n: int, whole: int) -> NDArray[np.int64]:
        """Of requests first, first + 1, …: the number in 0 … whole - 1 that chooses between champion and candidate, [n]."""
        with np.errstate(over="ignore"):
            indices = np.arange(first, first + n, dtype=np.uint64)
            bits = _mixed(_mixed(self._route + indices * np.uint64(_GOLDEN)) + np.uint64(_ODD))
        return ((bits >> np.uint64(11)).astype(np.float64) * _TINY * whole).astype(np.int64)


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * _MIX1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX2) & _MASK
    return z ^ (z >> 31)


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX2)
    return z ^ (z >> np.uint64(31))
