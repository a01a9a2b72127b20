"""The compiled kernel of the data plane: every attempt of every request, event by event.

`run` takes the earliest of five sources: arrivals (given, sorted), service finishes (heap), deadlines (a ring, because they rise
while the timeout is constant; a heap takes the exceptions) and clients that come back (heap; what the gateway holds waits there,
too). All state is in arrays that persist between calls (`layout.py`). Ties go in the order finish, deadline, retry, arrival, then
by age, so that a run is a function of its inputs alone.
"""

# mypy: disable-error-code="no-any-return"
# Elements of arrays are Any to mypy.

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np

from . import kernel_memory as mem
from . import layout as lay
from .kernel_gateway import ERROR, answer, arrive, dispatch, fail, pass_deadline, send, try_again
from .kernel_memory import compiled, inlined
from .kernel_servers import (
    ASIDE,
    BROKEN,
    BROKEN_ASIDE,
    CANCELLED,
    RULES,
    SERVED,
    SERVED_ASIDE,
    SERVING,
    arm,
    free_job,
    item,
    record_job,
    settle,
    show,
    take_next,
    waits_for,
)
from .layout import Floats, Ints, State

ADVANCE, KILL, REFILL, CARRY_ON = 0, 1, 2, 3
DONE, GROW = 0, 1
NOTHING, ARRIVAL, RETRY, DEADLINE, EARLY_DEADLINE, FINISH = range(6)
MARGIN = 4  # what one event can add to any array
FIELDS = len(State._fields)


@inlined
def _finish(m: Ints, now: float) -> None:
    """The first service finish is due."""
    i, j_, counts = mem.scalars(m), mem.jobs(m), mem.replicas(m)
    _, items = mem.finishes(m)
    item = items[0]
    j = item & lay.ENTITY
    mem.pop(mem.finishes(m), i[lay.I_NFINISH])
    i[lay.I_NFINISH] -= 1
    if j_[j, lay.J_ITEM] != item:
        return  # broken or given up
    r, beside = j_[j, lay.J_REPLICA], j_[j, lay.J_STATE] == ASIDE
    if counts[r, lay.R_STOPPED]:  # it is done, and nobody is there to say so
        j_[j, lay.J_ITEM] = 0
        waiting = waits_for(m, j)
        if waiting >= 0:
            arm(m, waiting)
        return
    record_job(m, j, now, SERVED_ASIDE if beside else SERVED)
    if not beside:
        settle(m, r, now)
        counts[r, lay.R_BUSY] -= 1
    counts[r, lay.R_SERVED] += 1
    counts[r, lay.R_SLOW] += now - mem.job_times(m)[j, lay.JF_ARRIVAL] > mem.clients(m)[lay.C_SLOW]
    counts[r, lay.R_RULES] += j_[j, lay.J_SOURCE] == RULES
    q = waits_for(m, j)
    if q >= 0:
        answer(m, q, j, now)
    elif j_[j, lay.J_OWNER] >= 0:
        counts[r, lay.R_WASTED] += 1
    free_job(m, j)
    if not beside:
        take_next(m, r, now)


@inlined
def _tight(m: Ints) -> bool:
    """Whether some array might not hold what the next event adds. No more retries than requests can wait."""
    i = mem.scalars(m)
    return max(i[lay.I_REQUESTS], i[lay.I_JOBS], i[lay.I_NFINISH], i[lay.I_NEARLY], i[lay.I_RING_LEN]) + MARGIN > i[lay.I_ROOM]


@compiled
def _advance(m: Ints, until: float, times: Floats, first: Any, examples: Any, begin: int) -> tuple[int, int]:
    i, a = mem.scalars(m), begin
    finish_times, _ = mem.finishes(m)
    ring_times, _ = mem.ring(m)
    early_times, _ = mem.early(m)
    retry_times, back = mem.retries(m)
    while True:
        now, kind = until, NOTHING
        if a < times.shape[0] and times[a] <= now:
            now, kind = times[a], ARRIVAL
        if i[lay.I_NRETRY] and retry_times[0] <= now:
            now, kind = retry_times[0], RETRY
        if i[lay.I_RING_LEN] and ring_times[i[lay.I_RING_HEAD]] <= now:
            now, kind = ring_times[i[lay.I_RING_HEAD]], DEADLINE
        if i[lay.I_NEARLY] and early_times[0] <= now:
            now, kind = early_times[0], EARLY_DEADLINE
        if i[lay.I_NFINISH] and finish_times[0] <= now:
            _finish(m, finish_times[0])
            continue
        if kind == NOTHING:
            break
        if _tight(m):
            return GROW, a
        if kind == ARRIVAL:
            q = arrive(m, first + np.uint64(a), examples[a], now)
            a += 1
        elif kind == RETRY:
            q = back[0] & lay.ENTITY
            mem.pop(mem.retries(m), i[lay.I_NRETRY])
            i[lay.I_NRETRY] -= 1
        else:
            pass_deadline(m, kind == DEADLINE, now)
            continue
        send(m, q, now)
    mem.clock(m)[lay.F_NOW] = until
    for r in range(lay.MAX_REPLICAS):
        if mem.replicas(m)[r, lay.R_USED]:
            show(m, r, until)
    return DONE, a


@compiled
def _kill(m: Ints, r: int, now: float) -> None:
    """Everything in service and waiting at a replica breaks; the gateway tries elsewhere where it may."""
    j_, counts = mem.jobs(m), mem.replicas(m)
    settle(m, r, now)
    counts[r, lay.R_HEAD], counts[r, lay.R_TAIL], counts[r, lay.R_WAITING], counts[r, lay.R_BUSY] = -1, -1, 0, 0
    orphans = np.empty(j_.shape[0], np.int64)
    n = 0
    for j in range(j_.shape[0]):
        if j_[j, lay.J_STATE] == 0 or j_[j, lay.J_REPLICA] != r:
            continue
        if j_[j, lay.J_STATE] != CANCELLED:
            counts[r, lay.R_BROKEN] += 1
            record_job(m, j, now, BROKEN_ASIDE if j_[j, lay.J_STATE] == ASIDE else BROKEN)
        q = waits_for(m, j)
        if q >= 0:
            orphans[n] = q
            n += 1
        free_job(m, j)
    for q in orphans[:n]:
        if try_again(m, q):
            dispatch(m, q, now)
        else:
            fail(m, q, ERROR, now)


@compiled
def _carry_on(m: Ints, r: int, now: float) -> None:
    """A replica that was stopped goes on: what was done meanwhile is answered, and what waits is taken up."""
    i, j_ = mem.scalars(m), mem.jobs(m)
    settle(m, r, now)
    for j in range(j_.shape[0]):
        of_it = j_[j, lay.J_REPLICA] == r and (j_[j, lay.J_STATE] == SERVING or j_[j, lay.J_STATE] == ASIDE)
        if of_it and j_[j, lay.J_ITEM] == 0:
            j_[j, lay.J_ITEM] = item(m, j)
            mem.push(mem.finishes(m), i[lay.I_NFINISH], now, j_[j, lay.J_ITEM])
            i[lay.I_NFINISH] += 1
    take_next(m, r, now)


def _sources() -> int:
    """A number that follows from the text of everything that is compiled."""
    folder = Path(__file__).parent
    texts = (path.read_bytes() for path in sorted([*folder.glob("kernel*.py"), folder / "layout.py"]))
    return zlib.crc32(b"".join(texts))


def _entry(sources: int) -> Callable[..., tuple[int, int]]:
    """Make `run`. It refers to `sources`, so numba's cache, which looks at this file alone, forgets it when any part changes."""

    @nb.njit(cache=True, nogil=True)
    def run(
        address: int, operation: int, until: float, times: Floats, first: Any, examples: Any, begin: int, r: int
    ) -> tuple[int, int]:
        """The one compiled entry.

        `ADVANCE` all events to `until` (arrivals count from `begin`; gives status and next arrival), `KILL` replica r, `REFILL`
        its slots after a change of their number, or let it `CARRY_ON` after a stop.
        """
        if sources < 0:
            return DONE, 0
        m = mem.table(address, FIELDS)
        if operation == ADVANCE:
            return _advance(m, until, times, first, examples, begin)
        if operation == KILL:
            _kill(m, r, until)
        elif operation == CARRY_ON:
            _carry_on(m, r, until)
        else:
            settle(m, r, until)
            take_next(m, r, until)
        show(m, r, until)
        return DONE, begin

    return run


run = _entry(_sources())
