"""Slots, queue and micro-batches: who is served when, and by what. All of it runs on the event loop, but for the scoring.

A server serves `concurrency` requests at once, and `queue` more may wait; the next is refused at once, or answered by the rules
beside the slots. Requests in service that have their features are scored together, as soon as the scoring thread is free: under
load batches grow by themselves. A slower model's extra work is each request's own, in a thread of its slot. A request holds its
slot for a time of its own at least, as if an accelerator elsewhere did the work: queues are those of a model that takes so long,
on a machine that has not the cores for it. Whoever waits for a slot has it from when that time was over, not from when this
process came to see it: milliseconds of each answer would be missed as capacity by a service that is overloaded.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ....sandbox.model.service import Fallback
from ....sandbox.world.rules import RULES_THRESHOLD, rule_scores
from ....sandbox.world.streams import Stream
from .lookups import Lookups
from .model import FIRST, Model
from .questions import Question
from .settings import Live, ModelSettings
from .strain import Effort, Memory
from .tensors import Floats
from .threads import Threads, burn, one_thread_each

MODEL, RULES = "model", "rules"


class QueueFullError(Exception):
    """All slots are busy and nobody more may wait."""


class ScoringError(Exception):
    """The model could not score."""


@dataclass(slots=True, eq=False)
class Job:
    """A request in the server."""

    question: Question
    future: asyncio.Future[None]
    offered: float  # of the event loop's clock
    source: str = MODEL
    scores: Floats = field(default_factory=lambda: np.empty(0))
    threshold: float = 0.0
    left: bool = False  # nobody waits for it any more
    hold: float = 0.0  # seconds that it holds its slot, at least
    until: float = 0.0  # of the same clock: its slot is held so long
    holding: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch cost and gave."""

    scores: Floats
    seconds: float  # of CPU


class Slots:
    """The server's slots.

    Args:
        loop: the event loop.
        model: that scores.
        lookups: of online features.
        live: settings that may change.
        settings: those that may not.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, model: Model, lookups: Lookups, live: Live, settings: ModelSettings
    ) -> None:
        self._loop = loop
        self._model = model
        self._lookups = lookups
        self._batch = settings.batch
        self._delay = settings.batch_delay
        self._scorer: Threads[Batch] = Threads(loop, "score", 1, one_thread_each)
        self._workers: Threads[float] = Threads(loop, "work", live.concurrency)
        self._luck = Stream(settings.seed, f"model_server/work/{settings.pod}")
        self._holds = Stream(settings.seed, f"model_server/hold/{settings.pod}")
        self._memory, self._effort = Memory(), Effort()
        self._memory.fill(live.memory)
        self._worked = self._held = 0
        self._waiting: deque[Job] = deque()
        self._ready: list[Job] = []
        self._scoring = False
        self._timer: asyncio.Handle | None = None
        self._lookups_running: set[asyncio.Task[None]] = set()
        self._since = time.monotonic()
        self._busy_seconds = 0.0
        self.live = live
        self.busy = 0
        self.predictions: Counter[str] = Counter({MODEL: 0, RULES: 0})
        self.cancelled = 0
        self.batches = 0

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    def busy_seconds(self) -> float:
        """Seconds that slots were busy so far, summed over them."""
        now = time.monotonic()
        self._busy_seconds += self.busy * (now - self._since)
        self._since = now
        return self._busy_seconds

    def change(self, live: Live) -> None:
        """Put new settings into force; who is in the queue stays, even if it is shorter now."""
        if live.effort and not self.live.effort:
            self._effort.forget()
        self.live = live
        self._memory.fill(live.memory)
        self._workers.most = live.concurrency
        self._take_next(self._loop.time())

    @property
    def full(self) -> bool:
        """Whether the next request is refused, whatever it asks."""
        live = self.live
        busy = self.busy >= live.concurrency and len(self._waiting) >= live.queue
        return busy and live.fallback != Fallback.OVERFLOW

    def offer(self, question: Question) -> Job:
        """Take a request on. Its future is done when it has scores.

        Raises:
            QueueFullError: it cannot be taken.
        """
        job = Job(question, self._loop.create_future(), self._loop.time())
        if self.busy < self.live.concurrency:
            self._start(job, job.offered)
        elif len(self._waiting) < self.live.queue:
            self._waiting.append(job)
        elif self.live.fallback == Fallback.OVERFLOW:
            self._by_rules(job)
            self._answered(job)
        else:
            raise QueueFullError
        return job

    def leave(self, job: Job) -> None:
        """Nobody waits for a request, and its work is to stop: it leaves the queue, or is not scored."""
        if job.future.done() or job.left:
            return
        job.left = True
        self.cancelled += 1
        if job in self._waiting:
            self._waiting.remove(job)
            job.future.cancel()
        elif job.holding is not None:
            job.holding.cancel()
            self._finish(job)

    # -------------------------------------------------------------------------------------------------------------- service

    def _start(self, job: Job, free: float) -> None:
        """A request gets a slot that is free since `free`."""
        self.busy_seconds()
        self.busy += 1
        by_rules = self.live.fallback == Fallback.ALWAYS
        job.hold = self._hold_time(by_rules=by_rules)
        job.until = max(job.offered, free) + job.hold
        if by_rules:
            self._by_rules(job)
            self._loop.call_soon(self._work, job, self._owed(job))
        elif job.question.online:
            self._is_ready(job)
        else:
            task = self._loop.create_task(self._look_up(job))
            self._lookups_running.add(task)
            task.add_done_callback(self._lookups_running.discard)

    async def _look_up(self, job: Job) -> None:
        matrix = job.question.matrix
        try:
            matrix[:, FIRST:] = await self._lookups.features(matrix[:, 1])
        finally:
            self._is_ready(job)

    def _is_ready(self, job: Job) -> None:
        self._model.impute(job.question.matrix, self.live.quarantined)
        self._ready.append(job)
        if self._scoring:
            return
        if self._delay == 0.0 or len(self._ready) >= min(self._batch, self.live.concurrency):
            if self._timer is None or self._delay > 0.0:
                self._cancel_timer()
                self._timer = self._loop.call_soon(self._score)
        elif self._timer is None:
            self._timer = self._loop.call_later(self._delay, self._score)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _score(self) -> None:
        """Score what is ready, in the thread."""
        self._cancel_timer()
        if self._scoring:
            return
        for job in [job for job in self._ready if job.left]:
            self._ready.remove(job)
            self._finish(job)
        if not self._ready:
            return
        jobs, self._ready = self._ready[: self._batch], self._ready[self._batch :]
        self._scoring = True
        self.batches += 1
        self._scorer.submit(
            _scoring(self._model, [job.question.matrix for job in jobs]),
            lambda batch: self._scored(jobs, batch),
            lambda error: self._failed(jobs, error),
        )

    def _scored(self, jobs: Sequence[Job], batch: Batch) -> None:
        self._scoring = False
        begin = 0
        for job in jobs:
            end = begin + len(job.question.matrix)
            job.scores, begin = batch.scores[begin:end], end
            job.threshold = self.live.threshold or self._model.version.threshold
            self._work(job, self._extra(batch.seconds / len(jobs)) + self._owed(job))
        if self._ready:
            self._score()

    def _failed(self, jobs: Sequence[Job], error: BaseException) -> None:
        self._scoring = False
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(ScoringError(str(error)))
            self._finish(job)
        if self._ready:
            self._score()

    def _extra(self, seconds: float) -> float:
        """Seconds of CPU that an answer takes beyond its share of the scoring, `seconds`."""
        live = self.live
        if live.work == 0.0 and (live.slowness == 1.0 or live.hold > 0.0):
            return 0.0
        luck = self._luck.uniform(3 * self._worked, 3).tolist()
        self._worked += 1
        slowness = live.slowness if luck[0] < live.slow_share else 1.0
        return live.work / 1000.0 * _log_normal(live.work_cv, luck[1], luck[2]) * slowness + (slowness - 1.0) * seconds

    def _owed(self, job: Job) -> float:
        """Seconds of CPU for the share of its time that a request is to compute."""
        return self._effort.owed(self.live.effort * job.hold) if self.live.effort else 0.0

    def _work(self, job: Job, seconds: float) -> None:
        if seconds > 0.0:
            self._workers.submit(
                lambda: burn(seconds, lambda: job.left),
                lambda used: self._worked_off(job, used),
                lambda _error: self._finish(job),
            )
        else:
            self._hold(job)

    def _worked_off(self, job: Job, used: float) -> None:
        self._effort.spent(used)
        self._hold(job)

    def _hold_time(self, *, by_rules: bool) -> float:
        """Seconds that a request is to hold its slot."""
        live = self.live
        if by_rules:
            return live.rules_hold / 1000.0
        if live.hold == 0.0:
            return 0.0
        luck = self._holds.uniform(3 * self._held, 3).tolist()
        self._held += 1
        slowness = live.slowness if luck[0] < live.slow_share else 1.0
        return live.hold / 1000.0 * _log_normal(live.hold_cv, luck[1], luck[2]) * slowness

    def _hold(self, job: Job) -> None:
        """A request has its scores: it stays in its slot until its time is over."""
        if job.left or self._loop.time() >= job.until:
            self._finish(job)
        else:
            job.holding = self._loop.call_at(job.until, self._finish, job, job.until)

    def _finish(self, job: Job, free: float | None = None) -> None:
        """A request leaves its slot, which is free since `free`; if that is not given, since now."""
        job.holding = None
        self.busy_seconds()
        self.busy -= 1
        self._answered(job)
        self._take_next(self._loop.time() if free is None else free)

    def _take_next(self, free: float) -> None:
        while self._waiting and self.busy < self.live.concurrency:
            self._start(self._waiting.popleft(), free)

    def _by_rules(self, job: Job) -> None:
        job.source, job.threshold, job.scores = RULES, RULES_THRESHOLD, rule_scores(job.question.matrix)

    def _answered(self, job: Job) -> None:
        if job.future.done():
            return
        if job.left:
            job.future.cancel()
            return
        self.predictions[job.source] += 1
        job.future.set_result(None)
        if self.live.leak:
            self._memory.leave(self.live.leak)


def _scoring(model: Model, matrices: Sequence[Floats]) -> Callable[[], Batch]:
    """The task of scoring some requests together."""

    def score() -> Batch:
        begin = time.thread_time()
        scores = model.scores(matrices[0] if len(matrices) == 1 else np.concatenate(matrices))
        return Batch(scores, time.thread_time() - begin)

    return score


def _log_normal(cv: float, u: float, v: float) -> float:
    """A log-normal value with mean 1 and coefficient of variation `cv`, from two uniform ones."""
    if cv == 0.0:
        return 1.0
    sigma = math.sqrt(math.log1p(cv * cv))
    normal = math.sqrt(-2.0 * math.log1p(-u)) * math.cos(2.0 * math.pi * v)
    return math.exp(sigma * normal - sigma * sigma / 2.0)
