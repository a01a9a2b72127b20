"""Training as a Kubernetes Job: made from a template, waited for by a watch, and kept for a while with its log."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import threading
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import yaml

from ....sandbox.learning.version import TREES, ModelVersion
from ....sandbox.model.errors import DrillboxError, UsageError
from ...control_plane.trainer import Order, Training
from ..common.logs import Log
from ..training.settings import environment
from .last_words import last_words, reason
from .remote import Remote

if TYPE_CHECKING:
    from lightkube import AsyncClient
    from lightkube.resources.batch_v1 import Job

COMPONENT, RUN = "app.kubernetes.io/component", "drillbox.dev/run"
"""Labels of jobs."""
PAUSE = 1.0
"""Seconds until the API is asked again when it failed."""
AFTER = 30
"""Seconds after the deadline at which Kubernetes ends the job's pods; until then one can look at them."""

_DENIED = range(400, 500)
_BUSY, _MISSING = 429, 404


@dataclass(frozen=True, slots=True)
class JobTerms:
    """How jobs are run.

    Attributes:
        template: the Job; the first container of its pod trains.
        deadline: seconds that one may take.
        history: finished ones that are kept.
    """

    template: Job
    deadline: float
    history: int


def read_template(path: Path) -> Job:
    """The Job in a YAML file.

    Raises:
        UsageError: it cannot be read, or is no Job with a container.
    """
    from lightkube.resources.batch_v1 import Job

    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or raw.get("kind") != "Job":
            raise UsageError(f"PIPELINE_JOB_TEMPLATE={str(path)!r} holds no Job of Kubernetes")
        found = cast("Job", Job.from_dict(raw))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"PIPELINE_JOB_TEMPLATE={str(path)!r} cannot be read: {error}") from None
    pod = found.spec.template.spec if found.spec else None
    if not pod or not pod.containers:
        raise UsageError(f"PIPELINE_JOB_TEMPLATE={str(path)!r}: its pod has no container that could train")
    return found


class JobTrainer:
    """Trains by jobs.

    Args:
        opened: makes a client of the Kubernetes API; called anew for each job, within the loop that uses it.
        terms: how jobs are run.
        remote: where jobs put their models.
        log: of the service.
    """

    def __init__(self, opened: Callable[[], AsyncClient], terms: JobTerms, remote: Remote, log: Log) -> None:
        self._opened = opened
        self._terms = terms
        self._remote = remote
        self._log = log

    def begin(self, order: Order) -> Training:
        """As `Trainer`."""
        job = job_of(self._terms, order)
        wanted = order.snapshot.lineage(order.threshold, TREES).id
        return _JobTraining(job, wanted, self._opened, self._terms, self._remote, self._log)


def job_of(terms: JobTerms, order: Order) -> Job:
    """The Job for an order, which nobody else has the name of."""
    from lightkube.models.core_v1 import EnvVar
    from lightkube.models.meta_v1 import ObjectMeta

    job = copy.deepcopy(terms.template)
    meta = job.metadata or ObjectMeta()
    job.metadata = meta
    meta.name = f"{meta.name or 'training'}-{order.run}-{uuid.uuid4().hex[:5]}"
    own = {RUN: str(order.run)}
    meta.labels = (meta.labels or {}) | own
    meta.labels.setdefault(COMPONENT, "training")
    assert job.spec is not None  # noqa: S101  # `read_template` looked
    job.spec.activeDeadlineSeconds = int(terms.deadline) + AFTER
    if job.spec.backoffLimit is None:
        job.spec.backoffLimit = 1  # a node may be lost; what fails by itself fails again
    pod = job.spec.template
    pod.metadata = pod.metadata or ObjectMeta()
    pod.metadata.labels = (pod.metadata.labels or {}) | own
    assert pod.spec is not None  # noqa: S101  # as above
    pod.spec.restartPolicy = pod.spec.restartPolicy or "Never"
    told = environment(order)
    trains = pod.spec.containers[0]
    kept = [one for one in trains.env or () if one.name not in told]
    trains.env = [*kept, *(EnvVar(name=name, value=value) for name, value in told.items())]
    return job


class _JobTraining:
    """One job, in a thread with a loop of its own."""

    def __init__(
        self, job: Job, wanted: str, opened: Callable[[], AsyncClient], terms: JobTerms, remote: Remote, log: Log
    ) -> None:
        assert job.metadata is not None  # noqa: S101  # `job_of` made it
        self._job, self._wanted, self._opened, self._terms, self._remote, self._log = job, wanted, opened, terms, remote, log
        self._name = str(job.metadata.name)
        # All of the template's: others in the namespace may have jobs of the same component.
        self._labels = {name: value for name, value in (job.metadata.labels or {}).items() if name != RUN}
        self._model: ModelVersion | None = None
        self._why = ""
        self._ended = threading.Event()
        self._cancelled = False
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    @property
    def where(self) -> str:
        """As `Training`."""
        return f"job {self._name}"

    @property
    def done(self) -> bool:
        """As `Training`."""
        return self._ended.is_set()

    def result(self) -> ModelVersion:
        """As `Training`."""
        self._ended.wait()
        if self._model is None:
            raise UsageError(self._why)
        return self._model

    def cancel(self) -> None:
        """As `Training`: the job is deleted."""
        self._cancelled = True
        with suppress(RuntimeError):  # its loop is closed: it has ended
            self._stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._play())
            self._model = self._remote.fetch(self._wanted)
        except asyncio.CancelledError:
            self._why = f"{self.where} was cancelled"
        except DrillboxError as error:
            self._why = str(error)
        except Exception as error:  # noqa: BLE001 -- whatever goes wrong here is the end of this run, and of nothing else
            self._why = f"{self.where}: {reason(error)}"
        finally:
            self._ended.set()

    async def _play(self) -> None:
        """From the job's creation to its end.

        Raises:
            UsageError: it cannot be created, failed, or took too long; the message has the last line of its log.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101  # it runs
        self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        if self._cancelled:
            raise asyncio.CancelledError
        async with self._opened() as client:
            failed = await self._outcome(client)
            words = await last_words(client, self._name) if failed else ""
            await self._prune(client)
        if failed:
            raise UsageError(f"{self.where} {failed}: {words}")
        self._log("info", f"{self.where} succeeded")

    async def _outcome(self, client: AsyncClient) -> str:
        """Create the job, and wait for its end: empty if it succeeded, else what became of it."""
        try:
            async with asyncio.timeout(self._terms.deadline):
                await self._create(client)
                return await self._ending(client)
        except TimeoutError:
            return f"was not finished within {self._terms.deadline:g} s"
        except asyncio.CancelledError:
            await self._delete(client, self._name)
            self._log("info", f"{self.where} was cancelled")
            raise

    async def _create(self, client: AsyncClient) -> None:
        while True:
            try:
                await client.create(self._job)
            except Exception as error:  # noqa: BLE001 -- which errors there are depends on the client's version
                if _status(error) in _DENIED and _status(error) != _BUSY:
                    raise UsageError(f"{self.where} cannot be created: {reason(error)}") from None
                self._log("warning", f"{self.where} cannot be created yet: {reason(error)}")
                await asyncio.sleep(PAUSE)
            else:
                self._log("info", f"{self.where} is created")
                return

    async def _ending(self, client: AsyncClient) -> str:
        from lightkube.resources.batch_v1 import Job

        while True:
            try:
                ended = ended_of(await client.get(Job, self._name))
                if ended is not None:
                    return ended
                watch = cast("AsyncGenerator[tuple[str, Job]]", client.watch(Job, fields={"metadata.name": self._name}))
                async with aclosing(watch):
                    async for event, job in watch:
                        ended = "was deleted" if event == "DELETED" else ended_of(job)
                        if ended is not None:
                            return ended
            except Exception as error:  # noqa: BLE001 -- as above; the API server may be starting anew
                if _status(error) == _MISSING:
                    return "was deleted"
                self._log("warning", f"{self.where} cannot be watched: {reason(error)}")
                await asyncio.sleep(PAUSE)

    async def _delete(self, client: AsyncClient, name: str) -> None:
        """Delete a job and its pods; one that is gone already is none the less."""
        from lightkube.resources.batch_v1 import Job
        from lightkube.types import CascadeType

        try:
            await client.delete(Job, name, cascade=CascadeType.BACKGROUND)
        except Exception as error:  # noqa: BLE001 -- as above; it stays, with its deadline
            if _status(error) != _MISSING:
                self._log("warning", f"job {name} cannot be deleted: {reason(error)}")

    async def _prune(self, client: AsyncClient) -> None:
        """Keep the latest finished jobs only. Kubernetes itself can do that by their age only, and before 1.23 not by default."""
        from lightkube.resources.batch_v1 import Job

        try:
            found = [job async for job in client.list(Job, labels=self._labels)]
        except Exception as error:  # noqa: BLE001 -- as above; the next run will do it
            self._log("warning", f"jobs cannot be listed: {reason(error)}")
            return
        finished = sorted((job for job in found if ended_of(job) is not None), key=_begun)
        for job in finished[: max(0, len(finished) - self._terms.history)]:
            await self._delete(client, str(job.metadata.name if job.metadata else ""))


def ended_of(job: Job) -> str | None:
    """Empty for a job that succeeded, what became of it for one that failed, None while it is not finished."""
    for condition in (job.status.conditions or ()) if job.status else ():
        if condition.status == "True" and condition.type == "Complete":
            return ""
        if condition.status == "True" and condition.type == "Failed":
            return f"failed ({condition.reason or 'for no reason that is known'})"
    return None


def _begun(job: Job) -> dt.datetime:
    made = job.metadata.creationTimestamp if job.metadata else None
    return made or dt.datetime.min.replace(tzinfo=dt.UTC)


def _status(error: Exception) -> int:
    """The HTTP status of what the API answered; 0 if it did not."""
    from lightkube import ApiError

    return int(error.status.code or 0) if isinstance(error, ApiError) else 0
