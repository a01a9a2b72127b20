"""One run of the retraining loop: real snapshot, real training, real comparison, in modelled time.

Every step is in the log and, as the stage of the run, in the change log with its reason. All decisions are those of
`sandbox.control`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Generator
from dataclasses import dataclass

import simpy

from ...sandbox.control import gate
from ...sandbox.control.retraining import Trigger
from ...sandbox.learning import snapshots
from ...sandbox.learning.entries import Stage
from ...sandbox.learning.evaluation import HELD_OUT_HOURS, evaluate, held_out
from ...sandbox.learning.snapshots import Snapshot
from ...sandbox.model.errors import UsageError
from ...sandbox.model.params import Value
from ...sandbox.model.releases import deploy
from ...sandbox.model.retraining import COMPONENT, WAITS
from ...sandbox.model.service import Approval, with_fields
from ...sandbox.world.calendar import EPOCH, minutes_of
from .canary import Canary
from .interfaces import Versions
from .model_book import ModelBook
from .quality import QualityMonitor
from .steering import Steering
from .trainer import Order, Recipe, Terms, Training

SNAPSHOT_TIME, VALIDATION_TIME, EVALUATION_TIME = 5.0, 5.0, 10.0
"""Seconds of drill time that the steps take beside training."""


@dataclass(slots=True)
class Run:
    """One run of the loop, for those who look into it."""

    number: int
    trigger: Trigger
    days: int
    why: str
    began: float  # drill second
    rows: int | None = None
    ratio: float | None = None  # of the rows to the usual number
    late: float | None = None
    data: str = ""  # hash of the snapshot
    version: str = ""
    result: str = "running"
    reason: str = ""


class StoppedError(Exception):
    """The run ends here; the message says why."""


class Workshop:
    """Does the steps of a run.

    Args:
        steering: time, desired state, log.
        versions: that there are; new ones are added.
        monitor: whose champion is compared with.
        book: of versions.
        canary: tries candidates out.
        terms: how models are trained.
    """

    def __init__(
        self, steering: Steering, versions: Versions, monitor: QualityMonitor, book: ModelBook, canary: Canary, terms: Terms
    ) -> None:
        self._steering = steering
        self._versions = versions
        self._data = monitor.world.data
        self._monitor = monitor
        self._book = book
        self._canary = canary
        self._terms = terms
        self._aside = terms.aside
        self._decided = ""
        self.training_seconds = 0.0
        """Of drill time, up to now."""

    def play(self, run: Run, recipe: Recipe) -> Generator[simpy.Event, None, None]:
        """A run from the snapshot to its end, which it writes down."""
        self._decided = self._steering.loop.decided
        try:
            yield from self._steps(run, recipe)
        except StoppedError as stopped:
            run.reason = str(stopped)
            if run.result == "running":
                run.result = "stopped"
            elif run.result == "rejected" and run.version:
                self._book.became(run.version, Stage.REJECTED, COMPONENT, run.reason)
            self._steering.log(COMPONENT, "warning", f"run-{run.number} {run.result}: {run.reason}")
        except UsageError as error:
            run.result, run.reason = "failed", str(error)
            self._steering.log(COMPONENT, "error", f"run-{run.number} failed: {run.reason}")
        self._stage(run, "", f"{run.result}: {run.reason}")

    def _steps(self, run: Run, recipe: Recipe) -> Generator[simpy.Event, None, None]:
        yield from self._spend(run, "snapshot", SNAPSHOT_TIME, f"{run.trigger}: {run.why}")
        snapshot = self._snapshot(run, recipe)
        told = f"{run.rows:,} rows, {snapshot.late:.1%} late, data {run.data[:12]}"
        yield from self._spend(run, "validation", VALIDATION_TIME, told)
        self._validate(run, snapshot)
        name = yield from self._train(run, snapshot, recipe)
        yield from self._spend(run, "evaluation", EVALUATION_TIME, f"{name} against {self._steering.spec().champion.version}")
        self._judge(run, name)
        yield from self._approval(run, name)
        yield from self._release(run, name)

    def _spend(
        self, run: Run, what: str, seconds: float, why: str, training: Training | None = None
    ) -> Generator[simpy.Event, None, None]:
        """A step takes its time, or that of the training; a freeze or a rejection ends the run within a second."""
        self._stage(run, what, why)
        end = self._steering.env.now + seconds
        while self._steering.env.now < end or (training is not None and not training.done):
            left = end - self._steering.env.now
            pause = min(1.0, left) if left > 0.0 else 1.0
            yield self._steering.env.timeout(pause)
            if what == "training":
                self.training_seconds += pause
            self._check(run)

    def _snapshot(self, run: Run, recipe: Recipe) -> Snapshot:
        """Data up to where the evaluation begins, in whole hours: a later flight's label may not be known."""
        hour = math.floor(self._hour)
        until = EPOCH + dt.timedelta(hours=hour if recipe.hasty else hour - self._maturity - HELD_OUT_HOURS)
        start = until - dt.timedelta(days=recipe.days)
        with self._aside():
            snapshot = snapshots.take(self._data, start, until, before_hour=recipe.before_hour, as_on_time=recipe.hasty)
            run.days, run.rows, run.late, run.data = recipe.days, len(snapshot.rows), snapshot.late, snapshot.digest
        return snapshot

    def _validate(self, run: Run, snapshot: Snapshot) -> None:
        """Usual is what the version had that had most: a champion of half the data must not make that the measure."""
        usual = max(snapshots.rows_per_day(self._versions.model(name)) for name in self._versions.names)
        facts = snapshots.facts(snapshot, self._monitor.reference, usual)
        run.ratio = facts.rows / facts.usual_rows if facts.usual_rows else None
        verdict = gate.validate(facts)
        self._obey(run, "validation", verdict)

    def _train(self, run: Run, snapshot: Snapshot, recipe: Recipe) -> Generator[simpy.Event, None, str]:
        """The model of a snapshot, registered; its name."""
        training = self._terms.trainer.begin(Order(run.number, snapshot, recipe, self._monitor.version.threshold))
        where = f", {training.where}" if training.where else ""
        told = f"on {run.days} days until {snapshot.until:%Y-%m-%d %H:%M}{where}"
        try:
            yield from self._spend(run, "training", self._terms.time, told, training)
        except StoppedError:
            training.cancel()
            raise
        with self._aside():
            model = training.result()
        name = self._versions.add(model, snapshot)
        run.version = name
        self._book.registered(name, COMPONENT, f"run-{run.number}, {run.trigger}: trained")
        quality = model.quality
        self._steering.log(
            COMPONENT, "info", f"run-{run.number} registered {name} ({model.id}): AUC {quality.auc:.3f} on its training data"
        )
        return name

    def _judge(self, run: Run, name: str) -> None:
        """Champion and candidate on flights that neither was trained on, and that landed long ago."""
        champion, candidate, now = self._monitor.version, self._versions.model(name), self._monitor.now
        end = (math.floor(self._hour) - self._maturity) * 60.0
        trained = [minutes_of(version.train_until) for version in (champion, candidate)]
        rows = held_out(self._data, max(end - HELD_OUT_HOURS * 60.0, *trained), end, now)
        if not len(rows):
            verdict = gate.Verdict(False, "no flights to compare on that neither was trained on")
        else:
            with self._aside():
                found = evaluate(self._data, rows, candidate, champion)
            verdict = gate.judge(found.overall, found.slices, self._steering.loop.margin)
        try:
            self._obey(run, "gate", verdict)
        except StoppedError:
            run.result = "rejected"
            raise

    def _obey(self, run: Run, what: str, verdict: gate.Verdict) -> None:
        """A gate that is switched off only says what it would have done."""
        if verdict.passed:
            self._steering.log(COMPONENT, "info", f"run-{run.number} {what} passed: {verdict.reason}")
        elif self._steering.loop.gate:
            raise StoppedError(f"{what}: {verdict.reason}")
        else:
            self._steering.log(
                COMPONENT, "warning", f"run-{run.number} {what} failed: {verdict.reason}; the gate is off, going on"
            )

    def _approval(self, run: Run, name: str) -> Generator[simpy.Event, None, None]:
        if self._steering.loop.approval is not Approval.HAND:
            return
        self._stage(run, WAITS, f"{name} passed the gate")
        while not self._steering.loop.decided.startswith("approve") or self._steering.loop.decided == self._decided:
            yield self._steering.env.timeout(1.0)
            self._check(run)

    def _release(self, run: Run, name: str) -> Generator[simpy.Event, None, None]:
        """A canary first, unless that is switched off; then the champion's rolling update."""
        why = f"run-{run.number} passed"
        if self._steering.loop.canary:
            self._book.became(name, Stage.CANARY, COMPONENT, why)
            self._stage(run, "canary", f"{name} is tried out")
            ending = yield from self._canary.play(name, self._rejection)
            if not ending.promote:
                self._undo_canary(name, ending.reason)
                self._book.became(name, Stage.ABORTED, COMPONENT, ending.reason)
                run.result = "aborted"
                raise StoppedError(ending.reason)
            why = ending.reason
        self._book.became(name, Stage.PROMOTED, COMPONENT, why)
        calm = _OFF if self._steering.loop.canary else {}
        self._steering.desire(with_fields(deploy(self._steering.spec(), name), calm), COMPONENT, f"{name}: {why}")
        run.result, run.reason = "promoted", why
        self._steering.log(COMPONENT, "info", f"run-{run.number} promoted {name}: {why}")

    def _undo_canary(self, name: str, reason: str) -> None:
        candidate = self._steering.spec().candidate
        if candidate.version == name and candidate.replicas:
            self._steering.put(_OFF, COMPONENT, reason)

    def _check(self, run: Run) -> None:
        if self._steering.loop.frozen:
            raise StoppedError("retraining was frozen")
        if why := self._rejection():
            run.result = "rejected"
            raise StoppedError(why)

    def _rejection(self) -> str:
        decided = self._steering.loop.decided
        return "rejected by hand" if decided != self._decided and decided.startswith("reject") else ""

    def _stage(self, run: Run, what: str, why: str) -> None:
        stage = f"run-{run.number}: {what}" if what else ""
        self._steering.put({"retraining.stage": stage}, COMPONENT, why)

    @property
    def _maturity(self) -> float:
        """Hours after a departure at which labels are complete."""
        return self._monitor.window.spans.maturity_hours

    @property
    def _hour(self) -> float:
        """The calendar hour."""
        return self._monitor.now / 60.0


_OFF: dict[str, Value] = {"candidate.replicas": 0, "gateway.canary_weight": 0.0}
