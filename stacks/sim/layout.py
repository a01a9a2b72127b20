"""The data plane's state: arrays that persist between calls of the kernel, and the names of their columns.

Suffix by array: `c` clients, `g` gateway, `i` integer scalars, `f` float scalars, `q`/`qf` requests in flight, `j`/`jf` jobs at
servers, `r`/`rf` replicas, `m` models, `s` random streams.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

C_CLIENT_TIMEOUT, C_CLIENT_BACKOFF, C_CLIENT_LIMIT, C_RULES_TIME, C_SLOW, N_C = range(6)
G_TIMEOUT, G_BUDGET, G_SHED, G_CANARY, G_SHADOW, N_G = range(6)
F_NOW, F_COST, N_F = range(3)
(
    I_CLIENT_RETRIES, I_GATEWAY_RETRIES, I_FALLBACK, I_CANCEL, I_SEQ, I_FREE_REQUEST, I_FREE_JOB, I_REQUESTS, I_JOBS, I_NFINISH,
    I_NRETRY, I_NLATE, I_RING_HEAD, I_RING_LEN, I_ACTIVE, I_ACTIVE_RETRIES, I_RETRY, I_OVERFLOW, I_SHED, I_NO_UPSTREAM,
    I_FAILED, I_SLOW, I_OK, I_DECIDED, I_RECORDED, N_I,
) = range(26)  # fmt: skip
(
    Q_GENERATION, Q_NEXT, Q_EXAMPLE, Q_ATTEMPT, Q_TRY, Q_TRIES, Q_ARMED, Q_IS_RETRY, Q_JOB, Q_POOL, Q_COUNTED, N_Q,
) = range(12)  # fmt: skip
QF_ARRIVAL, QF_SENT, QF_DEADLINE, N_QF = range(4)
J_STATE, J_GENERATION, J_NEXT, J_OWNER, J_OWNER_GENERATION, J_REPLICA, J_EXAMPLE, J_TRY, J_SOURCE, N_J = range(10)
JF_ARRIVAL, JF_START, N_JF = range(3)
(
    R_USED, R_POOL, R_MODEL, R_CONCURRENCY, R_QUEUE, R_READY, R_BUSY, R_WAITING, R_HEAD, R_TAIL, R_ACCEPTED, R_SERVED,
    R_REJECTED, R_RULES, R_BROKEN, R_WASTED, N_R,
) = range(17)  # fmt: skip
RF_BUSY, RF_QUEUE, RF_LAST, RF_SLOWNESS, N_RF = range(5)
M_KIND, M_A, M_B, N_M = range(4)
S_SERVICE, S_BACKOFF, S_PICK, S_ROUTE, S_SHED, S_SHADOW, N_S = range(7)

POOLS = 3
MAX_REPLICAS = 64
CLASSES = ("2xx", "4xx", "5xx", "0")
"""Response classes in the order of the histogram's rows; 0: the client hung up."""


class State(NamedTuple):
    """All of it; the kernel changes the arrays in place."""

    c: Floats
    g: Floats
    f: Floats
    i: Ints
    keys: NDArray[np.uint64]
    q: Ints  # [requests, N_Q]
    qf: Floats
    request_index: NDArray[np.uint64]
    j: Ints  # [jobs, N_J]
    jf: Floats
    indices: NDArray[np.uint64]  # logical request of each job
    r: Ints  # [MAX_REPLICAS, N_R]
    rf: Floats
    models: Floats  # [models, N_M]
    tables: Floats  # [models, points] quantiles of service times
    costs: Floats  # [models + 1, examples], the last row is that of the rules
    answers: Ints  # [models + 1]
    log: NDArray[np.int32]  # [models + 1, examples] answers per example, or empty
    ready: Ints  # [POOLS, MAX_REPLICAS]
    nready: Ints  # [POOLS]
    bounds: Floats
    histogram: Ints  # [classes, bounds + 1]
    latency_sum: Floats
    finish_times: Floats
    finish: Ints  # [n, 3]: age, job, generation
    retry_times: Floats
    retry: Ints  # [n, 3]: age, request, generation
    late_times: Floats
    late: Ints
    ring_times: Floats
    ring: Ints  # [n, 2]: request, generation
    record: Floats  # [n, 5] decided requests, for tests
    jobs: Floats  # [n + 1, 5] finished jobs, for tests; the first row counts


def chain(table: Ints, column: int, start: int) -> None:
    """Link rows from `start` into a free list through `column`."""
    table[start:, column] = np.arange(start + 1, len(table) + 1)


def grow(state: State) -> State:
    """Twice the room for what is in flight; everything keeps its place."""
    old, ring = len(state.q), len(state.ring)
    order = (np.arange(ring) + state.i[I_RING_HEAD]) % ring
    bigger = {
        name: _doubled(getattr(state, name))
        for name in ("q", "qf", "request_index", "j", "jf", "indices", "finish_times", "finish", "retry_times", "retry", "late_times", "late")
    }
    bigger["ring_times"], bigger["ring"] = _doubled(state.ring_times[order]), _doubled(state.ring[order])
    state.i[I_RING_HEAD] = 0
    state = state._replace(**bigger)
    # The free lists ended at the old sizes, which are now the first new rows.
    chain(state.q, Q_NEXT, old)
    chain(state.j, J_NEXT, len(state.j) // 2)
    state.q[old:, Q_JOB] = -1
    return state


def _doubled(array: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.concatenate([array, np.zeros_like(array)])


def addresses(state: State) -> Ints:
    """Where each array is, and its shape: [fields, 3]. Valid until the state grows."""
    return np.array([[array.ctypes.data, *array.shape, 1][:3] for array in state], np.int64)
