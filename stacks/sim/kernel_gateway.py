"""Clients and gateway: routes, retries, deadlines, and what becomes of each logical request."""

# mypy: disable-error-code="no-any-return"
# Elements of arrays are Any to mypy.

from __future__ import annotations

from typing import Any

from . import kernel_memory as mem
from . import layout as lay
from .kernel_memory import compiled, inlined
from .kernel_servers import RULES, give_up, is_partners, item, offer, pick
from .layout import Ints

ANSWERED, REFUSED, ERROR, HUNG_UP = 0, 1, 2, 3  # response classes 2xx, 4xx, 5xx, 0
FAILED, SLOW, OK = 0, 1, 2
SHADOW_POOL = 2
# In the place of its job, how it ends that the gateway holds a request: it goes on, or its client hangs up first.
PASSED_ON, GIVEN_UP_ON = -2, -3
TRIES = 1 << 16  # luck is keyed by client's attempt and gateway's try: attempt * TRIES + try


@inlined
def arrive(m: Ints, index: Any, example: int, now: float) -> int:
    """A new logical request."""
    i, q_, times = mem.scalars(m), mem.requests(m), mem.request_times(m)
    q = i[lay.I_FREE_REQUEST]
    i[lay.I_FREE_REQUEST] = q_[q, lay.Q_NEXT]
    i[lay.I_REQUESTS] += 1
    mem.request_indices(m)[q] = index
    times[q, lay.QF_ARRIVAL] = now
    q_[q, lay.Q_EXAMPLE], q_[q, lay.Q_ATTEMPT] = example, 0
    q_[q, lay.Q_COUNTED] = 1 if now >= 0.0 else 0
    return q


@inlined
def _decide(m: Ints, q: int, outcome: int, now: float) -> None:
    """A logical request has its outcome."""
    i, q_ = mem.scalars(m), mem.requests(m)
    if q_[q, lay.Q_COUNTED]:
        i[lay.I_FAILED + outcome] += 1
    rows, n = mem.decided(m), i[lay.I_RECORDED]
    if n < rows.shape[0]:
        rows[n, 0] = mem.request_indices(m)[q]
        rows[n, 1], rows[n, 2] = mem.request_times(m)[q, lay.QF_ARRIVAL], now
        rows[n, 3], rows[n, 4] = outcome, q_[q, lay.Q_ATTEMPT] + 1
        i[lay.I_RECORDED] = n + 1
    i[lay.I_DECIDED] += 1
    q_[q, lay.Q_GENERATION] += 1
    q_[q, lay.Q_NEXT] = i[lay.I_FREE_REQUEST]
    i[lay.I_FREE_REQUEST] = q
    i[lay.I_REQUESTS] -= 1


@inlined
def _respond(m: Ints, q: int, kind: int, now: float) -> None:
    """The gateway is done with one attempt of a client."""
    i, q_, edges = mem.scalars(m), mem.requests(m), mem.bounds(m)
    latency = now - mem.request_times(m)[q, lay.QF_SENT]
    bucket = 0
    for k in range(edges.shape[0]):  # without a branch: the compiler makes it a few vector instructions
        bucket += latency > edges[k]
    mem.histogram(m)[kind, bucket] += 1
    mem.latency_sum(m)[kind] += latency
    i[lay.I_ACTIVE] -= 1
    i[lay.I_ACTIVE_RETRIES] -= q_[q, lay.Q_IS_RETRY]
    q_[q, lay.Q_IS_RETRY] = 0
    q_[q, lay.Q_JOB], q_[q, lay.Q_EARLY] = -1, 0


@compiled
def fail(m: Ints, q: int, kind: int, now: float) -> None:
    """A client's attempt failed: it tries again after its back-off, or gives up."""
    i, q_, policy = mem.scalars(m), mem.requests(m), mem.clients(m)
    _respond(m, q, kind, now)
    q_[q, lay.Q_GENERATION] += 1  # its deadline and its job mean nothing any more
    k = q_[q, lay.Q_ATTEMPT]
    if k >= i[lay.I_CLIENT_RETRIES] or (kind == REFUSED and not i[lay.I_RETRY_REFUSED]):
        _decide(m, q, FAILED, now)
        return
    longest = min(policy[lay.C_LIMIT], policy[lay.C_BACKOFF] * 2.0 ** min(k, 60))
    delay = longest * mem.unit(mem.draw(mem.keys(m)[lay.S_BACKOFF], mem.request_indices(m)[q], k))
    q_[q, lay.Q_ATTEMPT] = k + 1
    mem.push(mem.retries(m), i[lay.I_NRETRY], now + delay, item(m, q))
    i[lay.I_NRETRY] += 1


@inlined
def answer(m: Ints, q: int, j: int, now: float) -> None:
    """A client gets its answer."""
    j_, counts = mem.jobs(m), mem.replicas(m)
    r, example, source = j_[j, lay.J_REPLICA], j_[j, lay.J_EXAMPLE], j_[j, lay.J_SOURCE]
    _respond(m, q, ANSWERED, now)
    pool, row = counts[r, lay.R_POOL], m[lay.T_COSTS, 1] - 1 if source == RULES else counts[r, lay.R_MODEL]
    mem.answered(m)[pool, source] += 1
    if mem.requests(m)[q, lay.Q_COUNTED]:
        mem.spent(m)[pool, source] += mem.costs(m)[row, example]
    predictions = mem.log(m)
    if predictions.shape[1] > 0:
        predictions[row, example] += 1
    _decide(m, q, SLOW if now - mem.request_times(m)[q, lay.QF_ARRIVAL] > mem.clients(m)[lay.C_SLOW] else OK, now)


@inlined
def _within_budget(m: Ints) -> bool:
    """Envoy's retry budget: retries in flight below a share of the requests in flight; at least 3 always may."""
    i = mem.scalars(m)
    if i[lay.I_ACTIVE_RETRIES] < max(3.0, mem.gateway(m)[lay.G_BUDGET] * (i[lay.I_ACTIVE] - i[lay.I_HELD])):
        return True
    i[lay.I_OVERFLOW] += 1
    return False


@inlined
def try_again(m: Ints, q: int) -> bool:
    """Whether the gateway tries elsewhere after a 503 or a broken connection."""
    i, q_ = mem.scalars(m), mem.requests(m)
    if q_[q, lay.Q_TRIES] >= i[lay.I_GATEWAY_RETRIES]:
        return False
    if not q_[q, lay.Q_IS_RETRY]:
        if not _within_budget(m):
            return False
        q_[q, lay.Q_IS_RETRY] = 1
        i[lay.I_ACTIVE_RETRIES] += 1
    q_[q, lay.Q_TRIES] += 1
    i[lay.I_RETRY] += 1
    return True


@compiled
def dispatch(m: Ints, q: int, now: float) -> None:
    """Offer an attempt to replicas until one takes it or the gateway's retries are used up."""
    q_ = mem.requests(m)
    index, pool, example = mem.request_indices(m)[q], q_[q, lay.Q_POOL], q_[q, lay.Q_EXAMPLE]
    while True:
        attempt = q_[q, lay.Q_ATTEMPT] * TRIES + q_[q, lay.Q_TRIES]
        r = pick(m, pool, index, attempt)
        if r < 0:
            mem.scalars(m)[lay.I_NO_UPSTREAM] += 1
            break
        if offer(m, r, q, example, index, attempt, now):
            return
        if not try_again(m, q):
            break
    fail(m, q, ERROR, now)


@inlined
def _abort(m: Ints, q: int, now: float) -> bool:
    """Whether the gateway answers an attempt with an error at once."""
    share = mem.gateway(m)[lay.G_ABORTED]
    if share > 0.0:
        bits = mem.draw(mem.keys(m)[lay.S_ABORT], mem.request_indices(m)[q], mem.requests(m)[q, lay.Q_ATTEMPT])
        if mem.unit(bits) < share:
            fail(m, q, ERROR, now)
            return True
    return False


@compiled
def _disturb(m: Ints, q: int, now: float) -> bool:
    """What faults of the gateway do to an attempt that has just come; whether that was all for now.

    It waits where clients wait that come back. Whether its client hangs up before it is passed on is known now, so that it waits
    for one event, and no other can come between.
    """
    i, q_, g, times = mem.scalars(m), mem.requests(m), mem.gateway(m), mem.request_times(m)
    if g[lay.G_DELAYED] > 0.0:
        bits = mem.draw(mem.keys(m)[lay.S_DELAY], mem.request_indices(m)[q], q_[q, lay.Q_ATTEMPT])
        if mem.unit(bits) < g[lay.G_DELAYED]:
            end, patience = now + g[lay.G_DELAY], now + mem.clients(m)[lay.C_TIMEOUT]
            times[q, lay.QF_DEADLINE] = patience
            q_[q, lay.Q_JOB] = PASSED_ON if end < patience else GIVEN_UP_ON
            mem.push(mem.retries(m), i[lay.I_NRETRY], min(end, patience), item(m, q))
            i[lay.I_NRETRY] += 1
            i[lay.I_HELD] += 1
            return True
    return _abort(m, q, now)


@compiled
def _let_go(m: Ints, q: int, now: float) -> bool:
    """The gateway does not hold an attempt any more; whether that was all."""
    i, q_, g, times = mem.scalars(m), mem.requests(m), mem.gateway(m), mem.request_times(m)
    how, q_[q, lay.Q_JOB] = q_[q, lay.Q_JOB], -1
    i[lay.I_HELD] -= 1
    if how == GIVEN_UP_ON:
        fail(m, q, HUNG_UP, now)
        return True
    # The gateway's timeout counts from now, that of the client from when it sent.
    end = now + g[lay.G_TIMEOUT]
    q_[q, lay.Q_PATIENT] = 1 if end <= times[q, lay.QF_DEADLINE] else 0
    times[q, lay.QF_DEADLINE] = min(end, times[q, lay.QF_DEADLINE])
    return _abort(m, q, now)


@inlined
def _pass_on(m: Ints, q: int, now: float) -> None:
    """The gateway decides what becomes of an attempt."""
    i, q_, g, stream = mem.scalars(m), mem.requests(m), mem.gateway(m), mem.keys(m)
    index, k = mem.request_indices(m)[q], q_[q, lay.Q_ATTEMPT]
    if g[lay.G_SHED] > 0.0 and mem.unit(mem.draw(stream[lay.S_SHED], index, k)) < g[lay.G_SHED]:
        i[lay.I_SHED] += 1
        fail(m, q, REFUSED, now)
        return
    if is_partners(m, index):
        i[lay.I_PARTNER] += 1
        if mem.unit(mem.draw(stream[lay.S_PARTNER], index, k + 1)) < g[lay.G_PARTNER]:
            i[lay.I_PARTNER_REFUSED] += 1
            fail(m, q, REFUSED, now)
            return
    if k > 0:
        if not _within_budget(m):
            fail(m, q, ERROR, now)
            return
        q_[q, lay.Q_IS_RETRY] = 1
        i[lay.I_ACTIVE_RETRIES] += 1
    q_[q, lay.Q_POOL] = 1 if g[lay.G_CANARY] > 0.0 and mem.unit(mem.draw(stream[lay.S_ROUTE], index, 0)) < g[lay.G_CANARY] else 0
    if k == 0 and g[lay.G_SHADOW] > 0.0 and mem.unit(mem.draw(stream[lay.S_SHADOW], index, 0)) < g[lay.G_SHADOW]:
        r = pick(m, SHADOW_POOL, index, 0)
        if r >= 0:
            offer(m, r, -1, q_[q, lay.Q_EXAMPLE], index, 0, now)
    dispatch(m, q, now)


@inlined
def send(m: Ints, q: int, now: float) -> None:
    """A client sends an attempt to the gateway, or the gateway goes on with one that it held."""
    q_, g, times = mem.requests(m), mem.gateway(m), mem.request_times(m)
    if q_[q, lay.Q_JOB] <= PASSED_ON:
        over = _let_go(m, q, now)
    else:
        q_[q, lay.Q_TRIES], q_[q, lay.Q_ARMED], q_[q, lay.Q_IS_RETRY], q_[q, lay.Q_JOB] = 0, 0, 0, -1
        q_[q, lay.Q_PATIENT] = 1 if g[lay.G_TIMEOUT] <= mem.clients(m)[lay.C_TIMEOUT] else 0
        times[q, lay.QF_SENT] = now
        times[q, lay.QF_DEADLINE] = now + min(g[lay.G_TIMEOUT], mem.clients(m)[lay.C_TIMEOUT])
        mem.scalars(m)[lay.I_ACTIVE] += 1
        over = g[lay.G_INJECTED] > 0.0 and _disturb(m, q, now)
    if not over:
        _pass_on(m, q, now)


@compiled
def pass_deadline(m: Ints, in_ring: bool, now: float) -> None:
    """The first deadline is due: if its attempt still waits, the gateway answers 504 or the client hangs up."""
    i, q_ = mem.scalars(m), mem.requests(m)
    if in_ring:
        _, items = mem.ring(m)
        head = i[lay.I_RING_HEAD]
        q = items[head, 0]
        passed = q_[q, lay.Q_GENERATION] != items[head, 1]
        i[lay.I_RING_HEAD] = head + 1 if head + 1 < i[lay.I_ROOM] else 0
        i[lay.I_RING_LEN] -= 1
    else:
        _, items = mem.early(m)
        q = items[0] & lay.ENTITY
        passed = q_[q, lay.Q_EARLY] != items[0]
        mem.pop(mem.early(m), i[lay.I_NEARLY])
        i[lay.I_NEARLY] -= 1
    if passed:
        return
    j = q_[q, lay.Q_JOB]
    fail(m, q, ERROR if q_[q, lay.Q_PATIENT] else HUNG_UP, now)
    if j >= 0 and (i[lay.I_CANCEL] or mem.replicas(m)[mem.jobs(m)[j, lay.J_REPLICA], lay.R_STOPPED]):
        give_up(m, j, now)
