"""The data plane of the simulation, typed: clients, gateway and replicas around the compiled kernel.

    plane = Plane(seed=1, start=0.0, latency_bounds=(0.1, 0.5), slow_bound=0.5, clients=ClientPolicy(timeout=2.0),
                  models=[Model(ServiceTime.lognormal(0.05, 0.4), costs)], rules_costs=costs, rules_time=0.004)
    slot = plane.add_replica(pool=0, model=0, concurrency=4, queue=40)
    plane.set_ready(slot, True)
    plane.advance(1.0, times, first, examples)

The clock only goes forward. Operations take effect at the present time, `plane.now`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...sandbox.model.service import Fallback, Gateway
from . import layout as lay
from .layout import Floats, State

_NO_EXAMPLES = np.zeros(1)
_NO_TIMES = np.empty(0)
_NO_REQUESTS = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """How clients behave: seconds and counts; the back-off doubles from `backoff` to `limit`, with full jitter."""

    timeout: float = math.inf
    retries: int = 0
    backoff: float = 0.2
    limit: float = 5.0


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """How long a server takes for one request, in seconds, as a distribution."""

    kind: int
    a: float
    b: float = 0.0
    table: tuple[float, ...] = ()

    @classmethod
    def constant(cls, seconds: float) -> ServiceTime:
        """Always the same."""
        return cls(0, seconds)

    @classmethod
    def exponential(cls, mean: float) -> ServiceTime:
        """Exponential."""
        return cls(1, mean)

    @classmethod
    def lognormal(cls, mean: float, cv: float) -> ServiceTime:
        """Log-normal, by its mean and coefficient of variation."""
        variance = math.log1p(cv * cv)
        return cls(2, math.log(mean) - variance / 2.0, math.sqrt(variance))

    @classmethod
    def quantiles(cls, table: Sequence[float]) -> ServiceTime:
        """Measured: evenly spaced quantiles from the smallest to the largest value, linear in between."""
        return cls(3, 0.0, 0.0, tuple(table))


@dataclass(frozen=True, slots=True)
class Model:
    """What a replica can serve: its speed, and the cost in dollars of its answer to each example."""

    service: ServiceTime
    costs: Floats = field(default_factory=lambda: _NO_EXAMPLES)


@dataclass(frozen=True, slots=True)
class Counts:
    """Decided logical requests that were scheduled at t >= 0, and the cost of their predictions."""

    failed: int
    slow: int
    ok: int
    prediction_cost: float


class Plane:
    """Clients, gateway and replicas. Importing this module is cheap; the kernel is loaded when a plane is made."""

    def __init__(
        self,
        *,
        seed: int,
        start: float,
        latency_bounds: Sequence[float],
        slow_bound: float,
        clients: ClientPolicy,
        models: Sequence[Model],
        rules_costs: Floats = _NO_EXAMPLES,
        rules_time: float = 0.004,
        cancel_on_timeout: bool = False,
        count_answers: bool = False,
        record: int = 0,
        room: int = 1024,
    ) -> None:
        """Make an empty plane.

        Args:
            seed: of the random streams.
            start: drill time in seconds at which it begins.
            latency_bounds: upper bounds of the histogram's buckets in seconds, rising; +Inf is added.
            slow_bound: an answer later than this after the request's first attempt is slow.
            clients: their policy at first.
            models: what replicas can serve, by index.
            rules_costs: cost of the rules' answer to each example.
            rules_time: seconds in which rules answer.
            cancel_on_timeout: whether a server stops work that nobody waits for.
            count_answers: whether to count answers per model and example (`answers_by_example`).
            record: how many requests and jobs to record one by one, for tests.
            room: first size of the arrays for what is in flight; they grow.
        """
        from . import kernel  # compiles or loads the kernel: only drills pay for it

        self._kernel = kernel
        self._s = _new_state(seed, start, latency_bounds, models, rules_costs, count_answers, record, room)
        self._addresses = lay.addresses(self._s)
        self._s.c[lay.C_RULES_TIME], self._s.c[lay.C_SLOW] = rules_time, slow_bound
        self._s.i[lay.I_CANCEL] = cancel_on_timeout
        self.set_clients(clients)
        self.set_gateway(Gateway(timeout=math.inf, retries=0), Fallback.OFF)

    @property
    def now(self) -> float:
        """Drill time in seconds."""
        return float(self._s.f[lay.F_NOW])

    def set_clients(self, policy: ClientPolicy) -> None:
        """Clients behave like this from now on; attempts under way keep their deadlines."""
        self._s.c[lay.C_CLIENT_TIMEOUT] = policy.timeout
        self._s.c[lay.C_CLIENT_BACKOFF], self._s.c[lay.C_CLIENT_LIMIT] = policy.backoff, policy.limit
        self._s.i[lay.I_CLIENT_RETRIES] = policy.retries

    def set_gateway(self, gateway: Gateway, fallback: Fallback) -> None:
        """The gateway's traffic policy and the servers' fallback from now on."""
        s = self._s
        s.g[lay.G_TIMEOUT], s.g[lay.G_BUDGET], s.g[lay.G_SHED] = gateway.timeout, gateway.retry_budget, gateway.shed
        s.g[lay.G_CANARY], s.g[lay.G_SHADOW] = gateway.canary_weight, gateway.shadow_share
        s.i[lay.I_GATEWAY_RETRIES] = gateway.retries
        s.i[lay.I_FALLBACK] = list(Fallback).index(fallback)

    def add_replica(self, pool: int, model: int, concurrency: int, queue: int) -> int:
        """A new replica, not ready; its slot. Counters begin at zero.

        Raises:
            ValueError: all slots are taken.
        """
        free = np.flatnonzero(self._s.r[:, lay.R_USED] == 0)
        if not len(free):
            raise ValueError(f"more than {lay.MAX_REPLICAS} replicas")
        slot = int(free[0])
        row = self._s.r[slot]
        row[:] = 0
        row[lay.R_USED], row[lay.R_POOL], row[lay.R_MODEL] = 1, pool, model
        row[lay.R_CONCURRENCY], row[lay.R_QUEUE], row[lay.R_HEAD], row[lay.R_TAIL] = concurrency, queue, -1, -1
        self._s.rf[slot] = 0.0
        self._s.rf[slot, lay.RF_LAST], self._s.rf[slot, lay.RF_SLOWNESS] = self.now, 1.0
        return slot

    def set_ready(self, slot: int, ready: bool) -> None:
        """Whether the gateway sends requests to a replica."""
        self._s.r[slot, lay.R_READY] = ready
        self._route()

    def set_capacity(self, slot: int, concurrency: int, queue: int) -> None:
        """Change the number of slots and the queue's bound; what waits beyond it stays."""
        row = self._s.r[slot]
        if (row[lay.R_CONCURRENCY], row[lay.R_QUEUE]) != (concurrency, queue):
            row[lay.R_CONCURRENCY], row[lay.R_QUEUE] = concurrency, queue
            self._reserve()
            self._operate(self._kernel.REFILL, slot)

    def set_slowness(self, slot: int, factor: float) -> None:
        """Work that starts from now on takes so many times as long."""
        self._s.rf[slot, lay.RF_SLOWNESS] = factor

    def kill_replica(self, slot: int) -> None:
        """Everything in service and waiting there breaks; it is not ready any more."""
        self.set_ready(slot, False)
        self._reserve()
        self._operate(self._kernel.KILL, slot)

    def remove_replica(self, slot: int) -> None:
        """Give the slot back; what was still there breaks."""
        self.kill_replica(slot)
        self._s.r[slot, lay.R_USED] = 0

    def is_empty(self, slot: int) -> bool:
        """Whether nothing is in service or waiting."""
        return not self._s.r[slot, lay.R_BUSY] and not self._s.r[slot, lay.R_WAITING]

    def advance(
        self, until: float, times: Floats | None = None, first: int = 0, examples: NDArray[np.int32] | None = None
    ) -> None:
        """Let drill time go on to `until`.

        Args:
            until: seconds; not before now.
            times: when logical requests arrive, rising, from now to `until`.
            first: index of the first of them, the key of its luck.
            examples: what each asks for; 0 if not given.

        Raises:
            ValueError: time would go backwards.
        """
        if until < self.now:
            raise ValueError(f"time goes forward: {until} is before {self.now}")
        times = _NO_TIMES if times is None else times
        examples = np.zeros(len(times), np.int32) if examples is None else examples
        begin = 0
        while True:
            status, begin = self._kernel.run(
                self._addresses, self._kernel.ADVANCE, until, times, np.uint64(first), examples, begin, 0
            )
            if status == self._kernel.DONE:
                return
            self._grow()

    def finish(self, step: float = 1.0, limit: float = 3600.0) -> None:
        """No new requests: go on until every logical request is decided, or to the limit in seconds."""
        end = self.now + limit
        while self.in_flight and self.now < end:
            self.advance(min(end, self.now + step))

    def busy_seconds(self, slot: int) -> float:
        """Busy slot-seconds of a replica up to now."""
        return float(self._s.rf[slot, lay.RF_BUSY])

    @property
    def in_flight(self) -> int:
        """Logical requests that are not decided yet."""
        return int(self._s.i[lay.I_REQUESTS])

    @property
    def decided(self) -> int:
        """Logical requests decided so far, the warm-up's included."""
        return int(self._s.i[lay.I_DECIDED])

    def counts(self) -> Counts:
        """The outcome so far of the requests scheduled at t >= 0."""
        i = self._s.i
        return Counts(int(i[lay.I_FAILED]), int(i[lay.I_SLOW]), int(i[lay.I_OK]), float(self._s.f[lay.F_COST]))

    @property
    def state(self) -> State:
        """The arrays, for reading: `layout` names the columns."""
        return self._s

    @property
    def records(self) -> Floats:
        """Decided requests one by one: index, arrival, end, outcome (0 failed, 1 slow, 2 ok), attempts; [n, 5]."""
        return self._s.record[: self._s.i[lay.I_RECORDED]]

    @property
    def jobs(self) -> Floats:
        """Finished jobs one by one: index of the request, replica, arrival, start, finish; [n, 5]."""
        return self._s.jobs[1 : 1 + int(self._s.jobs[0, 0])] if len(self._s.jobs) else self._s.jobs

    def _operate(self, operation: int, slot: int) -> None:
        self._kernel.run(self._addresses, operation, self.now, _NO_TIMES, np.uint64(0), _NO_REQUESTS, 0, slot)

    def _reserve(self) -> None:
        """Room for all jobs of one replica to fail at once."""
        i = self._s.i
        while i[lay.I_NRETRY] + 2 * i[lay.I_JOBS] + 8 >= len(self._s.retry_times) or i[lay.I_RING_LEN] + 2 * i[
            lay.I_JOBS
        ] + 8 >= len(self._s.ring_times):
            self._grow()

    def _grow(self) -> None:
        self._s = lay.grow(self._s)
        self._addresses = lay.addresses(self._s)

    def _route(self) -> None:
        for pool in range(lay.POOLS):
            rows = self._s.r
            slots = np.flatnonzero((rows[:, lay.R_USED] == 1) & (rows[:, lay.R_READY] == 1) & (rows[:, lay.R_POOL] == pool))
            self._s.nready[pool] = len(slots)
            self._s.ready[pool, : len(slots)] = slots


def _new_state(
    seed: int,
    start: float,
    bounds: Sequence[float],
    models: Sequence[Model],
    rules_costs: Floats,
    count_answers: bool,
    record: int,
    room: int,
) -> State:
    points = max(2, *(len(model.service.table) for model in models))
    costs = np.vstack([*(np.broadcast_to(model.costs, rules_costs.shape) for model in models), rules_costs])
    state = State(
        c=np.zeros(lay.N_C),
        g=np.zeros(lay.N_G),
        f=np.zeros(lay.N_F),
        i=np.zeros(lay.N_I, np.int64),
        keys=np.random.SeedSequence([seed, 0x706C616E]).generate_state(lay.N_S, np.uint64),
        q=np.zeros((room, lay.N_Q), np.int64),
        qf=np.zeros((room, lay.N_QF)),
        request_index=np.zeros(room, np.uint64),
        j=np.zeros((room, lay.N_J), np.int64),
        jf=np.zeros((room, lay.N_JF)),
        indices=np.zeros(room, np.uint64),
        r=np.zeros((lay.MAX_REPLICAS, lay.N_R), np.int64),
        rf=np.zeros((lay.MAX_REPLICAS, lay.N_RF)),
        models=np.array([[m.service.kind, m.service.a, m.service.b] for m in models]),
        tables=np.array([m.service.table or np.zeros(points) for m in models], np.float64),
        costs=np.ascontiguousarray(costs),
        answers=np.zeros(len(models) + 1, np.int64),
        log=np.zeros((len(models) + 1, costs.shape[1] if count_answers else 0), np.int32),
        ready=np.zeros((lay.POOLS, lay.MAX_REPLICAS), np.int64),
        nready=np.zeros(lay.POOLS, np.int64),
        bounds=np.array(bounds, np.float64),
        histogram=np.zeros((len(lay.CLASSES), len(bounds) + 1), np.int64),
        latency_sum=np.zeros(len(lay.CLASSES)),
        finish_times=np.zeros(room),
        finish=np.zeros((room, 3), np.int64),
        retry_times=np.zeros(room),
        retry=np.zeros((room, 3), np.int64),
        late_times=np.zeros(room),
        late=np.zeros((room, 3), np.int64),
        ring_times=np.zeros(room),
        ring=np.zeros((room, 2), np.int64),
        record=np.zeros((record, 5)),
        jobs=np.zeros((record + 1 if record else 0, 5)),
    )
    state.f[lay.F_NOW] = start
    lay.chain(state.q, lay.Q_NEXT, 0)
    lay.chain(state.j, lay.J_NEXT, 0)
    return state


__all__ = ["ClientPolicy", "Counts", "Model", "Plane", "ServiceTime"]
