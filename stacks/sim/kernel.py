"""The compiled kernel of the data plane: every attempt of every request, event by event.

One numba function (`run`) takes the earliest of four sources: arrivals (given, sorted), service finishes (heap), timeouts
(a ring, because deadlines rise while the timeout is constant; a heap takes the exceptions) and client retries (heap). All state
is in arrays that persist between calls; `layout.py` names their columns. Ties go in the order finish, timeout, retry, arrival,
then by age, so that a run is a function of its inputs alone.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
from numba.core import cgutils

from .layout import (
    State,
    C_CLIENT_BACKOFF, C_CLIENT_LIMIT, C_CLIENT_TIMEOUT, C_RULES_TIME, C_SLOW,
    F_COST, F_NOW, G_BUDGET, G_CANARY, G_SHADOW, G_SHED, G_TIMEOUT,
    I_ACTIVE, I_ACTIVE_RETRIES, I_CANCEL, I_CLIENT_RETRIES, I_DECIDED, I_FAILED, I_FALLBACK, I_FREE_JOB, I_FREE_REQUEST,
    I_GATEWAY_RETRIES, I_JOBS, I_NFINISH, I_NLATE, I_NO_UPSTREAM, I_NRETRY, I_OK, I_OVERFLOW, I_RECORDED, I_REQUESTS, I_RETRY,
    I_RING_HEAD, I_RING_LEN, I_SEQ, I_SHED, I_SLOW,
    J_EXAMPLE, J_GENERATION, J_NEXT, J_OWNER, J_OWNER_GENERATION, J_REPLICA, J_SOURCE, J_STATE, J_TRY,
    JF_ARRIVAL, JF_START,
    M_A, M_B, M_KIND,
    Q_ARMED, Q_ATTEMPT, Q_COUNTED, Q_EXAMPLE, Q_GENERATION, Q_IS_RETRY, Q_JOB, Q_NEXT, Q_POOL, Q_TRIES, Q_TRY,
    QF_ARRIVAL, QF_DEADLINE, QF_SENT,
    R_ACCEPTED, R_BROKEN, R_BUSY, R_CONCURRENCY, R_HEAD, R_MODEL, R_POOL, R_QUEUE, R_READY, R_REJECTED, R_RULES, R_SERVED,
    R_TAIL, R_USED, R_WAITING, R_WASTED,
    RF_BUSY, RF_LAST, RF_QUEUE, RF_SLOWNESS,
    S_BACKOFF, S_PICK, S_ROUTE, S_SERVICE, S_SHADOW, S_SHED,
)  # fmt: skip

DONE, GROW = 0, 1
ADVANCE, KILL, REFILL = 0, 1, 2
ASIDE = 3  # state of a job that is answered from rules beside a full queue
QUEUED, SERVING, CANCELLED = 1, 2, 4
MODEL, RULES = 0, 1
OK, REFUSED, ERROR, HUNG_UP = 0, 1, 2, 3  # response classes 2xx, 4xx, 5xx, 0
SHADOW_POOL = 2
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ODD = np.uint64(0xD1342543DE82EF95)
_TINY = 2.0**-53


@nb.njit(cache=True, forceinline=True)
def _mix(z):
    """The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    return z ^ (z >> np.uint64(31))


@nb.njit(cache=True, forceinline=True)
def _hash(key, index, attempt):
    """64 random bits keyed by (stream, entity, attempt)."""
    return _mix(_mix(key + np.uint64(index) * _GOLDEN) + np.uint64(attempt + 1) * _ODD)


@nb.njit(cache=True, forceinline=True)
def _unit(bits):
    """A number in [0, 1) from 64 bits."""
    return np.float64(bits >> np.uint64(11)) * _TINY


@nb.extending.intrinsic
def _pointer(typing_context, address):
    """An integer address as a pointer."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return nb.types.voidptr(nb.types.int64), codegen


@nb.njit(cache=True, forceinline=True)
def _ints(a, k):
    return nb.carray(_pointer(a[k, 0]), (a[k, 1], a[k, 2]), np.int64)


@nb.njit(cache=True, forceinline=True)
def _floats(a, k):
    return nb.carray(_pointer(a[k, 0]), (a[k, 1], a[k, 2]), np.float64)


@nb.njit(cache=True, forceinline=True)
def _floats1(a, k):
    return nb.carray(_pointer(a[k, 0]), (a[k, 1],), np.float64)


@nb.njit(cache=True, forceinline=True)
def _ints1(a, k):
    return nb.carray(_pointer(a[k, 0]), (a[k, 1],), np.int64)


@nb.njit(cache=True, forceinline=True)
def _keys1(a, k):
    return nb.carray(_pointer(a[k, 0]), (a[k, 1],), np.uint64)


@nb.njit(cache=True, forceinline=True)
def _log(a, k):
    return nb.carray(_pointer(a[k, 0]), (a[k, 1], a[k, 2]), np.int32)


@nb.njit(cache=True, forceinline=True)
def _open(a):
    """The state behind the addresses that `layout.addresses` gives.

    Views made here own nothing, so that handing them from function to function counts no references; that is 8 times faster.
    """
    return State(
        c=_floats1(a, 0), g=_floats1(a, 1), f=_floats1(a, 2), i=_ints1(a, 3), keys=_keys1(a, 4), q=_ints(a, 5), qf=_floats(a, 6),
        request_index=_keys1(a, 7), j=_ints(a, 8), jf=_floats(a, 9), indices=_keys1(a, 10), r=_ints(a, 11), rf=_floats(a, 12),
        models=_floats(a, 13), tables=_floats(a, 14), costs=_floats(a, 15), answers=_ints1(a, 16), log=_log(a, 17),
        ready=_ints(a, 18), nready=_ints1(a, 19), bounds=_floats1(a, 20), histogram=_ints(a, 21), latency_sum=_floats1(a, 22),
        finish_times=_floats1(a, 23), finish=_ints(a, 24), retry_times=_floats1(a, 25), retry=_ints(a, 26),
        late_times=_floats1(a, 27), late=_ints(a, 28), ring_times=_floats1(a, 29), ring=_ints(a, 30), record=_floats(a, 31),
        jobs=_floats(a, 32),
    )  # fmt: skip


@nb.njit(cache=True, forceinline=True)
def _service(m, model, index, attempt):
    """Seconds to serve one attempt at normal speed, keyed by request and attempt, never by replica."""
    s = _open(m)
    kind, a, b = s.models[model, M_KIND], s.models[model, M_A], s.models[model, M_B]
    if kind == 0.0:
        return a
    bits = _hash(s.keys[S_SERVICE], index, attempt)
    u = _unit(bits)
    if kind == 1.0:
        return -a * math.log1p(-u)
    if kind == 2.0:
        v = _unit(_mix(bits + _GOLDEN))
        normal = math.sqrt(-2.0 * math.log1p(-u)) * math.cos(2.0 * math.pi * v)
        return math.exp(a + b * normal)
    place = u * (s.tables.shape[1] - 1)
    low = int(place)
    return s.tables[model, low] + (place - low) * (s.tables[model, low + 1] - s.tables[model, low])


@nb.njit(cache=True, forceinline=True)
def _push(times, items, n, time, a, b, c):
    """Put an item into a binary heap ordered by (time, a); `a` is unique and grows with age."""
    while n > 0:
        parent = (n - 1) >> 1
        if times[parent] < time or (times[parent] == time and items[parent, 0] < a):
            break
        times[n] = times[parent]
        items[n, 0], items[n, 1], items[n, 2] = items[parent, 0], items[parent, 1], items[parent, 2]
        n = parent
    times[n] = time
    items[n, 0], items[n, 1], items[n, 2] = a, b, c


@nb.njit(cache=True, forceinline=True)
def _pop(times, items, n):
    """Drop the first of a heap of `n` items."""
    n -= 1
    time, a, b, c = times[n], items[n, 0], items[n, 1], items[n, 2]
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= n:
            break
        right = child + 1
        if right < n and (
            times[right] < times[child] or (times[right] == times[child] and items[right, 0] < items[child, 0])
        ):
            child = right
        if time < times[child] or (time == times[child] and a < items[child, 0]):
            break
        times[hole] = times[child]
        items[hole, 0], items[hole, 1], items[hole, 2] = items[child, 0], items[child, 1], items[child, 2]
        hole = child
    times[hole] = time
    items[hole, 0], items[hole, 1], items[hole, 2] = a, b, c


@nb.njit(cache=True, forceinline=True)
def _age(m):
    s = _open(m)
    s.i[I_SEQ] += 1
    return s.i[I_SEQ]


@nb.njit(cache=True, forceinline=True)
def _settle(m, r, now):
    """Bring a replica's time integrals up to now."""
    s = _open(m)
    span = now - s.rf[r, RF_LAST]
    s.rf[r, RF_BUSY] += s.r[r, R_BUSY] * span
    s.rf[r, RF_QUEUE] += s.r[r, R_WAITING] * span
    s.rf[r, RF_LAST] = now


@nb.njit(cache=True, forceinline=True)
def _arm(m, q):
    """See to it that the request's deadline is noticed."""
    s = _open(m)
    if s.q[q, Q_ARMED]:
        return
    s.q[q, Q_ARMED] = 1
    deadline, size, n = s.qf[q, QF_DEADLINE], s.ring.shape[0], s.i[I_RING_LEN]
    tail = (s.i[I_RING_HEAD] + n) % size
    if n and s.ring_times[(tail - 1) % size] > deadline:
        _push(s.late_times, s.late, s.i[I_NLATE], deadline, _age(m), q, s.q[q, Q_GENERATION])
        s.i[I_NLATE] += 1
        return
    s.ring_times[tail] = deadline
    s.ring[tail, 0], s.ring[tail, 1] = q, s.q[q, Q_GENERATION]
    s.i[I_RING_LEN] = n + 1


@nb.njit(cache=True, forceinline=True)
def _new_job(m, q, r, example, tries, now, source):
    """A job at a server; `q` is the request that waits for it, -1 for a mirrored copy."""
    s = _open(m)
    j = s.i[I_FREE_JOB]
    s.i[I_FREE_JOB] = s.j[j, J_NEXT]
    s.i[I_JOBS] += 1
    s.j[j, J_OWNER] = q
    s.j[j, J_OWNER_GENERATION] = s.q[q, Q_GENERATION] if q >= 0 else 0
    s.j[j, J_REPLICA], s.j[j, J_EXAMPLE], s.j[j, J_TRY] = r, example, tries
    s.j[j, J_SOURCE], s.j[j, J_NEXT] = source, -1
    s.jf[j, JF_ARRIVAL], s.jf[j, JF_START] = now, np.inf
    return j


@nb.njit(cache=True, forceinline=True)
def _free_job(m, j):
    s = _open(m)
    s.j[j, J_STATE] = 0
    s.j[j, J_GENERATION] += 1
    s.j[j, J_NEXT] = s.i[I_FREE_JOB]
    s.i[I_FREE_JOB] = j
    s.i[I_JOBS] -= 1


@nb.njit(cache=True, forceinline=True)
def _waits(m, j):
    """The request that still waits for a job, or -1."""
    s = _open(m)
    q = s.j[j, J_OWNER]
    if q >= 0 and s.q[q, Q_GENERATION] == s.j[j, J_OWNER_GENERATION] and s.q[q, Q_JOB] == j:
        return q
    return -1


@nb.njit(cache=True)
def _start(m, j, index, now):
    """A server takes a job up."""
    s = _open(m)
    r = s.j[j, J_REPLICA]
    s.j[j, J_STATE] = SERVING
    s.jf[j, JF_START] = now
    s.r[r, R_BUSY] += 1
    if s.j[j, J_SOURCE] == RULES:
        span = s.c[C_RULES_TIME]
    else:
        span = _service(m, s.r[r, R_MODEL], index, s.j[j, J_TRY])
    finish = now + span * s.rf[r, RF_SLOWNESS]
    _push(s.finish_times, s.finish, s.i[I_NFINISH], finish, _age(m), j, s.j[j, J_GENERATION])
    s.i[I_NFINISH] += 1
    q = _waits(m, j)
    if q >= 0 and finish > s.qf[q, QF_DEADLINE]:
        _arm(m, q)


@nb.njit(cache=True, forceinline=True)
def _offer(m, r, q, example, index, tries, now):
    """Offer an attempt to a server. Whether it took it: in service, in the queue, or from rules beside a full queue."""
    s = _open(m)
    source = RULES if s.i[I_FALLBACK] == 2 else MODEL
    free = s.r[r, R_BUSY] < s.r[r, R_CONCURRENCY]
    if not free and s.r[r, R_WAITING] >= s.r[r, R_QUEUE]:
        if s.i[I_FALLBACK] != 1:
            s.r[r, R_REJECTED] += 1
            return False
        j = _new_job(m, q, r, example, tries, now, RULES)
        s.j[j, J_STATE] = ASIDE
        s.jf[j, JF_START] = now
        if q >= 0:
            s.q[q, Q_JOB] = j
        finish = now + s.c[C_RULES_TIME]
        _push(s.finish_times, s.finish, s.i[I_NFINISH], finish, _age(m), j, s.j[j, J_GENERATION])
        s.i[I_NFINISH] += 1
        if q >= 0 and finish > s.qf[q, QF_DEADLINE]:
            _arm(m, q)
        s.r[r, R_ACCEPTED] += 1
        return True
    _settle(m, r, now)
    s.r[r, R_ACCEPTED] += 1
    j = _new_job(m, q, r, example, tries, now, source)
    s.indices[j] = index
    if q >= 0:
        s.q[q, Q_JOB] = j
    if free:
        _start(m, j, index, now)
        return True
    s.j[j, J_STATE] = QUEUED
    tail = s.r[r, R_TAIL]
    if tail < 0:
        s.r[r, R_HEAD] = j
    else:
        s.j[tail, J_NEXT] = j
    s.r[r, R_TAIL] = j
    s.r[r, R_WAITING] += 1
    if q >= 0:
        _arm(m, q)
    return True


@nb.njit(cache=True, forceinline=True)
def _take_next(m, r, now):
    """A slot became free: serve the next that waits."""
    s = _open(m)
    while s.r[r, R_BUSY] < s.r[r, R_CONCURRENCY]:
        j = s.r[r, R_HEAD]
        if j < 0:
            return
        s.r[r, R_HEAD] = s.j[j, J_NEXT]
        if s.r[r, R_HEAD] < 0:
            s.r[r, R_TAIL] = -1
        if s.j[j, J_STATE] == CANCELLED:
            _free_job(m, j)
            continue
        s.r[r, R_WAITING] -= 1
        _start(m, j, s.indices[j], now)


@nb.njit(cache=True, forceinline=True)
def _pick(m, pool, index, tries):
    """Power of two choices by outstanding work among the pool's ready replicas; -1 if there is none."""
    s = _open(m)
    n = s.nready[pool]
    if n == 0:
        return -1
    first = s.ready[pool, 0]
    if n == 1:
        return first
    bits = _hash(s.keys[S_PICK], index, tries)
    a = np.int64((bits >> np.uint64(32)) % np.uint64(n))
    b = np.int64((bits & np.uint64(0xFFFFFFFF)) % np.uint64(n - 1))
    if b >= a:
        b += 1
    first, second = s.ready[pool, a], s.ready[pool, b]
    load_a = s.r[first, R_BUSY] + s.r[first, R_WAITING]
    load_b = s.r[second, R_BUSY] + s.r[second, R_WAITING]
    return second if load_b < load_a else first


@nb.njit(cache=True, forceinline=True)
def _may_retry(m):
    """Envoy's retry budget: retries in flight below a share of the requests in flight, at least 3 always may."""
    s = _open(m)
    budget = max(3.0, s.g[G_BUDGET] * s.i[I_ACTIVE])
    if s.i[I_ACTIVE_RETRIES] < budget:
        return True
    s.i[I_OVERFLOW] += 1
    return False


@nb.njit(cache=True, forceinline=True)
def _respond(m, q, kind, now):
    """The gateway answers one attempt of a client."""
    s = _open(m)
    latency = now - s.qf[q, QF_SENT]
    place = np.searchsorted(s.bounds, latency)
    s.histogram[kind, place] += 1
    s.latency_sum[kind] += latency
    s.i[I_ACTIVE] -= 1
    if s.q[q, Q_IS_RETRY]:
        s.i[I_ACTIVE_RETRIES] -= 1
        s.q[q, Q_IS_RETRY] = 0
    s.q[q, Q_JOB] = -1


@nb.njit(cache=True, forceinline=True)
def _end(m, q, outcome, now):
    """A logical request is decided: 0 failed, 1 slow, 2 ok."""
    s = _open(m)
    if s.q[q, Q_COUNTED]:
        s.i[I_FAILED + outcome] += 1
    n = s.i[I_RECORDED]
    if n < s.record.shape[0]:
        s.record[n, 0] = s.request_index[q]
        s.record[n, 1], s.record[n, 2] = s.qf[q, QF_ARRIVAL], now
        s.record[n, 3], s.record[n, 4] = outcome, s.q[q, Q_ATTEMPT] + 1
        s.i[I_RECORDED] = n + 1
    s.i[I_DECIDED] += 1
    s.q[q, Q_GENERATION] += 1
    s.q[q, Q_NEXT] = s.i[I_FREE_REQUEST]
    s.i[I_FREE_REQUEST] = q
    s.i[I_REQUESTS] -= 1


@nb.njit(cache=True)
def _attempt_failed(m, q, retryable, now):
    """A client's attempt failed: it tries again after its back-off, or gives up."""
    s = _open(m)
    s.q[q, Q_GENERATION] += 1  # forget timeouts and jobs of this attempt
    k = s.q[q, Q_ATTEMPT]
    if not retryable or k >= s.i[I_CLIENT_RETRIES]:
        _end(m, q, 0, now)
        return
    longest = min(s.c[C_CLIENT_LIMIT], s.c[C_CLIENT_BACKOFF] * 2.0**k)
    delay = longest * _unit(_hash(s.keys[S_BACKOFF], s.request_index[q], k))
    s.q[q, Q_ATTEMPT] = k + 1
    _push(s.retry_times, s.retry, s.i[I_NRETRY], now + delay, _age(m), q, s.q[q, Q_GENERATION])
    s.i[I_NRETRY] += 1


@nb.njit(cache=True)
def _dispatch(m, q, now):
    """Try servers for an attempt until one takes it or the gateway's retries are used up."""
    s = _open(m)
    while True:
        index, tries = s.request_index[q], s.q[q, Q_TRY]
        s.q[q, Q_TRY] += 1
        r = _pick(m, s.q[q, Q_POOL], index, tries)
        if r < 0:
            s.i[I_NO_UPSTREAM] += 1
        elif _offer(m, r, q, s.q[q, Q_EXAMPLE], index, tries, now):
            return
        if not _gateway_retries(m, q):
            _respond(m, q, ERROR, now)
            _attempt_failed(m, q, True, now)
            return


@nb.njit(cache=True, forceinline=True)
def _gateway_retries(m, q):
    """Whether the gateway tries again after a 503 or a broken connection."""
    s = _open(m)
    if s.q[q, Q_TRIES] >= s.i[I_GATEWAY_RETRIES] or (not s.q[q, Q_IS_RETRY] and not _may_retry(m)):
        return False
    s.q[q, Q_TRIES] += 1
    s.i[I_RETRY] += 1
    if not s.q[q, Q_IS_RETRY]:
        s.q[q, Q_IS_RETRY] = 1
        s.i[I_ACTIVE_RETRIES] += 1
    return True


@nb.njit(cache=True)
def _send(m, q, now):
    """A client sends an attempt to the gateway."""
    s = _open(m)
    index, k = s.request_index[q], s.q[q, Q_ATTEMPT]
    s.q[q, Q_TRIES], s.q[q, Q_ARMED], s.q[q, Q_IS_RETRY], s.q[q, Q_JOB] = 0, 0, 0, -1
    s.qf[q, QF_SENT] = now
    s.qf[q, QF_DEADLINE] = now + min(s.g[G_TIMEOUT], s.c[C_CLIENT_TIMEOUT])
    s.i[I_ACTIVE] += 1
    if s.g[G_SHED] > 0.0 and _unit(_hash(s.keys[S_SHED], index, k)) < s.g[G_SHED]:
        s.i[I_SHED] += 1
        _respond(m, q, REFUSED, now)
        _attempt_failed(m, q, False, now)
        return
    if k > 0:
        if not _may_retry(m):
            _respond(m, q, ERROR, now)
            _attempt_failed(m, q, True, now)
            return
        s.q[q, Q_IS_RETRY] = 1
        s.i[I_ACTIVE_RETRIES] += 1
    s.q[q, Q_POOL] = 1 if s.g[G_CANARY] > 0.0 and _unit(_hash(s.keys[S_ROUTE], index, 0)) < s.g[G_CANARY] else 0
    if k == 0 and s.g[G_SHADOW] > 0.0 and _unit(_hash(s.keys[S_SHADOW], index, 0)) < s.g[G_SHADOW]:
        r = _pick(m, SHADOW_POOL, index, 0)
        if r >= 0:
            _offer(m, r, -1, s.q[q, Q_EXAMPLE], index, 0, now)
    _dispatch(m, q, now)


@nb.njit(cache=True, forceinline=True)
def _answered(m, q, j, now):
    """A client gets its answer."""
    s = _open(m)
    r, example, source = s.j[j, J_REPLICA], s.j[j, J_EXAMPLE], s.j[j, J_SOURCE]
    _respond(m, q, OK, now)
    row = s.costs.shape[0] - 1 if source == RULES else s.r[r, R_MODEL]
    if s.q[q, Q_COUNTED]:
        s.f[F_COST] += s.costs[row, example]
    s.answers[row] += 1
    if s.log.shape[1] > 0:
        s.log[row, example] += 1
    _end(m, q, 1 if now - s.qf[q, QF_ARRIVAL] > s.c[C_SLOW] else 2, now)


@nb.njit(cache=True, forceinline=True)
def _finish_job(m, j, now):
    """A server has done a job."""
    s = _open(m)
    r = s.j[j, J_REPLICA]
    n = s.i[I_RECORDED]
    if s.jobs.shape[0] > 0:
        n = int(s.jobs[0, 0])
        if n + 1 < s.jobs.shape[0]:
            s.jobs[n + 1, 0], s.jobs[n + 1, 1] = s.indices[j], r
            s.jobs[n + 1, 2], s.jobs[n + 1, 3], s.jobs[n + 1, 4] = s.jf[j, JF_ARRIVAL], s.jf[j, JF_START], now
            s.jobs[0, 0] = n + 1
    aside = s.j[j, J_STATE] == ASIDE
    if not aside:
        _settle(m, r, now)
        s.r[r, R_BUSY] -= 1
    s.r[r, R_SERVED] += 1
    if s.j[j, J_SOURCE] == RULES:
        s.r[r, R_RULES] += 1
    q = _waits(m, j)
    if q >= 0:
        _answered(m, q, j, now)
    elif s.j[j, J_OWNER] >= 0:
        s.r[r, R_WASTED] += 1
    _free_job(m, j)
    if not aside:
        _take_next(m, r, now)


@nb.njit(cache=True)
def _drop_job(m, j, now):
    """Nobody waits for a job any more, and the server notices: it leaves the queue, or its slot at once."""
    s = _open(m)
    r, state = s.j[j, J_REPLICA], s.j[j, J_STATE]
    if state == QUEUED:
        _settle(m, r, now)
        s.r[r, R_WAITING] -= 1
        s.j[j, J_STATE] = CANCELLED
    elif state == SERVING:
        _settle(m, r, now)
        s.r[r, R_BUSY] -= 1
        _free_job(m, j)
        _take_next(m, r, now)


@nb.njit(cache=True)
def _time_out(m, kind, now):
    """The first deadline is due: if its attempt still waits, the gateway gives up (504), or the client hangs up."""
    s = _open(m)
    i = s.i
    if kind == 3:
        head = i[I_RING_HEAD]
        q, generation = s.ring[head, 0], s.ring[head, 1]
        i[I_RING_HEAD] = (head + 1) % s.ring.shape[0]
        i[I_RING_LEN] -= 1
    else:
        q, generation = s.late[0, 1], s.late[0, 2]
        _pop(s.late_times, s.late, i[I_NLATE])
        i[I_NLATE] -= 1
    if s.q[q, Q_GENERATION] != generation:
        return
    j = s.q[q, Q_JOB]
    gateway = s.g[G_TIMEOUT] <= s.c[C_CLIENT_TIMEOUT]
    _respond(m, q, ERROR if gateway else HUNG_UP, now)
    _attempt_failed(m, q, True, now)
    if i[I_CANCEL] and j >= 0:
        _drop_job(m, j, now)


@nb.njit(cache=True, forceinline=True)
def _arrive(m, index, example, now):
    """A new logical request."""
    s = _open(m)
    q = s.i[I_FREE_REQUEST]
    s.i[I_FREE_REQUEST] = s.q[q, Q_NEXT]
    s.i[I_REQUESTS] += 1
    s.request_index[q] = index
    s.qf[q, QF_ARRIVAL] = now
    s.q[q, Q_EXAMPLE], s.q[q, Q_ATTEMPT], s.q[q, Q_TRY] = example, 0, 0
    s.q[q, Q_COUNTED] = 1 if now >= 0.0 else 0
    return q


@nb.njit(cache=True, forceinline=True)
def _tight(m):
    """Whether some array might not hold what the next event adds."""
    s = _open(m)
    i = s.i
    return (
        i[I_REQUESTS] + 2 >= s.q.shape[0]
        or i[I_JOBS] + 4 >= s.j.shape[0]
        or i[I_NFINISH] + 4 >= s.finish_times.shape[0]
        or i[I_NRETRY] + 4 >= s.retry_times.shape[0]
        or i[I_NLATE] + 4 >= s.late_times.shape[0]
        or i[I_RING_LEN] + 4 >= s.ring_times.shape[0]
    )


@nb.njit(cache=True)
def _advance(m, until, times, first, examples, begin):
    s = _open(m)
    a, n = begin, times.shape[0]
    i = s.i
    while True:
        if _tight(m):
            return GROW, a
        now, kind = until, 0
        if a < n and times[a] <= now:
            now, kind = times[a], 1
        if i[I_NRETRY] and s.retry_times[0] <= now:
            now, kind = s.retry_times[0], 2
        if i[I_RING_LEN] and s.ring_times[i[I_RING_HEAD]] <= now:
            now, kind = s.ring_times[i[I_RING_HEAD]], 3
        if i[I_NLATE] and s.late_times[0] <= now:
            now, kind = s.late_times[0], 4
        if i[I_NFINISH] and s.finish_times[0] <= now:
            now, kind = s.finish_times[0], 5
        if kind == 0:
            break
        q = -1
        if kind == 1:
            q = _arrive(m, first + np.uint64(a), examples[a], now)
            a += 1
        elif kind == 5:
            j, generation = s.finish[0, 1], s.finish[0, 2]
            _pop(s.finish_times, s.finish, i[I_NFINISH])
            i[I_NFINISH] -= 1
            if s.j[j, J_GENERATION] == generation:
                _finish_job(m, j, now)
            continue
        elif kind == 2:
            q = s.retry[0, 1]
            _pop(s.retry_times, s.retry, i[I_NRETRY])
            i[I_NRETRY] -= 1
        else:
            _time_out(m, kind, now)
            continue
        _send(m, q, now)
    s.f[F_NOW] = until
    for r in range(s.r.shape[0]):
        if s.r[r, R_USED]:
            _settle(m, r, until)
    return DONE, a


@nb.njit(cache=True)
def _kill(m, r, now):
    s = _open(m)
    _settle(m, r, now)
    s.r[r, R_HEAD], s.r[r, R_TAIL], s.r[r, R_WAITING], s.r[r, R_BUSY] = -1, -1, 0, 0
    broken = np.empty(s.j.shape[0], np.int64)
    n = 0
    for j in range(s.j.shape[0]):
        if s.j[j, J_STATE] and s.j[j, J_REPLICA] == r:
            q = _waits(m, j)
            if s.j[j, J_STATE] != CANCELLED:
                s.r[r, R_BROKEN] += 1
            _free_job(m, j)
            if q >= 0:
                broken[n] = q
                n += 1
    for q in broken[:n]:
        s.q[q, Q_JOB] = -1
        if not _gateway_retries(m, q):
            _respond(m, q, ERROR, now)
            _attempt_failed(m, q, True, now)
        else:
            _arm(m, q)
            _dispatch(m, q, now)


@nb.njit(cache=True, nogil=True)
def run(table, operation, until, times, first, examples, begin, r):
    """The one compiled entry: `ADVANCE` all events to `until` (arrivals count from `begin`; gives status and next arrival),
    `KILL` replica r (everything there breaks, the gateway tries elsewhere where it may), or `REFILL` it after a change of slots."""
    m = nb.carray(_pointer(table.ctypes.data), (table.shape[0], 3), np.int64)
    if operation == ADVANCE:
        return _advance(m, until, times, first, examples, begin)
    if operation == KILL:
        _kill(m, r, until)
    else:
        _settle(m, r, until)
        _take_next(m, r, until)
    return DONE, begin
