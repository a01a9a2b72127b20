"""The Kubernetes API, of a pod's own account: its client, and lists of objects that a watch keeps fresh.

An API server that does not answer, restarts, or no longer knows the version that a watch goes on from, is nothing unusual: what
is known stays as it is, and the objects are listed anew, at first at once, then after ever longer pauses.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Generic, TypeVar, cast

from lightkube import AsyncClient, KubeConfig
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.core.resource import GlobalResource, NamespacedResource

from ....sandbox.model.errors import StackError
from ..common.logs import Log

RESYNC = 30.0
"""Seconds of silence after which objects are listed anew, whether anything has been missed or not."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds from one trouble with the API to the next attempt."""
_GONE = 410
_DENIED = (401, 403, 404)

T = TypeVar("T", bound="NamespacedResource | GlobalResource")


def open_client(namespace: str) -> AsyncClient:
    """A client by the file in `KUBECONFIG`, else of the pod's own account.

    Raises:
        StackError: there is neither, or it cannot be used.
    """
    try:
        path = os.environ.get("KUBECONFIG")
        config = KubeConfig.from_file(path) if path else KubeConfig.from_service_account()
        return AsyncClient(config, namespace=namespace or None, trust_env=False)
    except (ConfigError, OSError, KeyError, ValueError) as error:
        raise StackError(f"the Kubernetes API cannot be used: {error}; is this a pod with a service account?") from None


class Health:
    """Whether the API answers, over all watches; the log tells when that changes."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._failing: dict[str, str] = {}
        self.errors: Counter[str] = Counter()
        """Troubles so far, by what was asked for."""
        self.lists: Counter[str] = Counter()
        """Lists so far, by what was asked for."""

    @property
    def answers(self) -> bool:
        """Whether nothing is amiss."""
        return not self._failing

    def fine(self, what: str) -> None:
        """It answered."""
        was = self._failing.pop(what, None)
        if was is not None and not self._failing:
            self._log("info", "the Kubernetes API answers again")

    def trouble(self, what: str, why: str) -> None:
        """It did not, or not with success."""
        self.errors[what] += 1
        if not self._failing:
            self._log("warning", f"the Kubernetes API fails ({what}: {why}): the gateway goes on with what is known")
        self._failing[what] = why


class Reflector(Generic[T]):
    """The objects of one kind, as the API last told, in a task of their own.

    Args:
        client: of the API.
        kind: of the objects.
        what: their name in logs and metrics.
        health: is told of troubles.
        changed: is called after each change.
        optional: whether the account need not be allowed to see them: then there are none.
        select: labels or fields that they have, as lightkube takes them.
    """

    def __init__(
        self,
        client: AsyncClient,
        kind: type[T],
        what: str,
        health: Health,
        changed: Callable[[], None],
        *,
        optional: bool = False,
        **select: Mapping[str, str],
    ) -> None:
        self._client, self._kind, self.what, self._health, self._changed = client, kind, what, health, changed
        self._optional, self._select = optional, select
        self.objects: dict[str, T] = {}
        """By name."""
        self.synced = False
        """Whether they were listed, ever."""

    async def run(self) -> None:
        """Keep them fresh until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                version = await self._list()
                pause = FIRST_PAUSE
                await self._watch(version)
            except Exception as error:  # noqa: BLE001 -- whatever the API or what is before it answers, the watch goes on
                if self._without(error):
                    return
                if status(error) == _GONE:  # the version is too old: nothing is wrong
                    await asyncio.sleep(FIRST_PAUSE)
                    continue
                self._health.trouble(self.what, _reason(error))
                await asyncio.sleep(pause)
                pause = min(2.0 * pause, LONGEST_PAUSE)

    async def _list(self) -> str:
        listed = self._ask(self._client.list)
        found = {_name(one): one async for one in listed}
        self.objects, self.synced = found, True
        self._health.lists[self.what] += 1
        self._health.fine(self.what)
        self._changed()
        return str(listed.resourceVersion)

    async def _watch(self, version: str) -> None:
        """Take changes in until there are none for a while, or the connection breaks."""
        events = cast("AsyncIterator[tuple[str, T]]", aiter(self._ask(self._client.watch, resource_version=version)))
        while True:
            try:
                async with asyncio.timeout(RESYNC):
                    event, one = await anext(events)
            except (TimeoutError, StopAsyncIteration):
                return
            if event == "DELETED":
                self.objects.pop(_name(one), None)
            elif event in {"ADDED", "MODIFIED"}:
                self.objects[_name(one)] = one
            self._changed()

    def _ask(self, verb: Callable[..., Any], **more: object) -> Any:
        return verb(self._kind, **self._select, **more)

    def _without(self, error: Exception) -> bool:
        if not self._optional or self.synced or status(error) not in _DENIED:
            return False
        self.synced = True
        self._health.fine(self.what)
        self._changed()
        return True


def status(error: Exception) -> int:
    """The HTTP status of what the API answered; 0 if it did not."""
    return int(error.status.code or 0) if isinstance(error, ApiError) else 0


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def _name(one: NamespacedResource | GlobalResource) -> str:
    return str(cast("Any", one).metadata.name)
