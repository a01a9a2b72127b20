"""What the model servers' containers use: by the kubelets' cAdvisor if the account may ask it, else by the metrics API.

The kubelets measure every ten seconds or so; the metrics API knows memory only. What is older than `STALE` counts as unknown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import httpx2
from lightkube import AsyncClient
from lightkube.config import client_adapter
from lightkube.generic_resource import create_namespaced_resource
from prometheus_client.parser import text_string_to_metric_families

from ...deploy.kubernetes.names import MODEL_SERVER
from ..common.logs import Log
from .pods import ServerPod, quantity

PERIOD = 5.0
"""Seconds between two questions."""
ANSWER = 8.0
"""Seconds that a kubelet has to answer."""
STALE = 45.0
"""Seconds after which a measurement no longer counts."""
SOON, LATER = 10.0, 60.0
"""Seconds after which somebody who did not answer is asked again, and one who refused."""
_MIB = 2.0**20
_MEMORY = "container_memory_working_set_bytes"
_PERIODS = "container_cpu_cfs_periods_total"
_THROTTLED = "container_cpu_cfs_throttled_periods_total"
_WANTED = (_MEMORY, _PERIODS, _THROTTLED)
_METRICS = create_namespaced_resource("metrics.k8s.io", "v1beta1", "PodMetrics", "pods")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one container uses; None is what nobody tells."""

    memory: float | None = None  # MiB
    periods: float | None = None  # of its CPU quota so far
    throttled: float | None = None  # those in which the quota ran out


class Meter:
    """Asks in a task of its own.

    Args:
        client: of the API.
        pods: gives the model servers' pods.
        log: says once who does not tell.
    """

    def __init__(self, client: AsyncClient, pods: Callable[[], Iterable[ServerPod]], log: Log) -> None:
        self._client, self._pods, self._log = client, pods, log
        self._raw = client_adapter.AsyncClient(client.config, client_adapter.ConnectionParams(trust_env=False))
        self._found: dict[str, tuple[float, Usage]] = {}
        self._silent: dict[str, float] = {}  # who did not tell, and when it is worth asking again

    def usage(self, pod: str) -> Usage | None:
        """The last measurement of a pod, if it still counts."""
        at, used = self._found.get(pod, (float("-inf"), Usage()))
        return used if time.monotonic() - at <= STALE else None

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(PERIOD)

    async def ask(self) -> None:
        """Ask everybody once."""
        pods = {pod.name: pod for pod in self._pods()}
        for name in self._found.keys() - pods.keys():
            del self._found[name]
        nodes = sorted({pod.node for pod in pods.values() if pod.node})
        told = await asyncio.gather(*(self._kubelet(node) for node in nodes))  # each notes its own answer at once
        deaf = {node for node, ok in zip(nodes, told, strict=True) if not ok}
        if any(pod.node in deaf for pod in pods.values()):
            await self._metrics_api({name for name, pod in pods.items() if pod.node in deaf})

    async def close(self) -> None:
        """Give connections back."""
        await self._raw.aclose()

    async def _kubelet(self, node: str) -> bool:
        who = f"the kubelet of {node}"
        if not self._worth_asking(who):
            return False
        try:
            async with asyncio.timeout(ANSWER):  # a node that is lost lets everybody wait
                answer = await self._raw.get(f"/api/v1/nodes/{node}/proxy/metrics/cadvisor")
            answer.raise_for_status()
            found = dict(read_cadvisor(answer.text, self._client.namespace))
        except Exception as error:  # noqa: BLE001 -- without it there is no measurement, and the gateway goes on
            self._missed(who, error)
            return False
        self._note(found)
        return True

    async def _metrics_api(self, names: set[str]) -> None:
        who = "the metrics API"
        if not self._worth_asking(who):
            return
        try:
            found = {}
            async for one in self._client.list(_METRICS):
                name = (one.metadata.name if one.metadata else None) or ""
                for container in one.get("containers") or ():
                    if name in names and container.get("name") == MODEL_SERVER:
                        found[name] = Usage(quantity(str(container.get("usage", {}).get("memory", ""))) / _MIB)
        except Exception as error:  # noqa: BLE001 -- as above
            self._missed(who, error)
            return
        self._note(found)

    def _note(self, found: dict[str, Usage]) -> None:
        now = time.monotonic()
        self._found |= {name: (now, used) for name, used in found.items()}

    def _worth_asking(self, who: str) -> bool:
        return time.monotonic() >= self._silent.get(who, float("-inf"))

    def _missed(self, who: str, error: Exception) -> None:
        if who not in self._silent:
            told = str(error).strip().splitlines() or [type(error).__name__]
            self._log("info", f"{who} does not tell what containers use: {told[0]}")
        self._silent[who] = time.monotonic() + (LATER if isinstance(error, httpx2.HTTPStatusError) else SOON)


def read_cadvisor(text: str, namespace: str) -> Iterator[tuple[str, Usage]]:
    """What the model servers' containers of a namespace use, by pod, from a kubelet's exposition."""
    mark, container = f'namespace="{namespace}"', f'container="{MODEL_SERVER}"'
    lines = [line for line in text.splitlines() if line.startswith(_WANTED) and mark in line and container in line]
    found: dict[str, Usage] = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            pod = sample.labels.get("pod", "")
            used = found.get(pod, Usage())
            match sample.name:
                case "container_memory_working_set_bytes":
                    found[pod] = replace(used, memory=sample.value / _MIB)
                case "container_cpu_cfs_periods_total":
                    found[pod] = replace(used, periods=sample.value)
                case "container_cpu_cfs_throttled_periods_total":
                    found[pod] = replace(used, throttled=sample.value)
    yield from found.items()
