"""The data plane of the simulation, typed: clients, gateway and replicas around the compiled kernel.

    plane = Plane(seed=1, start=0.0, latency_bounds=(0.1, 0.5), slow_bound=0.5, clients=ClientPolicy(timeout=2.0),
                  models=[Model(ServiceTime.lognormal(0.05, 0.4), costs)], rules_costs=costs, rules_time=0.004)
    slot = plane.add_replica(pool=0, model=0, concurrency=4, queue=40)
    plane.set_ready(slot, True)
    plane.advance(1.0, times, first, examples)
    plane.finish()

- The clock only goes forward (`advance`). Operations take effect at the present time, `plane.now`.
- Policy: `set_clients(ClientPolicy)`, `set_gateway(Gateway, Fallback)`, `set_partner(share, factor)`, `refuse_partner(share)`;
  `inject(Injected)`: what faults do to requests at the gateway; all at any time.
- Replicas: `add_replica(pool, model, concurrency, queue) -> slot`, `set_ready`, `drain_replica`, `kill_replica`,
  `remove_replica`, `set_capacity`, `set_slowness`, `stop_replica`, `carry_on_replica`, `is_empty`.
  Pools: 0 champion, 1 candidate, 2 shadow (`POOLS`).
- Results: `counts()` is the exact ledger of requests scheduled at t >= 0; `state` holds the counters (columns named in `layout`);
  `busy_seconds`, `answers_by_example`, `in_flight`, `decided`.

How it behaves. A client's attempt fails by an answer other than 200 or by its timeout; it then comes back after a back-off with
full jitter until its retries are used up. The gateway's timeout covers all tries of one attempt (504). It tries again, at once
and at another pick, after a 503 of a replica or a broken connection, within its retry budget, which clients' retries use as
well: one beyond it gets 503 at once. Without a ready replica the answer is 503 at once. With fallback `overflow` a replica with
a full queue answers from rules in `rules_time`, beside its slots; with `always` rules take the model's place in the slots. A
mirrored copy loads the shadow pool and answers nobody. Faults of the gateway come before all that, as Envoy's fault filter does:
an attempt that is held belongs to no pool, and the gateway's timeout counts from when it is passed on; one that is aborted gets
its error then, and the gateway does not try it again. Random draws are keyed by (stream, request, attempt): the luck of one
request never depends on what happens to others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...sandbox.model.service import Fallback, Gateway
from ..control_plane.gateway_faults import Injected
from . import layout as lay
from .layout import Floats, Ints, State
from .plane_types import NO_COSTS, ClientPolicy, Counts, Model, ServiceTime

_NO_TIMES = np.empty(0)
_NO_REQUESTS = np.empty(0, np.int32)
_FALLBACKS = {Fallback.OFF: 0, Fallback.OVERFLOW: 1, Fallback.ALWAYS: 2}


class Plane:
    """Clients, gateway and replicas. Importing this module is cheap; the kernel is loaded when a plane is made."""

    def __init__(  # noqa: PLR0913  # all by name
        self,
        *,
        seed: int,
        start: float,
        latency_bounds: Sequence[float],
        slow_bound: float,
        clients: ClientPolicy,
        models: Sequence[Model],
        rules_costs: Floats = NO_COSTS,
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

        Raises:
            ValueError: the bounds do not rise, there is no model, or costs have another number of examples than the rules'.
        """
        from . import kernel  # compiles or loads the kernel: only drills pay for it

        if not all(low < high for low, high in pairwise(latency_bounds)):
            raise ValueError("bounds of latency rise")
        if not models:
            raise ValueError("a plane has at least one model")
        self._kernel = kernel
        self._s = _new_state(seed, latency_bounds, models, rules_costs, record, max(room, 16))
        if count_answers:
            self._s = self._s._replace(log=np.zeros(self._s.costs.shape, np.int32))
        self._table = lay.addresses(self._s)
        self._s.f[lay.F_NOW] = start
        self._s.c[lay.C_RULES_TIME], self._s.c[lay.C_SLOW] = rules_time, slow_bound
        self._s.i[lay.I_CANCEL] = cancel_on_timeout
        self.set_clients(clients)
        self.set_gateway(Gateway(timeout=math.inf, retries=0), Fallback.OFF)

    @property
    def now(self) -> float:
        """Drill time in seconds."""
        return float(self._s.f[lay.F_NOW])

    # ------------------------------------------------------------------------------------------------------------- policies

    def set_clients(self, policy: ClientPolicy) -> None:
        """Clients behave like this from now on; attempts under way keep their deadlines."""
        c, i = self._s.c, self._s.i
        c[lay.C_TIMEOUT], c[lay.C_BACKOFF], c[lay.C_LIMIT] = policy.timeout, policy.backoff, policy.limit
        i[lay.I_CLIENT_RETRIES], i[lay.I_RETRY_REFUSED] = policy.retries, policy.retry_refused

    def set_gateway(self, gateway: Gateway, fallback: Fallback) -> None:
        """The gateway's traffic policy and the servers' fallback from now on; attempts under way keep their deadlines.

        Raises:
            ValueError: the timeout is not positive, or the budget not a number.
        """
        if not (gateway.timeout > 0.0 and gateway.retry_budget >= 0.0):
            raise ValueError(f"not a policy of a gateway: {gateway}")
        g, i = self._s.g, self._s.i
        g[lay.G_TIMEOUT], g[lay.G_BUDGET], g[lay.G_SHED] = gateway.timeout, gateway.retry_budget, gateway.shed
        g[lay.G_CANARY], g[lay.G_SHADOW] = gateway.canary_weight, gateway.shadow_share
        i[lay.I_GATEWAY_RETRIES], i[lay.I_FALLBACK] = gateway.retries, _FALLBACKS[fallback]

    def add_model(self, model: Model) -> int:
        """One more model that replicas can serve; its index."""
        s = self._s
        kinds, tables, costs = _of_models([model], s.costs.shape[1], s.tables.shape[1])
        new = len(s.models)
        grown = np.zeros((new + 1, tables.shape[1]))
        grown[:new, : s.tables.shape[1]], grown[new] = s.tables, tables[0]
        self._s = s._replace(
            models=np.vstack([s.models, kinds]),
            tables=grown,
            costs=np.vstack([s.costs[:-1], costs, s.costs[-1:]]),
            log=np.insert(s.log, new, 0, axis=0),
        )
        self._table = lay.addresses(self._s)
        return new

    def set_lookup(self, delay: float) -> None:
        """Every answer of a model takes so many seconds more from now on: the look-up of its features."""
        self._s.c[lay.C_LOOKUP] = delay

    def set_partner(self, share: float, factor: float) -> None:
        """From now on a share of the requests is the partner's, and takes a model so many times as long.

        Raises:
            ValueError: the share is not one, or the factor not positive and finite.
        """
        if not (0.0 <= share <= 1.0 and 0.0 < factor < math.inf):
            raise ValueError(f"not a partner: {share} of the requests, {factor} times as long")
        self._s.c[lay.C_PARTNER], self._s.c[lay.C_PARTNER_FACTOR] = share, factor

    def refuse_partner(self, share: float) -> None:
        """The gateway refuses so much of what the partner's clients send (429)."""
        self._s.g[lay.G_PARTNER] = share

    def inject(self, injected: Injected) -> None:
        """What faults do to requests at the gateway from now on; those that it holds wait as long as they were to.

        Raises:
            ValueError: a share is not one, or the delay negative or not finite.
        """
        if not (0.0 <= injected.delay < math.inf and 0.0 <= injected.delayed <= 1.0 and 0.0 <= injected.aborted <= 1.0):
            raise ValueError(f"not a disturbance of a gateway: {injected}")
        g = self._s.g
        g[lay.G_DELAY], g[lay.G_DELAYED], g[lay.G_ABORTED] = injected.delay, injected.delayed, injected.aborted
        g[lay.G_INJECTED] = injected.delayed > 0.0 or injected.aborted > 0.0

    def set_costs(self, model: int, examples: slice[int, int, None], costs: Floats) -> None:
        """What a model's answers to some examples cost from now on."""
        self._s.costs[model, examples] = costs

    # ------------------------------------------------------------------------------------------------------------- replicas

    def add_replica(self, pool: int, model: int, concurrency: int, queue: int) -> int:
        """A new replica, not ready; its slot. Counters begin at zero.

        Raises:
            ValueError: all slots are taken, or a value is out of range.
        """
        if not (0 <= pool < lay.POOLS and 0 <= model < len(self._s.models)):
            raise ValueError(f"there is no pool {pool} or no model {model}")
        _check_capacity(concurrency, queue)
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
        self._replica(slot)[lay.R_READY] = ready
        self._route()

    def drain_replica(self, slot: int) -> None:
        """No more requests for a replica; it finishes what it has (`is_empty`)."""
        self.set_ready(slot, False)

    def kill_replica(self, slot: int) -> None:
        """Everything in service and waiting there breaks; it is not ready any more."""
        self.set_ready(slot, False)
        self._operate(self._kernel.KILL, slot)
        self._s.r[slot, lay.R_STOPPED] = 0

    def remove_replica(self, slot: int) -> None:
        """Give the slot back; what was still there breaks."""
        self.kill_replica(slot)
        self._s.r[slot, lay.R_USED] = 0

    def set_capacity(self, slot: int, concurrency: int, queue: int) -> None:
        """Change the number of slots and the queue's bound: work in slots and places beyond them stays until it is done.

        Raises:
            ValueError: a value is out of range.
        """
        _check_capacity(concurrency, queue)
        row = self._replica(slot)
        row[lay.R_CONCURRENCY], row[lay.R_QUEUE] = concurrency, queue
        self._operate(self._kernel.REFILL, slot)

    def set_slowness(self, slot: int, factor: float) -> None:
        """Work that starts from now on takes so many times as long.

        Raises:
            ValueError: the factor is not positive and finite.
        """
        if not 0.0 < factor < math.inf:
            raise ValueError(f"not a factor: {factor}")
        self._replica(slot)
        self._s.rf[slot, lay.RF_SLOWNESS] = factor

    def stop_replica(self, slot: int) -> None:
        """It does not answer any more, until it carries on or is killed; what is sent there hangs until somebody gives up."""
        self._replica(slot)[lay.R_STOPPED] = 1

    def carry_on_replica(self, slot: int) -> None:
        """It answers what it was asked meanwhile, if anybody still waits."""
        self._replica(slot)[lay.R_STOPPED] = 0
        self._operate(self._kernel.CARRY_ON, slot)

    def is_empty(self, slot: int) -> bool:
        """Whether nothing is in service or waiting."""
        row = self._replica(slot)
        return not row[lay.R_BUSY] and not row[lay.R_WAITING]

    # ----------------------------------------------------------------------------------------------------------------- time

    def advance(
        self, until: float, times: Floats | None = None, first: int = 0, examples: NDArray[np.int32] | None = None
    ) -> None:
        """Let drill time go on to `until`.

        Args:
            until: seconds; not before now.
            times: when logical requests arrive, in seconds, not falling, from now to `until`.
            first: index of the first of them, the key of its luck.
            examples: what each asks for; 0 if not given.

        Raises:
            ValueError: time would go backwards, or an arrival or example is out of range.
        """
        if not self.now <= until < math.inf:
            raise ValueError(f"time goes forward: {until} is not after {self.now}")
        if times is None or not len(times):
            times, examples = _NO_TIMES, _NO_REQUESTS
        else:
            times = np.ascontiguousarray(times, np.float64)
            examples = np.zeros(len(times), np.int32) if examples is None else np.ascontiguousarray(examples, np.int32)
            self._check(until, times, examples)
        index, begin = np.uint64(first), 0
        while True:
            status, begin = self._kernel.run(
                self._table.ctypes.data, self._kernel.ADVANCE, float(until), times, index, examples, begin, 0
            )
            if status == self._kernel.DONE:
                return
            self._grow()

    def finish(self, step: float = 1.0, limit: float = 3600.0) -> None:
        """No new requests: go on until every logical request is decided, or to the limit in seconds."""
        end = self.now + limit
        while self.in_flight and self.now < end:
            self.advance(min(end, self.now + step))

    # -------------------------------------------------------------------------------------------------------------- results

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
        return Counts(int(i[lay.I_FAILED]), int(i[lay.I_SLOW]), int(i[lay.I_OK]), float(self._s.spent.sum()))

    @property
    def answers_by_example(self) -> NDArray[np.int32]:
        """Answers per model (the last row: rules) and example, the warm-up's included; no columns unless asked for."""
        return self._s.log

    @property
    def state(self) -> State:
        """The arrays, for reading: `layout` names the columns. Valid until the next operation."""
        return self._s

    @property
    def records(self) -> Floats:
        """The first `record` decided requests one by one: [n, REQUEST_COLUMNS]; outcome 0 failed, 1 slow, 2 ok."""
        return self._s.requests[: self._s.i[lay.I_RECORDED]]

    @property
    def jobs(self) -> Floats:
        """Jobs that left their replica one by one: [n, JOB_COLUMNS].

        Columns: request's index, try (client's attempt * 65536 + gateway's try), slot, arrival, start (inf if never), end, and
        how it left (0 served, 1 broken, 2 given up, 3 answered from rules beside a full queue, 4 broken there).
        """
        return self._s.jobs[: self._s.i[lay.I_JOBS_RECORDED]]

    # ------------------------------------------------------------------------------------------------------------- own work

    def _replica(self, slot: int) -> Ints:
        row: Ints = self._s.r[slot]
        if slot < 0 or not row[lay.R_USED]:
            raise ValueError(f"no replica in slot {slot}")
        return row

    def _check(self, until: float, times: Floats, examples: NDArray[np.int32]) -> None:
        """What the kernel relies on: it looks nowhere else."""
        if not (self.now <= times[0] and times[-1] <= until and (times[1:] >= times[:-1]).all()):
            raise ValueError(f"arrivals rise from {self.now} to {until}")
        if len(examples) != len(times):
            raise ValueError(f"{len(times)} arrivals ask for {len(examples)} examples")
        if not (examples.min() >= 0 and examples.max() < self._s.costs.shape[1]):
            raise ValueError(f"examples count from 0 to {self._s.costs.shape[1] - 1}")

    def _operate(self, operation: int, slot: int) -> None:
        """An operation on one replica, with room for all its jobs to end or begin at once."""
        i = self._s.i
        memory = i[[lay.I_REQUESTS, lay.I_JOBS, lay.I_NFINISH, lay.I_NEARLY, lay.I_RING_LEN]]
        while memory.max() + i[lay.I_JOBS] + self._kernel.MARGIN > self._s.i[lay.I_ROOM]:
            self._grow()
        self._kernel.run(self._table.ctypes.data, operation, self.now, _NO_TIMES, np.uint64(0), _NO_REQUESTS, 0, slot)

    def _grow(self) -> None:
        self._s = lay.grow(self._s)
        self._table = lay.addresses(self._s)

    def _route(self) -> None:
        """Tell the gateway which replicas are ready."""
        rows = self._s.r
        for pool in range(lay.POOLS):
            slots = np.flatnonzero((rows[:, lay.R_USED] == 1) & (rows[:, lay.R_READY] == 1) & (rows[:, lay.R_POOL] == pool))
            self._s.nready[pool] = len(slots)
            self._s.ready[pool, : len(slots)] = slots


def _check_capacity(concurrency: int, queue: int) -> None:
    if concurrency < 1 or queue < 0:
        raise ValueError(f"a replica has at least one slot, and no queue of {queue}")


def _of_models(models: Sequence[Model], examples: int, points: int = 2) -> tuple[Floats, Floats, Floats]:
    """Kinds [models, N_M], tables of quantiles [models, points or more], costs [models, examples]."""
    tables = np.zeros((len(models), max(points, *(len(model.service.table) for model in models), 2)))
    for row, model in zip(tables, models, strict=True):
        row[: len(model.service.table)] = model.service.table
    kinds = np.array([[model.service.kind, model.service.a, model.service.b] for model in models])
    return kinds, tables, np.array([np.broadcast_to(model.costs, examples) for model in models], np.float64)


def _new_state(seed: int, bounds: Sequence[float], models: Sequence[Model], rules_costs: Floats, record: int, room: int) -> State:
    kinds, tables, costs = _of_models(models, len(rules_costs))
    state = State(
        **lay.in_flight(room),
        c=np.zeros(lay.N_C),
        g=np.zeros(lay.N_G),
        f=np.zeros(lay.N_F),
        i=np.zeros(lay.N_I, np.int64),
        keys=np.random.SeedSequence([seed, 0x706C616E]).generate_state(lay.N_S, np.uint64).astype(np.uint64),
        r=np.zeros((lay.MAX_REPLICAS, lay.N_R), np.int64),
        rf=np.zeros((lay.MAX_REPLICAS, lay.N_RF)),
        models=kinds,
        tables=tables,
        costs=np.vstack([costs, rules_costs]),
        log=np.zeros((len(models) + 1, 0), np.int32),
        answered=np.zeros((lay.POOLS, len(lay.SOURCES)), np.int64),
        spent=np.zeros((lay.POOLS, len(lay.SOURCES))),
        ready=np.zeros((lay.POOLS, lay.MAX_REPLICAS), np.int64),
        nready=np.zeros(lay.POOLS, np.int64),
        bounds=np.array(bounds, np.float64),
        histogram=np.zeros((len(lay.CLASSES), len(bounds) + 1), np.int64),
        latency_sum=np.zeros(len(lay.CLASSES)),
        requests=np.zeros((record, len(lay.REQUEST_COLUMNS))),
        jobs=np.zeros((record, len(lay.JOB_COLUMNS))),
    )
    state.i[lay.I_ROOM] = room
    return state


__all__ = ["ClientPolicy", "Counts", "Model", "Plane", "ServiceTime"]
