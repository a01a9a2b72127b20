"""The running service of one drill on a cluster: its desired state, what the cluster makes of it, and what a round does.

The cluster has the truth. What an action or a controller of the service wants is written there; what anybody else writes there,
with kubectl for example, is a change like any other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx
from lightkube import Client
from lightkube.core.exceptions import ApiError
from lightkube.types import PatchType

from ....sandbox.model.errors import StackError
from ....sandbox.model.params import Value
from ....sandbox.model.scenario import Scenario
from ....sandbox.model.service import Change, differences, fields_of, get, with_fields
from ....sandbox.model.views import Cell, Table
from ...deploy.kubernetes.config import catalogued
from ...deploy.kubernetes.names import (
    CONTROLLER_PORT,
    FEATURES,
    GATEWAY,
    LOAD,
    METRICS_PORT,
    PIPELINE,
    REGISTRY,
)
from ...deploy.kubernetes.seen import MissingError, Patch, Seen, merged, name_of
from ...deploy.kubernetes.table import HOMES, fields_in, followed, patches
from ...monitoring.targets import Target
from ...real.controls import Controls
from ...real.loglines import LONGEST, read_line
from ...real.pipeline import Known
from ...real.pipeline import Pod as Reported
from ...real.service import RealService, Urls
from ...services.common.times import DrillClock
from ...services.controller.api import status
from ...services.controller.pods import ServerPod, node_ready, server_pod, shown
from .authors import KUBECTL, SOMEBODY, author
from .by_hand import Deletions, PoolImages, deployment_of
from .following import WORKLOADS, Following
from .lives import Essential
from .place import NO_ANSWER, Place
from .proxy import Way
from .watching import Watch

SILENT = 30.0
"""Seconds that the cluster's API may be silent before the drill is given up."""
_ESSENTIAL = (LOAD, PIPELINE)
"""Whose memory is lost with their container, and the drill with that."""


@dataclass(frozen=True, slots=True)
class KindUrls(Urls):
    """A cluster has more of them."""

    controller: str
    registry: str

    @classmethod
    def by(cls, way: Way) -> KindUrls:
        """All of them."""
        return cls(
            way.service(FEATURES),
            way.service(PIPELINE),
            way.service(LOAD),
            way.service(GATEWAY, METRICS_PORT),
            way.service(GATEWAY, CONTROLLER_PORT),
            way.service(REGISTRY),
        )


class KindService(RealService):
    """What runs in a namespace.

    Args:
        scenario: of the drill.
        clock: drill time.
        place: of the drill.
        way: to its services.
        controls: orders to them.
        check: raises an error if the drill's cluster is not there any more.
    """

    def __init__(
        self,
        scenario: Scenario,
        clock: DrillClock,
        place: Place,
        way: Way,
        controls: Controls,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.place, self.way, self.urls = place, way, (urls := KindUrls.by(way))
        super().__init__(scenario, clock, controls, urls.pipeline, urls.load)
        self.client: Client = place.client()
        self.watch = Watch(place, self.log, self._heard, frozenset({LOAD}))
        self._check_ground = check
        self._following = Following(self)
        self.deletions, self._images = Deletions(clock.now), PoolImages()
        self._paid = 0.0
        self._paid_at: float | None = None
        self._version = -1  # of the watch, that was looked at last
        self._problems: tuple[str, ...] = ()
        self._silent_since: float | None = None
        self._essential = Essential(_ESSENTIAL)

    @property
    def paid(self) -> float:
        """Replica-seconds since the warm-up began."""
        return self._paid

    @contextlib.contextmanager
    def blaming(self) -> Iterator[None]:
        """Who does not answer because the cluster is gone is told so.

        Raises:
            StackError: as raised within, with what is known of the cluster.
        """
        try:
            yield
        except StackError as error:
            self._check_ground()
            if not self.watch.answers:
                raise StackError(f"{error} (the cluster's API does not answer: is the cluster still there?)") from error
            self._check_lives()
            raise

    # ---------------------------------------------------------------------------------------------------------------- changes

    def change(self, changes: Iterable[Change]) -> None:
        """Put changed fields of the desired state into force.

        Raises:
            StackError: the cluster refuses them.
        """
        with self._lock:
            wanted = tuple(changes)
            before = dict(fields_of(self.spec))
            self.spec = with_fields(self.spec, {change.field: change.after for change in wanted})
            gone = self._write({change.field: change.after for change in wanted})
            undone = {one.field: before[one.field] for one in wanted if HOMES[one.field].owned()[:2] in gone}
            self._found.changes += differences(self.spec, spec := with_fields(self.spec, undone), SOMEBODY)
            self.spec = spec
            for change in wanted:
                if change.field not in undone:
                    self._following.follow(change, ours=True)
            self.pipeline.tell_spec(self.spec)

    def _write(self, fields: Mapping[str, Value]) -> set[tuple[object, str]]:
        """Bring fields into the cluster; what it cannot have is told, and stays as it is there.

        Returns:
            Kind and name of the objects that somebody has deleted: what they had stays in force.
        """
        seen = self.watch.seen()
        try:
            wanted = patches(fields, seen)
        except ValueError:
            wanted = merged(self._possible(fields, seen))
            self._version = -1  # look what it has
        return {(one.kind, one.name) for one in wanted if not self.patch(one)}

    def _possible(self, fields: Mapping[str, Value], seen: Seen) -> Iterator[Patch]:
        """The patches of those fields that this cluster can have."""
        for path, value in fields.items():
            try:
                yield from patches({path: value}, seen)
            except ValueError as error:
                self.log("cluster", "warning", str(error))

    def patch(self, one: Patch) -> bool:
        """Change an object of the drill; whether that was possible: if somebody has deleted it, the log says so.

        Raises:
            StackError: the cluster refuses that.
        """
        try:
            done = self.client.patch(one.kind, one.name, dict(one.body), patch_type=PatchType.STRATEGIC)
        except ApiError as error:
            if status(error) == httpx.codes.NOT_FOUND:
                self.log("cluster", "warning", f"{one.kind.__name__} {one.name} is not there any more: it cannot be changed")
                return False
            raise StackError(f"the cluster refuses a change of {one.kind.__name__} {one.name}: {error}") from error
        except NO_ANSWER as error:
            raise StackError(f"the cluster's API does not answer: {error}") from error
        self.watch.note(done)
        return True

    # ----------------------------------------------------------------------------------------------------------------- rounds

    def round(self, now: float) -> None:
        """Look after everything.

        Raises:
            StackError: the cluster is gone, or something that no drill can do without.
        """
        with self._lock, self.blaming():
            pods = self.pods()
            if self._paid_at is not None:
                self._paid += len(pods) * max(0.0, now - self._paid_at)
            self._paid_at = now
            self._check(now)
            for chore in tuple(self.chores):
                chore(now)
            if self.watch.version != self._version:
                self._version = self.watch.version
                self._observe()
            self._listen(now)

    def pods(self) -> list[ServerPod]:
        """The replicas that there are."""
        return sorted(
            (one for pod in self.watch.pods() if (one := server_pod(pod)) is not None and not one.leaving),
            key=lambda one: one.name,
        )

    def names(self) -> tuple[str, ...]:
        """The replicas' names."""
        return tuple(one.name for one in self.pods())

    def known(self, version: Known) -> None:
        """The catalogue of versions leads model servers to its model."""
        self.lead(version.version.version, version.artifact)

    def lead(self, version: str, model: str) -> None:
        """Servers of a version find this model, unless somebody has deleted the catalogue: then the log says so."""
        try:
            self.patch(catalogued(self.watch.seen(), version, model))
        except MissingError as error:
            self.log("cluster", "warning", f"{error}: servers of {version} cannot find their model")

    def replicas(self) -> Table:
        """The view of that name: nodes are called as scenarios call them."""
        nodes = {name_of(one): one for one in self.watch.nodes()}
        rows = [
            (
                shown(one.node, nodes.get(one.node)),
                one.name,
                one.pool,
                one.version,
                "ready" if one.ready else "not ready",
                one.restarts,
                round(one.limit),
            )
            for one in self.pods()
        ]
        columns = ("node", "replica", "deployment", "version", "state", "restarts", "memory limit, MiB")
        down = [name for name, node in self.watch.seen().nodes.items() if not node_ready(node)]
        facts: dict[str, Cell] = {"replicas": len(rows), "nodes not ready": ", ".join(sorted(down)) or None}
        return Table("Replicas", columns, tuple(rows), facts)

    def targets(self) -> Sequence[Target]:
        """What is scraped."""
        urls = self.urls
        return [
            Target(GATEWAY, GATEWAY, f"{urls.gateway}/metrics"),
            Target("platform", "platform", f"{urls.controller}/metrics"),
            Target(FEATURES, FEATURES, f"{urls.features}/metrics"),
            Target(PIPELINE, PIPELINE, f"{urls.pipeline}/metrics"),
            *(Target(one.name, "model-server", f"{self.way.pod(one.name)}/metrics") for one in self.pods()),
        ]

    def close(self) -> None:
        """Look after nothing any more."""
        self.watch.close()
        self.client.close()

    # ------------------------------------------------------------------------------------------------------------- own work

    def _observe(self) -> None:
        """Whatever differs from the known desired state, somebody has changed in the cluster."""
        self._observe_by_hand()
        seen = self.watch.seen()
        found = fields_in(seen)
        for problem in found.problems:
            if problem not in self._problems:
                self.log("cluster", "warning", f"{problem}; the last good value stays in force")
        self._problems = found.problems
        known = dict(fields_of(self.spec))
        with_previous = {**found.fields, **(ways_back := followed(known, found.fields))}
        changed = {path: value for path, value in with_previous.items() if known[path] != value}
        if not changed:
            return
        if ways_back:
            self._write(ways_back)
        changes = tuple(
            Change(path, known[path], value, author(seen, path.replace(".previous", ".version")))
            for path, value in changed.items()
        )
        self.spec = with_fields(self.spec, changed)
        self._tell(changes)
        for change in changes:
            self._following.follow(change, ours=False)
        self.pipeline.tell_spec(self.spec)

    def _observe_by_hand(self) -> None:
        """Images that somebody set, and pods that somebody deleted: one of a pool is a replica that was restarted."""
        seen = self.watch.seen()
        self._tell(self._images.look(seen))
        parts = {pool: part for part, pool in WORKLOADS.items()}
        for pod in self.deletions.look(seen, self.watch.pods(), self.watch.nodes()):
            part, name = parts.get(deployment_of(pod)), str(pod.metadata.name if pod.metadata else "")
            if part is None:
                self.log("cluster", "warning", f"somebody deleted the pod {name}; its Deployment has made another")
                continue
            path = f"{part}.restarted"
            change = Change(path, get(self.spec, path), f"{name}#{KUBECTL}", KUBECTL)
            self.spec = with_fields(self.spec, {path: change.after})
            self._write({path: change.after})
            self._tell([change])

    def _tell(self, changes: Iterable[Change]) -> None:
        """Changes that somebody else has made."""
        for change in changes:
            self._found.changes.append(change)
            self.log("cluster", "info", f"{change.field}: {change.before} -> {change.after} ({change.by})")

    def _check(self, now: float) -> None:
        if self.watch.answers:
            self._silent_since = None
        else:
            self._silent_since = now if self._silent_since is None else self._silent_since
            if now - self._silent_since > SILENT:
                raise StackError(f"the cluster's API has not answered for {SILENT:g} s: is the cluster still there?")
        self._check_lives()

    @property
    def whole(self) -> bool:
        """Whether all that no drill can do without still runs."""
        return not self._essential.ended(self.watch.pods())

    def _check_lives(self) -> None:
        if component := self._essential.ended(self.watch.pods()):
            raise StackError(
                f"{component} ended in the middle of the drill (restarted, or its pod deleted): what it remembered is lost, "
                "and the drill cannot go on"
            )

    def _heard(self, pod: str, line: str) -> None:
        component, severity, text = read_line(line, pod)
        if text:
            self.log(component, severity, text[:LONGEST])

    def reports(self) -> list[Reported]:
        """The replicas, with what the last scrape says of them."""
        workloads = self._workloads()
        return [
            Reported(
                one.name,
                one.pool,
                one.version,
                one.ready,
                one.restarts,
                workloads[one.pool].concurrency,
                **self._numbers.get(one.name, {}),
            )
            for one in self.pods()
        ]

    def seen(self) -> Seen:
        """The objects that hold the desired state."""
        return self.watch.seen()
