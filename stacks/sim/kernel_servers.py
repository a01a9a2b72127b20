"""Replicas: a bounded queue, first come first served, before `concurrency` slots; jobs in them; the choice among replicas."""

# mypy: disable-error-code="no-any-return"
# Elements of arrays are Any to mypy.

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import kernel_memory as mem
from . import layout as lay
from .kernel_memory import compiled, inlined
from .layout import Ints

QUEUED, SERVING, ASIDE, CANCELLED = 1, 2, 3, 4  # states of a job; ASIDE: answered from rules beside a full queue
SERVED, BROKEN, GIVEN_UP, SERVED_ASIDE, BROKEN_ASIDE = 0, 1, 2, 3, 4  # how a job left
MODEL, RULES = 0, 1
OVERFLOW, ALWAYS = 1, 2  # fallback
CONSTANT, EXPONENTIAL, LOGNORMAL = 0.0, 1.0, 2.0  # kinds of service time; the fourth is a table of quantiles


@inlined
def item(m: Ints, entity: int) -> int:
    """A heap's item for a request or job. It begins with a number that grows: of two at the same time the older comes first."""
    i = mem.scalars(m)
    i[lay.I_AGE] += 1
    return (i[lay.I_AGE] << lay.ENTITY_BITS) | entity


@inlined
def settle(m: Ints, r: int, now: float) -> None:
    """Bring a replica's time integrals up to now, before its numbers change."""
    counts, times = mem.replicas(m), mem.replica_times(m)
    span = now - times[r, lay.RF_LAST]
    times[r, lay.RF_BUSY_THEN] += counts[r, lay.R_BUSY] * span
    times[r, lay.RF_QUEUE_THEN] += counts[r, lay.R_WAITING] * span
    times[r, lay.RF_LAST] = now


@inlined
def show(m: Ints, r: int, now: float) -> None:
    """Integrals up to now for readers; what they are summed from stays, so that steps leave no trace in the last digits."""
    counts, times = mem.replicas(m), mem.replica_times(m)
    span = now - times[r, lay.RF_LAST]
    times[r, lay.RF_BUSY] = times[r, lay.RF_BUSY_THEN] + counts[r, lay.R_BUSY] * span
    times[r, lay.RF_QUEUE] = times[r, lay.RF_QUEUE_THEN] + counts[r, lay.R_WAITING] * span


@inlined
def arm(m: Ints, q: int) -> None:
    """See to it that the request's deadline is noticed."""
    i, q_ = mem.scalars(m), mem.requests(m)
    deadline, n = mem.request_times(m)[q, lay.QF_DEADLINE], i[lay.I_RING_LEN]
    if q_[q, lay.Q_ARMED] or deadline == np.inf:
        return
    q_[q, lay.Q_ARMED] = 1
    times, items = mem.ring(m)
    tail = i[lay.I_RING_HEAD] + n
    if tail >= i[lay.I_ROOM]:
        tail -= i[lay.I_ROOM]
    last = tail - 1 if tail > 0 else i[lay.I_ROOM] - 1
    if n > 0 and times[last] > deadline:
        q_[q, lay.Q_EARLY] = item(m, q)
        mem.push(mem.early(m), i[lay.I_NEARLY], deadline, q_[q, lay.Q_EARLY])
        i[lay.I_NEARLY] += 1
        return
    times[tail] = deadline
    items[tail, 0], items[tail, 1] = q, q_[q, lay.Q_GENERATION]
    i[lay.I_RING_LEN] = n + 1


@inlined
def pick(m: Ints, pool: int, index: Any, attempt: int) -> int:
    """Power of two choices by outstanding work among the pool's ready replicas; -1 if there is none."""
    n = mem.ready_counts(m)[pool]
    if n == 0:
        return -1
    slots = mem.ready(m)
    if n == 1:
        return slots[pool, 0]
    bits = mem.draw(mem.keys(m)[lay.S_PICK], index, attempt)
    a = np.int64(((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))
    b = np.int64(((bits & np.uint64(0xFFFFFFFF)) * np.uint64(n - 1)) >> np.uint64(32))
    if b >= a:
        b += 1
    first, second = slots[pool, a], slots[pool, b]
    counts = mem.replicas(m)
    load_first = counts[first, lay.R_BUSY] + counts[first, lay.R_WAITING]
    load_second = counts[second, lay.R_BUSY] + counts[second, lay.R_WAITING]
    return second if load_second < load_first else first


@inlined
def service_time(m: Ints, model: int, index: Any, attempt: int) -> float:
    """Seconds that one attempt takes at normal speed, keyed by request and attempt, never by replica."""
    kinds = mem.models(m)
    kind, a, b = kinds[model, lay.M_KIND], kinds[model, lay.M_A], kinds[model, lay.M_B]
    if kind == CONSTANT:
        return a
    bits = mem.draw(mem.keys(m)[lay.S_SERVICE], index, attempt)
    u = mem.unit(bits)
    if kind == EXPONENTIAL:
        return -a * math.log1p(-u)
    if kind == LOGNORMAL:  # Box and Muller
        normal = math.sqrt(-2.0 * math.log1p(-u)) * math.cos(2.0 * math.pi * mem.unit(mem.draw_again(bits)))
        return math.exp(a + b * normal)
    values = mem.quantiles(m)
    place = u * (b - 1.0)
    low = int(place)
    return values[model, low] + (place - low) * (values[model, low + 1] - values[model, low])


@inlined
def is_partners(m: Ints, index: Any) -> bool:
    """Whether a request is the partner's, keyed by the request."""
    share = mem.clients(m)[lay.C_PARTNER]
    return share > 0.0 and mem.unit(mem.draw(mem.keys(m)[lay.S_PARTNER], index, 0)) < share


@inlined
def waits_for(m: Ints, j: int) -> int:
    """The request that still waits for a job, or -1."""
    j_, q_ = mem.jobs(m), mem.requests(m)
    q = j_[j, lay.J_OWNER]
    if q >= 0 and q_[q, lay.Q_GENERATION] == j_[j, lay.J_OWNER_GENERATION] and q_[q, lay.Q_JOB] == j:
        return q
    return -1


@inlined
def _new_job(m: Ints, r: int, q: int, example: int, index: Any, attempt: int, now: float) -> int:
    """A job that waits for the model."""
    i, j_, q_ = mem.scalars(m), mem.jobs(m), mem.requests(m)
    j = i[lay.I_FREE_JOB]
    i[lay.I_FREE_JOB] = j_[j, lay.J_NEXT]
    i[lay.I_JOBS] += 1
    j_[j, lay.J_OWNER] = q
    if q >= 0:
        j_[j, lay.J_OWNER_GENERATION] = q_[q, lay.Q_GENERATION]
        q_[q, lay.Q_JOB] = j
    j_[j, lay.J_REPLICA], j_[j, lay.J_EXAMPLE], j_[j, lay.J_TRY] = r, example, attempt
    j_[j, lay.J_SOURCE], j_[j, lay.J_STATE], j_[j, lay.J_NEXT] = MODEL, QUEUED, -1
    mem.job_indices(m)[j] = index
    mem.job_times(m)[j, lay.JF_ARRIVAL], mem.job_times(m)[j, lay.JF_START] = now, np.inf
    return j


@inlined
def free_job(m: Ints, j: int) -> None:
    """Forget a job."""
    i, j_ = mem.scalars(m), mem.jobs(m)
    j_[j, lay.J_STATE] = 0
    j_[j, lay.J_ITEM] = 0
    j_[j, lay.J_NEXT] = i[lay.I_FREE_JOB]
    i[lay.I_FREE_JOB] = j
    i[lay.I_JOBS] -= 1


@inlined
def record_job(m: Ints, j: int, now: float, how: int) -> None:
    """Note when a job came, began and left, if a test wants to know."""
    i, rows = mem.scalars(m), mem.departed(m)
    n = i[lay.I_JOBS_RECORDED]
    if n < rows.shape[0]:
        rows[n, 0], rows[n, 1], rows[n, 2] = mem.job_indices(m)[j], mem.jobs(m)[j, lay.J_TRY], mem.jobs(m)[j, lay.J_REPLICA]
        rows[n, 3], rows[n, 4] = mem.job_times(m)[j, lay.JF_ARRIVAL], mem.job_times(m)[j, lay.JF_START]
        rows[n, 5], rows[n, 6] = now, how
        i[lay.I_JOBS_RECORDED] = n + 1


@inlined
def _will_finish(m: Ints, j: int, start: float, span: float) -> None:
    i = mem.scalars(m)
    finish = start + span
    mem.job_times(m)[j, lay.JF_START] = start
    mem.jobs(m)[j, lay.J_ITEM] = item(m, j)
    mem.push(mem.finishes(m), i[lay.I_NFINISH], finish, mem.jobs(m)[j, lay.J_ITEM])
    i[lay.I_NFINISH] += 1
    q = waits_for(m, j)
    if q >= 0 and finish > mem.request_times(m)[q, lay.QF_DEADLINE]:
        arm(m, q)


@compiled
def _start(m: Ints, j: int, now: float) -> None:
    """A slot takes a job up."""
    j_, counts = mem.jobs(m), mem.replicas(m)
    r = j_[j, lay.J_REPLICA]
    j_[j, lay.J_STATE] = SERVING
    counts[r, lay.R_BUSY] += 1
    if j_[j, lay.J_SOURCE] == RULES:
        span = mem.clients(m)[lay.C_RULES_TIME]
    else:
        span = service_time(m, counts[r, lay.R_MODEL], mem.job_indices(m)[j], j_[j, lay.J_TRY])
        if is_partners(m, mem.job_indices(m)[j]):
            span *= mem.clients(m)[lay.C_PARTNER_FACTOR]
            mem.clock(m)[lay.F_PARTNER_WORK] += span
        span += mem.clients(m)[lay.C_LOOKUP]
    _will_finish(m, j, now, span * mem.replica_times(m)[r, lay.RF_SLOWNESS])


@compiled
def offer(m: Ints, r: int, q: int, example: int, index: Any, attempt: int, now: float) -> bool:
    """Offer an attempt of request q (-1: a mirrored copy) to a replica. Whether it took it: slot, queue or rules beside it.

    One that is stopped refuses nothing: what is sent there waits, without bounds, as connections that the kernel holds.
    """
    counts, fallback = mem.replicas(m), mem.scalars(m)[lay.I_FALLBACK]
    stopped = counts[r, lay.R_STOPPED] != 0
    if stopped and q < 0:
        return False  # nobody waits for it, and nobody reads it
    free = not stopped and counts[r, lay.R_BUSY] < counts[r, lay.R_CONCURRENCY]
    if not free and not stopped and counts[r, lay.R_WAITING] >= counts[r, lay.R_QUEUE]:
        if fallback != OVERFLOW:
            counts[r, lay.R_REJECTED] += 1
            return False
        counts[r, lay.R_ACCEPTED] += 1
        j = _new_job(m, r, q, example, index, attempt, now)
        mem.jobs(m)[j, lay.J_SOURCE], mem.jobs(m)[j, lay.J_STATE] = RULES, ASIDE
        _will_finish(m, j, now, mem.clients(m)[lay.C_RULES_TIME] * mem.replica_times(m)[r, lay.RF_SLOWNESS])
        return True
    settle(m, r, now)
    counts[r, lay.R_ACCEPTED] += 1
    j = _new_job(m, r, q, example, index, attempt, now)
    if fallback == ALWAYS:
        mem.jobs(m)[j, lay.J_SOURCE] = RULES
    if free:
        _start(m, j, now)
        return True
    tail = counts[r, lay.R_TAIL]
    if tail < 0:
        counts[r, lay.R_HEAD] = j
    else:
        mem.jobs(m)[tail, lay.J_NEXT] = j
    counts[r, lay.R_TAIL] = j
    counts[r, lay.R_WAITING] += 1
    if q >= 0:
        arm(m, q)
    return True


@inlined
def take_next(m: Ints, r: int, now: float) -> None:
    """Free slots take up who waits longest; the replica's integrals are settled. One that is stopped takes up nothing."""
    j_, counts = mem.jobs(m), mem.replicas(m)
    while not counts[r, lay.R_STOPPED] and counts[r, lay.R_BUSY] < counts[r, lay.R_CONCURRENCY]:
        j = counts[r, lay.R_HEAD]
        if j < 0:
            return
        counts[r, lay.R_HEAD] = j_[j, lay.J_NEXT]
        if j_[j, lay.J_NEXT] < 0:
            counts[r, lay.R_TAIL] = -1
        if j_[j, lay.J_STATE] == CANCELLED:
            free_job(m, j)
        else:
            counts[r, lay.R_WAITING] -= 1
            _start(m, j, now)


@compiled
def give_up(m: Ints, j: int, now: float) -> None:
    """Nobody waits for a job any more, and the server notices: it leaves the queue, or its slot at once.

    At a server that is stopped nobody notices, but what it had is not there any more when it goes on.
    """
    j_, counts = mem.jobs(m), mem.replicas(m)
    r, state = j_[j, lay.J_REPLICA], j_[j, lay.J_STATE]
    if state == ASIDE:
        return
    record_job(m, j, now, GIVEN_UP)
    counts[r, lay.R_CANCELLED] += counts[r, lay.R_STOPPED] == 0
    settle(m, r, now)
    if state == QUEUED:  # its place in the chain is freed when its turn comes
        counts[r, lay.R_WAITING] -= 1
        j_[j, lay.J_STATE] = CANCELLED
        return
    counts[r, lay.R_BUSY] -= 1
    free_job(m, j)
    take_next(m, r, now)
