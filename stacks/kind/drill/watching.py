"""What a namespace has, kept fresh by a thread: Deployments, ConfigMaps, pods, jobs, and in a cluster of our own its nodes.

watch = Watch(place, log)
watch.start(30.0)
watch.seen(), watch.pods()          # at any time, from any thread
watch.note(patched)                 # what a patch of ours gave back counts at once
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Node, Pod

from ....sandbox.model.errors import DrillboxError, StackError
from ...deploy.kubernetes.names import DRILL, MANAGED_BY, MANAGER
from ...deploy.kubernetes.seen import Seen
from ...services.common import logs as services
from ...services.controller.api import Health, Reflector
from .place import Place
from .podlogs import Hear, PodLogs

_END = 5.0  # seconds that the thread has to end
_KINDS: Mapping[Any, str] = {Deployment: "deployments", ConfigMap: "configmaps", Pod: "pods"}

Log = Callable[[str, str, str], None]
"""`log(component, severity, text)`, at the present drill time."""


class Watch:
    """The thread, and what it knows.

    Args:
        place: of the drill.
        log: of troubles with the API.
        hear: is told, in the thread, of each line that a container writes; nobody if not given.
        without: components whose containers are not listened to.
    """

    def __init__(self, place: Place, log: Log, hear: Hear | None = None, without: frozenset[str] = frozenset()) -> None:
        self._place = place
        self._hear, self._without = hear, without
        self._logs: PodLogs | None = None
        self._kinds = dict(_KINDS) | ({Node: "nodes"} if place.own else {})
        self._health = Health(_Logged(log))
        self._labels = {MANAGED_BY: MANAGER, DRILL: place.label}
        self._reflectors: dict[type[Any], Reflector[Any]] = {}
        self._patched: dict[tuple[str, str], Any] = {}  # by kind and name: what our patches gave back
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._synced, self._trouble = threading.Event(), ""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.version = 0
        """Grows with every change that is seen."""

    def start(self, patience: float) -> None:
        """Begin, and wait until all was listed once.

        Raises:
            StackError: it is not within `patience` seconds, or the kubeconfig cannot be used.
        """
        self._thread.start()
        if not self._synced.wait(patience) or self._trouble:
            self.close()
            raise StackError(self._trouble or f"the cluster's API did not list the drill's objects within {patience:g} s")

    def seen(self) -> Seen:
        """The objects that hold the desired state."""
        return Seen.of(self._objects(Deployment, ConfigMap, Node))

    def pods(self) -> list[Pod]:
        """All pods of the drill that there are."""
        return self._objects(Pod)

    def nodes(self) -> list[Node]:
        """The nodes; none where they may not be seen."""
        return self._objects(Node)

    def note(self, patched: Any) -> None:
        """What a patch gave back: it counts until the watch knows it, too."""
        with self._lock:
            self._patched[_key(patched)] = patched

    @property
    def answers(self) -> bool:
        """Whether the API answers."""
        return self._health.answers

    def close(self) -> None:
        """End the thread; it may have ended before."""
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
            self._thread.join(_END)

    # ------------------------------------------------------------------------------------------------------------- own work

    def _objects(self, *kinds: type[Any]) -> list[Any]:
        found = []
        for kind in kinds:
            reflector = self._reflectors.get(kind)
            found += [self._newest(one) for one in (tuple(reflector.objects.values()) if reflector else ())]
        return found

    def _newest(self, watched: Any) -> Any:
        """The object as the watch has it, or as our patch left it, whichever is later."""
        with self._lock:
            patched = self._patched.get(_key(watched))
            if patched is None or patched.metadata.uid != watched.metadata.uid:
                return watched
            if _version(watched) >= _version(patched):
                del self._patched[_key(watched)]
                return watched
            return patched

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except (DrillboxError, OSError, ValueError) as error:
            self._trouble = str(error)
            self._synced.set()

    async def _watch(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        client = self._place.watcher()
        self._reflectors = {
            kind: Reflector(client, kind, name, self._health, self._changed, **self._select(kind))
            for kind, name in self._kinds.items()
        }
        if self._hear is not None:
            self._logs = PodLogs(client, self._hear, self._without)
        tasks = [asyncio.create_task(one.run()) for one in self._reflectors.values()]
        try:
            await self._stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._logs is not None:
                await self._logs.close()
            await client.close()

    def _select(self, kind: type[Any]) -> dict[str, Any]:
        return {} if kind is Node else {"labels": self._labels}

    def _changed(self) -> None:
        self.version += 1
        if self._logs is not None:
            self._logs.look(self.pods())
        if not self._synced.is_set() and all(one.synced for one in self._reflectors.values()):
            self._synced.set()


class _Logged(services.Log):
    """A service's log that leads into the drill's."""

    def __init__(self, log: Log) -> None:
        super().__init__("cluster")
        self._into = log

    def __call__(self, severity: str, text: str) -> None:
        self._into(self.component, severity, text)


def _key(one: Any) -> tuple[str, str]:
    return type(one).__name__, str(one.metadata.name)


def _version(one: Any) -> int:
    """Versions grow, by the API's present promise and by what all servers have ever done."""
    text = str(one.metadata.resourceVersion or "0")
    return int(text) if text.isdigit() else 0


def names(objects: Iterable[Any]) -> tuple[str, ...]:
    """The names of objects, sorted."""
    return tuple(sorted(str(one.metadata.name) for one in objects))
