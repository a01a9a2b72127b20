"""The data plane's state: arrays that persist between calls of the kernel, and the names of their columns.

Prefix by array: `C` clients, `G` gateway, `I` integer scalars, `F` float scalars, `Q`/`QF` requests in flight, `J`/`JF` jobs at
servers, `R`/`RF` replicas, `M` models, `S` random streams, `T` places of the arrays in the table of addresses.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

C_TIMEOUT, C_BACKOFF, C_LIMIT, C_RULES_TIME, C_SLOW, C_LOOKUP, C_PARTNER, C_PARTNER_FACTOR, N_C = range(9)
(
    G_TIMEOUT, G_BUDGET, G_SHED, G_CANARY, G_SHADOW, G_PARTNER, G_INJECTED, G_DELAY, G_DELAYED, G_ABORTED, N_G,
) = range(11)  # fmt: skip
F_NOW, F_PARTNER_WORK, N_F = range(3)
(
    I_ROOM, I_CLIENT_RETRIES, I_RETRY_REFUSED, I_GATEWAY_RETRIES, I_FALLBACK, I_CANCEL,  # settings
    I_AGE, I_FREE_REQUEST, I_FREE_JOB, I_REQUESTS, I_JOBS, I_NFINISH, I_NRETRY, I_NEARLY, I_RING_HEAD, I_RING_LEN,  # memory
    I_ACTIVE, I_ACTIVE_RETRIES,  # requests at the gateway
    I_RETRY, I_OVERFLOW, I_SHED, I_NO_UPSTREAM,  # counters of the gateway
    I_FAILED, I_SLOW, I_OK, I_DECIDED, I_RECORDED, I_JOBS_RECORDED,
    I_PARTNER, I_PARTNER_REFUSED,  # attempts of the partner's clients
    I_HELD,  # requests that the gateway holds before it passes them on
    N_I,
) = range(32)  # fmt: skip
(
    Q_GENERATION, Q_NEXT, Q_EXAMPLE, Q_ATTEMPT, Q_TRIES, Q_ARMED, Q_IS_RETRY, Q_JOB, Q_POOL, Q_COUNTED, Q_PATIENT, Q_EARLY, N_Q,
) = range(13)  # fmt: skip
QF_ARRIVAL, QF_SENT, QF_DEADLINE, N_QF = range(4)
J_STATE, J_ITEM, J_NEXT, J_OWNER, J_OWNER_GENERATION, J_REPLICA, J_EXAMPLE, J_TRY, J_SOURCE, N_J = range(10)
JF_ARRIVAL, JF_START, N_JF = range(3)
(
    R_USED, R_POOL, R_MODEL, R_CONCURRENCY, R_QUEUE, R_READY, R_BUSY, R_WAITING, R_HEAD, R_TAIL, R_ACCEPTED, R_SERVED,
    R_REJECTED, R_RULES, R_BROKEN, R_WASTED, R_CANCELLED, R_SLOW, R_STOPPED, N_R,
) = range(20)  # fmt: skip
RF_BUSY, RF_QUEUE, RF_LAST, RF_SLOWNESS, RF_BUSY_THEN, RF_QUEUE_THEN, N_RF = range(7)
M_KIND, M_A, M_B, N_M = range(4)
S_SERVICE, S_BACKOFF, S_PICK, S_ROUTE, S_SHED, S_SHADOW, S_PARTNER, S_DELAY, S_ABORT, N_S = range(10)

POOLS = 3
MAX_REPLICAS = 256  # scaling goes to 64; rollouts surge, and drained pods take a while to go
ENTITY_BITS = 24
ENTITY = (1 << ENTITY_BITS) - 1
"""Bits of a place in the arrays of what is in flight: 16 million requests."""
SOURCES = ("model", "rules")
CLASSES = ("2xx", "4xx", "5xx", "0")
"""Response classes in the order of the histogram's rows; 0: the client hung up."""
REQUEST_COLUMNS = ("index", "arrival", "end", "outcome", "attempts")
JOB_COLUMNS = ("index", "try", "replica", "arrival", "start", "end", "how")


class State(NamedTuple):
    """All of it; the kernel changes the arrays in place. The first ones grow with what is in flight, the others do not."""

    q: Ints  # [room, N_Q] requests in flight
    qf: Floats  # [room, N_QF]
    request_index: Keys  # [room]
    j: Ints  # [room, N_J] jobs at servers
    jf: Floats  # [room, N_JF]
    job_index: Keys  # [room] logical request of each job
    finish_times: Floats  # heap of jobs
    finish: Ints  # [room]: age << ENTITY_BITS | job, and so on
    retry_times: Floats  # heap of requests
    retry: Ints
    early_times: Floats  # heap of requests whose deadlines come before the ring's last
    early: Ints
    ring_times: Floats  # ring of rising deadlines
    ring: Ints  # [room, 2]: request, generation
    c: Floats
    g: Floats
    f: Floats
    i: Ints
    keys: Keys
    r: Ints  # [MAX_REPLICAS, N_R]
    rf: Floats
    models: Floats  # [models, N_M]
    tables: Floats  # [models, points] quantiles of service times
    costs: Floats  # [models + 1, examples], the last row is that of the rules
    log: NDArray[np.int32]  # [models + 1, examples] answers per example, or no columns
    answered: Ints  # [POOLS, SOURCES] predictions that reached a client
    spent: Floats  # [POOLS, SOURCES] their cost in dollars, for requests scheduled at t >= 0
    ready: Ints  # [POOLS, MAX_REPLICAS]
    nready: Ints  # [POOLS]
    bounds: Floats
    histogram: Ints  # [CLASSES, bounds + 1]
    latency_sum: Floats  # [CLASSES]
    requests: Floats  # [n, REQUEST_COLUMNS] decided requests, for tests
    jobs: Floats  # [n, JOB_COLUMNS] jobs that left their server, for tests


(
    T_Q, T_QF, T_REQUEST_INDEX, T_J, T_JF, T_JOB_INDEX, T_FINISH_TIMES, T_FINISH, T_RETRY_TIMES, T_RETRY, T_EARLY_TIMES, T_EARLY,
    T_RING_TIMES, T_RING, T_C, T_G, T_F, T_I, T_KEYS, T_R, T_RF, T_MODELS, T_TABLES, T_COSTS, T_LOG, T_ANSWERED, T_SPENT,
    T_READY, T_NREADY, T_BOUNDS, T_HISTOGRAM, T_LATENCY_SUM, T_REQUESTS, T_JOBS,
) = range(len(State._fields))  # fmt: skip
_GROWS = State._fields[: T_RING + 1]
_Scalar = TypeVar("_Scalar", bound=np.generic)


def in_flight(room: int) -> dict[str, Any]:
    """Empty arrays for what is in flight, and their free lists."""
    arrays: dict[str, Any] = {
        "q": np.zeros((room, N_Q), np.int64),
        "qf": np.zeros((room, N_QF)),
        "request_index": np.zeros(room, np.uint64),
        "j": np.zeros((room, N_J), np.int64),
        "jf": np.zeros((room, N_JF)),
        "job_index": np.zeros(room, np.uint64),
        "ring_times": np.zeros(room),
        "ring": np.zeros((room, 2), np.int64),
    }
    for heap in ("finish", "retry", "early"):
        arrays[f"{heap}_times"], arrays[heap] = np.zeros(room), np.zeros(room, np.int64)
    _chain(arrays["q"], Q_NEXT, 0)
    _chain(arrays["j"], J_NEXT, 0)
    return arrays


def grow(state: State) -> State:
    """Twice the room for what is in flight; everything keeps its place.

    Raises:
        MemoryError: places in it would not fit into an item of a heap any more.
    """
    room = int(state.i[I_ROOM])
    if 2 * room > ENTITY + 1:
        raise MemoryError(f"more than {room} requests in flight")
    order = (np.arange(room) + state.i[I_RING_HEAD]) % room
    state.ring_times[:], state.ring[:] = state.ring_times[order], state.ring[order]
    state.i[I_RING_HEAD], state.i[I_ROOM] = 0, 2 * room
    state = state._replace(**{name: _doubled(getattr(state, name)) for name in _GROWS})
    # The free lists ended at the old size, which is now the first new row.
    _chain(state.q, Q_NEXT, room)
    _chain(state.j, J_NEXT, room)
    return state


def addresses(state: State) -> Ints:
    """Where each array is, and its shape: [fields, 3]. Valid until the state grows."""
    return np.array([[array.ctypes.data, *array.shape, 1][:3] for array in state], np.int64)


def _chain(table: Ints, column: int, start: int) -> None:
    """Link rows from `start` into a free list through `column`."""
    table[start:, column] = np.arange(start + 1, len(table) + 1)


def _doubled(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    return np.concatenate([array, np.zeros_like(array)])
