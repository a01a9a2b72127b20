"""What compiled code is made of: views of the state's arrays, keyed random draws, heaps.

A view is made from the table of addresses wherever it is needed. It owns nothing, so handing it on counts no references (8 times
faster than passing arrays), and the one argument `m` keeps compilation short. Numbers of columns are constants of the compiler.
"""

# mypy: disable-error-code="no-any-return"
# Elements of arrays are Any to mypy.

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba as nb
import numpy as np
from numba.core import cgutils
from numpy.typing import NDArray

from . import layout as lay
from .layout import Floats, Ints, Keys

Function = TypeVar("Function", bound=Callable[..., Any])

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ODD = np.uint64(0xD1342543DE82EF95)
_TINY = 2.0**-53


def inlined(function: Function) -> Function:
    """Compiled into its callers."""
    result: Any = nb.njit(forceinline=True)(function)
    return result


def compiled(function: Function) -> Function:
    """Compiled once; the many who call it share the code."""
    result: Any = nb.njit(function)
    return result


def _pointer_code(typing_context: Any, address: Any) -> Any:  # noqa: ARG001  # numba calls it like this
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001  # as above
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return nb.types.voidptr(nb.types.int64), codegen


_pointer: Any = nb.extending.intrinsic(_pointer_code)
"""An integer address as a pointer."""
_view: Any = nb.carray  # type: ignore[attr-defined]  # numba has few types


# ------------------------------------------------------------------------------------------------------------------- arrays


@inlined
def table(address: int, fields: int) -> Ints:
    """The table of addresses itself: [fields, 3]."""
    return _view(_pointer(address), (fields, 3), np.int64)


@inlined
def scalars(m: Ints) -> Ints:
    """`I_`."""
    return _view(_pointer(m[lay.T_I, 0]), (lay.N_I,), np.int64)


@inlined
def clients(m: Ints) -> Floats:
    """`C_`."""
    return _view(_pointer(m[lay.T_C, 0]), (lay.N_C,), np.float64)


@inlined
def gateway(m: Ints) -> Floats:
    """`G_`."""
    return _view(_pointer(m[lay.T_G, 0]), (lay.N_G,), np.float64)


@inlined
def clock(m: Ints) -> Floats:
    """`F_`."""
    return _view(_pointer(m[lay.T_F, 0]), (lay.N_F,), np.float64)


@inlined
def keys(m: Ints) -> Keys:
    """`S_`."""
    return _view(_pointer(m[lay.T_KEYS, 0]), (lay.N_S,), np.uint64)


@inlined
def requests(m: Ints) -> Ints:
    """`Q_`."""
    return _view(_pointer(m[lay.T_Q, 0]), (m[lay.T_Q, 1], lay.N_Q), np.int64)


@inlined
def request_times(m: Ints) -> Floats:
    """`QF_`."""
    return _view(_pointer(m[lay.T_QF, 0]), (m[lay.T_QF, 1], lay.N_QF), np.float64)


@inlined
def request_indices(m: Ints) -> Keys:
    """Index of each logical request in flight."""
    return _view(_pointer(m[lay.T_REQUEST_INDEX, 0]), (m[lay.T_REQUEST_INDEX, 1],), np.uint64)


@inlined
def jobs(m: Ints) -> Ints:
    """`J_`."""
    return _view(_pointer(m[lay.T_J, 0]), (m[lay.T_J, 1], lay.N_J), np.int64)


@inlined
def job_times(m: Ints) -> Floats:
    """`JF_`."""
    return _view(_pointer(m[lay.T_JF, 0]), (m[lay.T_JF, 1], lay.N_JF), np.float64)


@inlined
def job_indices(m: Ints) -> Keys:
    """Index of the logical request of each job."""
    return _view(_pointer(m[lay.T_JOB_INDEX, 0]), (m[lay.T_JOB_INDEX, 1],), np.uint64)


@inlined
def replicas(m: Ints) -> Ints:
    """`R_`."""
    return _view(_pointer(m[lay.T_R, 0]), (lay.MAX_REPLICAS, lay.N_R), np.int64)


@inlined
def replica_times(m: Ints) -> Floats:
    """`RF_`."""
    return _view(_pointer(m[lay.T_RF, 0]), (lay.MAX_REPLICAS, lay.N_RF), np.float64)


@inlined
def models(m: Ints) -> Floats:
    """`M_`."""
    return _view(_pointer(m[lay.T_MODELS, 0]), (m[lay.T_MODELS, 1], lay.N_M), np.float64)


@inlined
def floats2(m: Ints, place: int) -> Floats:
    """Any two-dimensional array of floats."""
    return _view(_pointer(m[place, 0]), (m[place, 1], m[place, 2]), np.float64)


@inlined
def quantiles(m: Ints) -> Floats:
    """Tables of service times."""
    return floats2(m, lay.T_TABLES)


@inlined
def costs(m: Ints) -> Floats:
    """Cost of each answer."""
    return floats2(m, lay.T_COSTS)


@inlined
def decided(m: Ints) -> Floats:
    """Records of requests."""
    return floats2(m, lay.T_REQUESTS)


@inlined
def departed(m: Ints) -> Floats:
    """Records of jobs."""
    return floats2(m, lay.T_JOBS)


@inlined
def log(m: Ints) -> NDArray[np.int32]:
    """Answers per model and example."""
    return _view(_pointer(m[lay.T_LOG, 0]), (m[lay.T_LOG, 1], m[lay.T_LOG, 2]), np.int32)


@inlined
def answered(m: Ints) -> Ints:
    """Predictions per pool and source."""
    return _view(_pointer(m[lay.T_ANSWERED, 0]), (lay.POOLS, 2), np.int64)


@inlined
def spent(m: Ints) -> Floats:
    """Cost per pool and source."""
    return _view(_pointer(m[lay.T_SPENT, 0]), (lay.POOLS, 2), np.float64)


@inlined
def ready(m: Ints) -> Ints:
    """Slots of the ready replicas of each pool."""
    return _view(_pointer(m[lay.T_READY, 0]), (lay.POOLS, lay.MAX_REPLICAS), np.int64)


@inlined
def ready_counts(m: Ints) -> Ints:
    """How many each pool has."""
    return _view(_pointer(m[lay.T_NREADY, 0]), (lay.POOLS,), np.int64)


@inlined
def bounds(m: Ints) -> Floats:
    """Bounds of the latency's buckets."""
    return _view(_pointer(m[lay.T_BOUNDS, 0]), (m[lay.T_BOUNDS, 1],), np.float64)


@inlined
def histogram(m: Ints) -> Ints:
    """Responses per class and bucket."""
    return _view(_pointer(m[lay.T_HISTOGRAM, 0]), (4, m[lay.T_HISTOGRAM, 2]), np.int64)


@inlined
def latency_sum(m: Ints) -> Floats:
    """Seconds per class."""
    return _view(_pointer(m[lay.T_LATENCY_SUM, 0]), (4,), np.float64)


@inlined
def _heap(m: Ints, place: int) -> tuple[Floats, Ints]:
    times = _view(_pointer(m[place, 0]), (m[place, 1],), np.float64)
    return times, _view(_pointer(m[place + 1, 0]), (m[place, 1],), np.int64)


@inlined
def finishes(m: Ints) -> tuple[Floats, Ints]:
    """Heap of services that end."""
    return _heap(m, lay.T_FINISH_TIMES)


@inlined
def retries(m: Ints) -> tuple[Floats, Ints]:
    """Heap of clients that come back."""
    return _heap(m, lay.T_RETRY_TIMES)


@inlined
def early(m: Ints) -> tuple[Floats, Ints]:
    """Heap of deadlines out of order."""
    return _heap(m, lay.T_EARLY_TIMES)


@inlined
def ring(m: Ints) -> tuple[Floats, Ints]:
    """Ring of deadlines."""
    times = _view(_pointer(m[lay.T_RING_TIMES, 0]), (m[lay.T_RING_TIMES, 1],), np.float64)
    return times, _view(_pointer(m[lay.T_RING, 0]), (m[lay.T_RING, 1], 2), np.int64)


# -------------------------------------------------------------------------------------------------------------------- draws


@inlined
def mix(z: Any) -> Any:
    """The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    return z ^ (z >> np.uint64(31))


@inlined
def draw(key: Any, index: Any, attempt: int) -> Any:
    """64 random bits keyed by (stream, entity, attempt), never by the order of calls."""
    return mix(mix(key + np.uint64(index) * _GOLDEN) + np.uint64(attempt + 1) * _ODD)


@inlined
def draw_again(bits: Any) -> Any:
    """64 more bits."""
    return mix(bits + _GOLDEN)


@inlined
def unit(bits: Any) -> float:
    """A number in [0, 1) from 64 bits."""
    return np.float64(bits >> np.uint64(11)) * _TINY


# -------------------------------------------------------------------------------------------------------------------- heaps


@inlined
def push(heap: tuple[Floats, Ints], n: int, time: float, item: int) -> None:
    """Put an item into a heap of `n` ordered by (time, item); a node has four children, items begin with their age."""
    times, items = heap
    while n > 0:
        parent = (n - 1) >> 2
        if times[parent] < time or (times[parent] == time and items[parent] < item):
            break
        times[n], items[n] = times[parent], items[parent]
        n = parent
    times[n], items[n] = time, item


@inlined
def _before(times: Floats, items: Ints, a: int, b: int) -> bool:
    return (times[a] < times[b]) | ((times[a] == times[b]) & (items[a] < items[b]))


@inlined
def pop(heap: tuple[Floats, Ints], n: int) -> None:
    """Drop the first item of a heap of `n`: the hole sinks to a leaf along the smaller children, the last item rises there."""
    times, items = heap
    n -= 1
    hole, child = 0, 1
    while child + 3 < n:
        # Arithmetic in place of branches that nobody can predict.
        left = child + int(_before(times, items, child + 1, child))
        right = child + 2 + int(_before(times, items, child + 3, child + 2))
        child = left + (right - left) * int(_before(times, items, right, left))
        times[hole], items[hole] = times[child], items[child]
        hole, child = child, 4 * child + 1
    if child < n:
        for other in range(child + 1, n):
            child = other if _before(times, items, other, child) else child
        times[hole], items[hole] = times[child], items[child]
        hole = child
    push(heap, hole, times[n], items[n])
