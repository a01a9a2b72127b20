"""Live settings carried to the model servers: to all when they change, and to each container that has just started."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import httpx

from ..common.logs import Log
from .pods import ServerPod

PATIENCE = 5.0
"""Seconds that a container which is ready may not get requests because it does not take its settings."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds from one attempt to tell a container to the next."""
ANSWER = 2.0
"""Seconds that a model server has to answer."""

Settings = Mapping[str, object]


@dataclass(slots=True)
class _Life:
    """One run of a container, and what it was told."""

    id: str
    wanted: Settings
    told: Settings | None = None
    task: asyncio.Task[None] | None = None
    trusted: bool = False  # it served before this process began: another has told it
    waiting: float | None = None  # loop time at which it was first seen ready, yet not told


class Teller:
    """Tells.

    Args:
        token: of the model servers' controls; without one they are off, and nobody is told anything.
        port: of the model servers.
        log: of containers that do not take settings.
        changed: is called when a container may get requests that might not before.
        first: gives what a container of a version is told beside, once in its life.
        own: gives what a pod is told beside what all are.
    """

    def __init__(
        self,
        token: str,
        port: int,
        log: Log,
        changed: Callable[[], None],
        first: Callable[[str], Settings] = lambda _version: {},
        own: Callable[[ServerPod], Settings] = lambda _pod: {},
    ) -> None:
        self._port, self._log, self._changed, self._first, self._own = port, log, changed, first, own
        self._off = not token
        self._first_look = True
        self._client = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER, trust_env=False)
        self._lives: dict[str, _Life] = {}
        self.results: Counter[str] = Counter()
        """Attempts by how they ended: ok, refused, failed."""

    def tell(self, pods: Iterable[ServerPod], settings: Settings) -> None:
        """Go on telling all containers that run, of all pods that there are."""
        if self._off:
            return
        running = {pod.name: pod for pod in pods if pod.running and pod.ip and not pod.leaving}
        for name in [name for name, life in self._lives.items() if name not in running or running[name].life != life.id]:
            self._stop(self._lives.pop(name))
        loop = asyncio.get_running_loop()
        for name, pod in running.items():
            wanted = {**settings, **self._own(pod)}
            life = self._lives.setdefault(name, _Life(pod.life, wanted, trusted=self._first_look and pod.ready))
            life.wanted = wanted
            if pod.ready and life.told is None and not life.trusted and life.waiting is None:
                life.waiting = loop.time()
                loop.call_later(PATIENCE + 0.01, self._expire, pod, life)
            if life.told != wanted and (life.task is None or life.task.done()):
                life.task = loop.create_task(self._deliver(pod, life))
        self._first_look = False

    def admits(self, pod: ServerPod) -> bool:
        """Whether a container may get requests: it has its settings, or has had its time to take them."""
        if self._off:
            return True
        life = self._lives.get(pod.name)
        if life is None or life.id != pod.life:
            return False
        late = life.waiting is not None and asyncio.get_running_loop().time() - life.waiting >= PATIENCE
        return life.told is not None or life.trusted or late

    async def close(self) -> None:
        """Stop telling."""
        tasks = [life.task for life in self._lives.values() if life.task]
        for life in self._lives.values():
            self._stop(life)
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _expire(self, pod: ServerPod, life: _Life) -> None:
        if life.told is None and self._lives.get(pod.name) is life:
            self._log("warning", f"{pod.name} does not take its settings: it gets requests all the same")
            self._changed()

    async def _deliver(self, pod: ServerPod, life: _Life) -> None:
        """Try until it has what is wanted of it, which may change meanwhile."""
        pause = FIRST_PAUSE
        url = f"http://{_host(pod.ip)}:{self._port}/control/settings"
        while life.told != life.wanted:
            wanted = life.wanted
            try:
                more = self._first(pod.version) if life.told is None else {}
                answer = await self._client.post(url, json={**wanted, **more})
            except httpx.HTTPError as error:
                self.results["failed"] += 1
                if life.told is not None and pause == FIRST_PAUSE:
                    self._log(
                        "warning", f"{pod.name}: settings were not taken: {str(error) or type(error).__name__}; tried again"
                    )
            else:
                if answer.is_success:
                    self.results["ok"] += 1
                    first, life.told = life.told is None, wanted
                    if first:
                        self._changed()
                    continue
                self.results["refused"] += 1
                if pause == FIRST_PAUSE:
                    self._log("warning", f"{pod.name}: settings were refused: {answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(pause)
            pause = min(2.0 * pause, LONGEST_PAUSE)

    @staticmethod
    def _stop(life: _Life) -> None:
        if life.task:
            life.task.cancel()


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
