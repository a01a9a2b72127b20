"""What the containers of a drill write, followed through the Kubernetes API as `kubectl logs --follow` does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from lightkube import AsyncClient
from lightkube.resources.core_v1 import Pod

Hear = Callable[[str, str], None]
"""`hear(pod, line)`."""
PAUSE = 1.0
"""Seconds until a log is asked for again that could not be had, or that broke off."""

_Life = tuple[str, str, str]  # pod, container, id of its run


class PodLogs:
    """Follows each run of each container from its beginning, by tasks of the loop that `look` is called in.

    Args:
        client: of the API.
        hear: is told of each line.
        without: components whose pods nobody on call could look into.
    """

    def __init__(self, client: AsyncClient, hear: Hear, without: frozenset[str] = frozenset()) -> None:
        self._client, self._hear, self._without = client, hear, without
        self._tasks: dict[_Life, asyncio.Task[None]] = {}

    def look(self, pods: Iterable[Any]) -> None:
        """Follow all containers that have begun to run."""
        for life in _lives(pods, self._without):
            if life not in self._tasks:
                self._tasks[life] = asyncio.create_task(self._follow(life))

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _follow(self, life: _Life) -> None:
        """Until the run is over: then the log of that container is at its end, or of another run."""
        pod, container, _ = life
        heard = 0
        while True:
            number = 0
            with suppress(Exception):  # the API server restarts, the node is gone: later, if at all
                async for line in self._client.log(pod, container=container, follow=True, newlines=False):
                    number += 1
                    if number > heard:
                        heard = number
                        self._hear(pod, line)
                if heard:
                    return
            await asyncio.sleep(PAUSE)
            if not await self._runs(life):
                return

    async def _runs(self, life: _Life) -> bool:
        try:
            pod = await self._client.get(Pod, life[0])
        except Exception:  # noqa: BLE001 -- whatever it is: without an answer nobody can say
            return True
        return life in set(_lives([pod], self._without))


def _lives(pods: Iterable[Any], without: frozenset[str]) -> Iterator[_Life]:
    for pod in pods:
        labels = pod.metadata.labels or {}
        if labels.get("app.kubernetes.io/component", "") in without:
            continue
        for one in (pod.status.containerStatuses if pod.status else None) or ():
            if one.containerID and one.state and one.state.running:
                yield str(pod.metadata.name), str(one.name), str(one.containerID)
