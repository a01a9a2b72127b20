"""Orders to services that forget them with their containers: what is in force is given again to each one that begins anew.

Nobody gets rid of a fault by deleting the pod of the gateway, the registry or the feature store, nor by scaling them. In each
round every pod that serves is compared with what is in force, and is told what it does not know. What a restart does repair is
not told again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ....sandbox.model.errors import StackError
from ...deploy.kubernetes.names import CONTROLLER_PORT, FEATURES, GATEWAY, PORT, REGISTRY
from ...real.controls import RefusedError
from ..drill.lives import is_ready, of_component, runs
from ..drill.service import KindService

PAUSE = 1.0
"""Drill seconds until a pod that was not reached is tried again."""
STALE = "features.stale"
"""A stream stands still until its consumers start again, and they do with their container."""
_WRONG = (400, 422)
"""What a service answers that will never take an order."""

Body = Mapping[str, object]


@dataclass(slots=True)
class _Life:
    """One run of a pod's containers, and the orders that it has, by path."""

    id: frozenset[str]
    ready: bool = True
    told: dict[str, Body] = field(default_factory=dict)
    welcomed: bool = True  # it has what its beginning took from it beside orders


@dataclass(slots=True)
class _Part:
    """A component, what is in force for it, by path, and its pods as they are known."""

    component: str
    port: int
    welcome: Callable[[str, str], None] | None = None  # takes the name of a pod that began anew, and its URL
    orders: dict[str, Body] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    lives: dict[str, _Life] = field(default_factory=dict)
    again: float = float("-inf")  # drill time
    trouble: str = ""


class Orders:
    """Gives them, as `real.controls.Controls` would, to all pods of gateway, registry and feature store.

    Args:
        service: of the drill; its watch has begun.
    """

    def __init__(self, service: KindService) -> None:
        self._service = service
        urls = service.urls
        self._parts = {
            urls.controller: _Part(GATEWAY, CONTROLLER_PORT),
            urls.registry: _Part(REGISTRY, PORT),
            urls.features: _Part(FEATURES, PORT, self._read_again),
        }
        for part in self._parts.values():
            part.lives = {name: _Life(*found) for name, found in self._found(part).items()}
        self._lock = threading.Lock()  # not the service's: while a pod is waited for, the watch may log
        service.chores.append(self.look)

    def put(self, url: str, body: Body) -> None:
        """Something is in force from now on; who does not serve now is told later.

        Raises:
            StackError: the service does not take it.
        """
        part, path = self._at(url)
        with self._lock:
            part.orders[path] = body
            part.delivered.discard(path)
            try:
                self._tell_all(part)
            except RefusedError:
                del part.orders[path]
                raise

    def delete(self, url: str) -> None:
        """It is no longer.

        Raises:
            StackError: the service does not take it.
        """
        part, path = self._at(url)
        with self._lock:
            part.orders.pop(path, None)
            self._tell_all(part)

    def look(self, now: float) -> None:
        """Tell those that began anew, or were not reached before."""
        if not self._lock.acquire(blocking=False):
            return  # an order is on its way
        try:
            for part in self._parts.values():
                if now >= part.again:
                    self._look(part, now)
        finally:
            self._lock.release()

    def _look(self, part: _Part, now: float) -> None:
        try:
            reached = self._tell_all(part)
        except RefusedError as error:
            if str(error) != part.trouble:
                self._service.log(part.component, "warning", f"does not take its settings: {error}")
            part.trouble, reached = str(error), False
        if not reached:
            part.again = now + PAUSE

    def _tell_all(self, part: _Part) -> bool:
        """Whether all that serve know all now."""
        before, part.lives = part.lives, {}
        for name, (id_, ready) in self._found(part).items():
            known = before.get(name)
            part.lives[name] = known if known is not None and known.id == id_ else _Life(id_, welcomed=False)
            part.lives[name].ready = ready
        repaired = {path for path in part.delivered if part.orders.get(path, {}).get("fault") == STALE}
        for path in repaired - {path for life in part.lives.values() for path in life.told}:
            part.orders.pop(path, None)
        reached = True
        for name, life in part.lives.items():
            if not life.ready:
                continue
            try:
                self._tell(part, name, life, repaired)
            except StackError as error:
                if isinstance(error, RefusedError) and error.status in _WRONG:
                    raise
                reached = False
        return reached

    def _tell(self, part: _Part, name: str, life: _Life, repaired: set[str]) -> None:
        """Bring one pod to what is in force."""
        controls, url = self._service.controls, self._service.way.pod(name, part.port)
        for path in [path for path in life.told if path not in part.orders]:
            controls.delete(f"{url}{path}")
            del life.told[path]
        for path, body in part.orders.items():
            if life.told.get(path) != body and path not in repaired:
                controls.put(f"{url}{path}", body)
                life.told[path] = body
                part.delivered.add(path)
        if not life.welcomed:
            if part.welcome is not None:
                part.welcome(name, url)
            life.welcomed = True

    def _read_again(self, pod: str, url: str) -> None:
        """A feature store that began anew reads the desired feed, and all values as the faults in force have them."""
        features = self._service.spec.features
        settings = {"feed": features.feed, "restarted": features.restarted or pod}
        self._service.controls.post(f"{url}/control/settings", settings)

    def _found(self, part: _Part) -> dict[str, tuple[frozenset[str], bool]]:
        """The runs of its pods, by name, and whether they serve."""
        pods = of_component(self._service.watch.pods(), part.component)
        return {str(pod.metadata and pod.metadata.name): (runs(pod), is_ready(pod)) for pod in pods}

    def _at(self, url: str) -> tuple[_Part, str]:
        return next((part, url.removeprefix(base)) for base, part in self._parts.items() if url.startswith(f"{base}/"))
