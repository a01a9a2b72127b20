"""What changes of the desired state mean beside what the cluster itself makes of them: restarts, drains, Prometheus' labels.

A change is followed in the thread that makes or sees it; only Prometheus takes a while to read what it is given, and is asked
again in later rounds.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lightkube.core.exceptions import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod

from ....sandbox.model.errors import StackError
from ....sandbox.model.features import names_in
from ....sandbox.model.params import Value
from ....sandbox.model.service import Change
from ...deploy.kubernetes.monitoring import CONFIG_FILE, drops, with_dropped
from ...deploy.kubernetes.names import (
    CANDIDATE,
    CHAMPION,
    COMPONENT,
    FEATURES,
    PROMETHEUS,
    PROMETHEUS_CONFIG,
    PROMETHEUS_PORT,
    RESTARTED,
    SHADOW,
)
from ...deploy.kubernetes.seen import MissingError, Patch, name_of
from .lives import is_ready, of_component
from .place import NO_ANSWER

if TYPE_CHECKING:
    from .service import KindService

WORKLOADS = {"champion": CHAMPION, "candidate": CANDIDATE, "shadow": SHADOW}
ROLLED = {"monitoring.restarted": PROMETHEUS}
"""What restarts as a whole. Scheduler and feature pipeline are parts of services, which serve on meanwhile: the one is told with
the desired state, the other by a control."""
AGAIN, AT_MOST = 2.0, 150.0
"""Drill seconds between two reloads of Prometheus, and until one must have had the new file: kubelets take up to a minute."""
SYNCED = "drillbox.dev/synced"
"""Annotation of a pod whose change lets its kubelet look at the pod, and so at its ConfigMaps, at once."""


class Following:
    """Follows changes.

    Args:
        service: whose they are.
    """

    def __init__(self, service: KindService) -> None:
        self._service = service
        self._dropped: tuple[str, ...] | None = None  # what Prometheus has still to drop
        self._next = self._until = 0.0
        self._untold: dict[str, Value] = {}  # what the feature store has still to be told
        self._retry = 0.0
        service.chores.append(self._look)

    def follow(self, change: Change, *, ours: bool) -> None:
        """Do what a change means; `ours`: it was not made in the cluster."""
        part, _, name = change.field.partition(".")
        after = str(change.after)
        if name == "restarted" and ours and (deployment := WORKLOADS.get(part, "") or ROLLED.get(change.field, "")):
            self._restart(deployment, after)
        elif change.field == "platform.drained" and ours:
            self._drain(after.partition("#")[0])
        elif change.field == "features.feed" or (change.field == "features.restarted" and ours):
            self._untold[name] = change.after
            self._tell_store()
        elif change.field == "servers.artifacts":
            self._load_again()
        elif change.field == "monitoring.dropped":
            self._drop(names_in(after))

    def _restart(self, deployment: str, asked: str) -> None:
        """One replica by deleting its pod, all of them by a rollout."""
        subject = asked.partition("#")[0]
        if subject != "all":
            self._delete(subject)
            return
        template = {"metadata": {"annotations": {RESTARTED: asked}}}
        self._service.patch(Patch(Deployment, deployment, {"spec": {"template": template}}))

    def _drain(self, name: str) -> None:
        """The replicas on a node are deleted, as `kubectl drain` does; their Deployments make others elsewhere."""
        node = self._service.seen().nodes.get(name)
        if node is None:
            self._service.log("nodes", "warning", f"there is no {name} to drain in this cluster")
            return
        self._service.log("nodes", "info", f"{name} is drained")
        for one in self._service.pods():
            if one.node == name_of(node):
                self._delete(one.name)

    def _load_again(self) -> None:
        """Replicas that try in vain to load their model are replaced: a container knows from where since it was made."""
        for one in self._service.pods():
            if one.running and not one.ready:
                self._delete(one.name)

    def _tell_store(self) -> None:
        """Pass on what concerns the feature store; while it is away, that waits."""
        service = self._service
        try:
            service.controls.post(f"{service.urls.features}/control/settings", self._untold)
        except StackError as error:
            if not service.watch.answers:
                raise
            service.log(FEATURES, "warning", f"is told of {', '.join(self._untold)} when it is back: {error}")
            self._retry = service.clock.now() + AGAIN
        else:
            self._untold = {}

    def _delete(self, pod: str) -> None:
        self._service.deletions.ours(pod)
        try:
            self._service.client.delete(Pod, pod)
        except ApiError as error:
            self._service.log(pod, "warning", f"cannot be deleted: {error}")
        except NO_ANSWER as error:
            raise StackError(f"the cluster's API does not answer: {error}") from error

    # ------------------------------------------------------------------------------------------------------------- Prometheus

    def _drop(self, labels: tuple[str, ...]) -> None:
        """Labels are dropped at the scrape: Prometheus reads its new configuration once the kubelet has put it there."""
        service = self._service
        try:
            data = service.seen().config(PROMETHEUS_CONFIG).data or {}
            text = with_dropped(data.get(CONFIG_FILE, ""), labels)
        except (MissingError, ValueError) as error:
            service.log(PROMETHEUS, "warning", f"its labels stay as they are: {error}")
            return
        service.patch(Patch(ConfigMap, PROMETHEUS_CONFIG, {"data": {CONFIG_FILE: text}}))
        now = service.clock.now()
        self._dropped, self._next, self._until = labels, now, now + AT_MOST
        for pod in service.watch.pods():
            metadata = pod.metadata
            if metadata and (metadata.labels or {}).get(COMPONENT) == PROMETHEUS:
                self._touch(str(metadata.name), now)

    def _touch(self, pod: str, now: float) -> None:
        with suppress(ApiError, *NO_ANSWER):  # without it it takes as long as it takes
            self._service.client.patch(Pod, pod, {"metadata": {"annotations": {SYNCED: f"{now:.3f}"}}})

    def _look(self, now: float) -> None:
        """Tell the feature store what it missed, and let Prometheus read its configuration until it has the new one."""
        if self._untold and now >= self._retry and any(map(is_ready, of_component(self._service.watch.pods(), FEATURES))):
            self._tell_store()
        if self._dropped is None or now < self._next:
            return
        self._next = now + AGAIN
        service = self._service
        url = service.way.service(PROMETHEUS, PROMETHEUS_PORT)
        try:
            service.controls.post(f"{url}/-/reload", {})
            text = str(service.controls.get(f"{url}/api/v1/status/config")["data"]["yaml"])
            if drops(text) == self._dropped:
                service.log(PROMETHEUS, "info", f"drops the labels {', '.join(self._dropped) or 'that nobody reads'}")
                self._dropped = None
                return
            why = "it has not got its new configuration"
        except (StackError, KeyError, TypeError, ValueError) as error:
            why = str(error)
        if now > self._until:
            service.log(PROMETHEUS, "warning", f"its labels are as before: {why}")
            self._dropped = None
