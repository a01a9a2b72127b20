"""The controller as a whole: what is watched, and what follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence

import httpx
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Node, Pod

from ....sandbox.model.scenario import Version
from ...control_plane.gateway_faults import Injected
from ...deploy.envoy.gateway import Envoy
from ...deploy.envoy.names import POOLS, Address
from ...deploy.envoy.policy import Policy
from ..common.environment import live, slowness
from ..common.logs import Log
from ..common.scenarios import read_scenario
from .api import Health, Reflector, open_client
from .desired import CONFIGS, Desired
from .disturbing import Disturbance, Suffering, keep, recall
from .platform import ClusterPlatform
from .pods import SERVERS, ServerPod, server_pod
from .settings import ControllerSettings
from .steering import Steering
from .telling import Settings, Teller
from .usage import Meter

ASK_PIPELINE = 2.0
"""Seconds between two questions for the seconds of training."""


class Controller:
    """State and life of the controller.

    Args:
        settings: from the environment.
        log: of the service.

    Raises:
        StackError: the Kubernetes API cannot be used.
        UsageError: the scenario cannot be read.
    """

    def __init__(self, settings: ControllerSettings, log: Log) -> None:
        self._settings, self._log = settings, log
        self._scenario = None if settings.scenario is None else read_scenario(settings.scenario)
        self._client = open_client(settings.namespace)
        self.health = Health(log)
        self.desired = Desired(log)
        self.injected = recall(settings.folder, Disturbance).injected
        self.suffering = recall(settings.folder, Suffering)
        self.policy = Policy(self.desired.spec.gateway)
        self.teller = Teller(settings.token, settings.servers_port, log, self._changed, self._first, self._own)
        self.steering = Steering(Envoy(settings.folder, settings.listen), log)
        self._pods = Reflector(self._client, Pod, "pods", self.health, self._changed, labels=SERVERS)
        self._deployments = Reflector(self._client, Deployment, "deployments", self.health, self._changed, labels=SERVERS)
        self._nodes = Reflector(self._client, Node, "nodes", self.health, self._changed, optional=True)
        self._configs = {
            name: Reflector(
                self._client, ConfigMap, f"ConfigMap {name}", self.health, self._changed, fields={"metadata.name": name}
            )
            for name in CONFIGS
        }
        self._meter = Meter(self._client, lambda: self.servers, log)
        self._trained = 0.0
        self.servers: Sequence[ServerPod] = ()
        """Pods of model servers."""
        self.platform = ClusterPlatform(self, self._meter.usage, lambda: self._trained, self._scenario)
        self._tasks: list[asyncio.Task[None]] = []
        self._terminating = False

    @property
    def deployments(self) -> Sequence[Deployment]:
        """Of model servers."""
        return list(self._deployments.objects.values())

    @property
    def nodes(self) -> Sequence[Node]:
        """All; none if the account may not see them."""
        return list(self._nodes.objects.values())

    @property
    def servers_port(self) -> int:
        """Where model servers listen."""
        return self._settings.servers_port

    def why_not_ready(self) -> str:
        """Why the gateway is not steered; empty if it is. A silent API is no reason: what is known stays in force."""
        if self._terminating:
            return "the controller is terminating"
        waiting = [one.what for one in self._watched() if not one.synced]
        if waiting:
            return f"the Kubernetes API has not told of {', '.join(waiting)} yet"
        return "" if self.steering.ready else "Envoy does not answer yet"

    async def begin(self) -> None:
        """Begin to watch."""
        jobs: list[Coroutine[object, object, None]] = [one.run() for one in (*self._watched(), self._nodes)]
        jobs.append(self._meter.run())
        if self._settings.pipeline_url:
            jobs.append(self._ask_pipeline())
        self._tasks = [asyncio.create_task(self._guarded(job)) for job in jobs]

    def stop(self) -> None:
        """Be ready no more; Envoy goes on until its own end."""
        self._terminating = True

    async def end(self) -> None:
        """Stop watching, telling and steering."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.teller.close()
        await self._meter.close()
        await self._client.close()
        await asyncio.to_thread(self.steering.close)

    def inject(self, injected: Injected) -> None:
        """Disturb the gateway like this."""
        self.injected = injected
        keep(self._settings.folder, Disturbance.of(injected), self._log)
        self._changed()

    def suffer(self, wanted: Suffering) -> None:
        """Tell model servers of this from now on."""
        self.suffering = wanted
        keep(self._settings.folder, wanted, self._log)
        self._changed()

    def _watched(self) -> list[Reflector[Pod] | Reflector[Deployment] | Reflector[ConfigMap]]:
        return [self._pods, self._deployments, *self._configs.values()]

    async def _guarded(self, job: Coroutine[object, object, None]) -> None:
        """A task that fails is a defect: it is logged, and the process goes on without it no longer than its probe allows."""
        try:
            await job
        except Exception as error:  # noqa: BLE001 -- the log is the only place where it can be told
            self._log("error", f"a task of the controller failed: {error!r}")
            self._terminating = True

    def _changed(self) -> None:
        """Put into force what follows from the objects as they are; before all were listed nothing does."""
        for name, config in self._configs.items():
            if config.synced:
                found = config.objects.get(name)
                self.desired.read(name, None if found is None else found.data or {})
        self.servers = [one for pod in self._pods.objects.values() if (one := server_pod(pod))]
        self.platform.look()
        if not all(one.synced for one in self._watched()):
            return
        self.teller.tell(self.servers, live(self.desired.spec))
        self.policy = Policy(self.desired.spec.gateway, self._endpoints(), self.injected)
        self.steering.steer(self.policy)

    def _endpoints(self) -> Mapping[str, tuple[Address, ...]]:
        """Those that Kubernetes calls ready and that have their settings; Envoy looks itself whether they answer."""
        serving = sorted(
            (pod for pod in self.servers if pod.ready and pod.ip and not pod.leaving and self.teller.admits(pod)),
            key=lambda pod: pod.name,
        )
        port = self._settings.servers_port
        return {pool: tuple(Address(pod.ip, port) for pod in serving if pod.pool == pool) for pool in POOLS}

    def _first(self, version: str) -> Settings:
        """By how much the answers of a version are slower, if the scenario says so."""
        known = self._scenario is not None and version in self._scenario.deployable
        return slowness(self._scenario.version(version) if known and self._scenario else Version(version))

    def _own(self, pod: ServerPod) -> Settings:
        """What one model server is told beside what all are."""
        return self.suffering.told(self.desired.spec.servers.settings, pod)

    async def _ask_pipeline(self) -> None:
        """Keep the seconds of training; while the pipeline does not answer they stay."""
        url = f"{self._settings.pipeline_url.rstrip('/')}/control/state"
        headers = {"Authorization": f"Bearer {self._settings.token}"}
        async with httpx.AsyncClient(headers=headers, timeout=2.0, trust_env=False) as client:
            while True:
                try:
                    told = (await client.get(url)).raise_for_status().json()
                    self._trained = float(told["training_seconds"])
                except (httpx.HTTPError, ValueError, KeyError, TypeError):
                    pass  # it is not up yet, or restarts: nothing to act on
                await asyncio.sleep(ASK_PIPELINE)
