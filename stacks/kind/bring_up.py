"""Brings a drill up on a cluster, step by step, and takes it down."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import httpx
from lightkube.resources.core_v1 import ConfigMap

from ...sandbox.learning.version import ModelVersion
from ...sandbox.model.errors import StackError
from ...sandbox.model.scenario import Scenario
from ...sandbox.model.stack import Progress
from ...sandbox.model.telemetry import AlertState
from ...sandbox.world.cache import load_data
from ..control_plane.faults import Faults
from ..deploy.kubernetes.names import EPOCH, GATEWAY, LOAD_TIME, PORT, PROMETHEUS, PROMETHEUS_PORT, TIMING_CONFIG
from ..deploy.kubernetes.setup import Setup
from ..deploy.kubernetes.workloads import load_time
from ..monitoring.alerting import Alerting
from ..monitoring.api import PrometheusApi
from ..monitoring.rules import wanted_metrics
from ..monitoring.scraper import Scraper
from ..real.controls import Controls
from ..real.findings import OF_REPLICAS
from ..real.machine.ports import HOST, free_port
from ..real.machine.processes import Supervisor
from ..real.machine.programs import Program
from ..real.models import label_of, models_of
from ..real.node import Node
from ..real.pipeline import EARLY
from ..real.stack import Drill
from ..real.trial import trial_of
from ..services.common.registry import RegistryClient
from ..services.common.times import DrillClock
from .cluster.beside import heedless
from .cluster.node_hands import Reach
from .cluster.programs import KIND, KUBECTL, find, with_docker
from .cluster.programs import Program as Installed
from .drill.deploying import PATIENCE, asking, deploy, name_nodes, wait_until_ready
from .drill.extras import Extras
from .drill.ground import ground_of
from .drill.images import bring, images_of
from .drill.patience import Patient
from .drill.place import Place
from .drill.proxy import Way, make_far, socket_of
from .drill.service import KindService
from .drill.standing import write_where
from .drill.ways import Ways, forwarding
from .faults.node_faults import check_workers
from .faults.shelter import shelter_dns
from .faults.table import mechanisms
from .records.drills import folder_of, write
from .settings import Settings

LEAD = 1.0
"""Wall seconds from the last readiness to the beginning of the warm-up: all services are told by way of the cluster's API."""
GRACE = 1.5
"""Wall seconds that processes of the host have to end by themselves."""
_POLL = 0.1


class Watcher:
    """The Prometheus of the drill, which the cluster runs. Implements `monitoring.alerting.Server`."""

    def __init__(self, api: PrometheusApi) -> None:
        self._api = api

    @property
    def url(self) -> str:
        """Where it is, by way of the cluster's API."""
        return self._api.url

    def write(self) -> None:
        """Nothing: its configuration is a ConfigMap."""

    def argv(self) -> list[str]:
        """Nothing: the cluster starts it."""
        return []

    def environment(self) -> dict[str, str]:
        """Nothing, likewise."""
        return {}

    def wait_ready(self, timeout: float, _alive: object) -> str:
        """Wait until it has loaded its rules; gives its version.

        Raises:
            StackError: it has not in time.
        """
        deadline = time.monotonic() + timeout
        while not self._api.ready():
            if time.monotonic() > deadline:
                raise StackError(f"Prometheus was not ready within {timeout:g} s")
            time.sleep(_POLL)
        return self._api.version()

    def alerts(self, now: float) -> tuple[AlertState, ...]:
        """The alerts that are pending or firing."""
        return self._api.alerts(now)

    def close(self) -> None:
        """Let go of connections."""
        self._api.close()


def bring_up(scenario: Scenario, seed: int, base: Path, progress: Progress) -> Drill:
    """Start everything; the warm-up begins when this returns. What the host writes is in `base`.

    A cluster that is there is used and stays; one that had to be made goes with the drill.

    Raises:
        StackError: something does not start; nothing is left behind.
        UsageError: data or models cannot be used, or the state folder not written.
    """
    ends = contextlib.ExitStack()
    try:
        return _Builder(scenario, seed, base, progress, ends).build()
    except BaseException:
        ends.close()
        raise


class _Builder:
    """The steps, in their order."""

    def __init__(self, scenario: Scenario, seed: int, base: Path, progress: Progress, ends: contextlib.ExitStack) -> None:
        self._scenario, self._seed, self._base, self._progress, self._ends = scenario, seed, base, progress, ends
        self._settings = Settings.read()
        self._token = secrets.token_urlsafe(24)
        self._ground = ground_of(base, label_of(scenario.id, seed), self._settings)
        self._ends.callback(self._ground.close)
        self._stays = self._unhealed = False

    def build(self) -> Drill:
        """All of them."""
        scenario, progress = self._scenario, self._progress
        ground = self._ground
        kubectl = self._kubectl()
        models = models_of(scenario, progress)
        label, place = ground.place.label, ground.place
        folder = folder_of(self._base, label)
        supervisor = Supervisor(folder, label)
        self._ends.callback(self._end, supervisor)
        socket = socket_of(folder, label)
        far = socket.parent if socket.parent != folder else None
        write(folder, ground.record(scenario.id, far))
        if far is not None:
            make_far(far)
            self._ends.callback(shutil.rmtree, far, ignore_errors=True)
        self._ends.callback(self._leave)
        images = images_of(self._settings)
        images = replace(images, application=ground.prepare(progress))
        missing = bring(self._settings, ground, progress)
        versions = {name: model.id for name, model in models.items()}
        setup = Setup(label, scenario, self._seed, self._token, images, versions, ground.namespace, ground.own)
        nodes = Reach.of(ground.engine, folder) if ground.engine is not None else None
        if nodes is not None:
            self._ends.callback(self._take_back, nodes)
        with place.client() as client:
            if ground.own:
                name_nodes(client)
                shelter_dns(client)
            deploy(client, setup, progress, lambda: ground.settle(progress))
        way = Way(socket, setup.where)
        ways = Ways(supervisor)
        proxy = ways.open(way.program(kubectl.path, place))
        way.wait(PATIENCE, proxy.alive)
        service = self._service(place, way)
        Extras(service, missing)
        service.watch.start(PATIENCE)
        self._upload(service, models.values())
        wait_until_ready(service.watch.seen, service.watch.pods, progress)
        self._wait_for_answers(service)
        port = free_port()
        ways.pods = service.watch.pods
        forward = forwarding(kubectl.path, place, GATEWAY, PORT, port)
        ways.open(Program("gateway-port", forward, place.environment()), GATEWAY)
        drill = self._begin(service, nodes)
        service.chores.append(ways.look)
        trial = trial_of(f"{HOST}:{port}", load_data(progress), scenario.world)
        write_where(folder, scenario.id, kubectl.path, place, port, trial, grafana=bool(setup.images.grafana))
        return drill

    def _kubectl(self) -> Installed:
        """It, once everything else is there too that a cluster takes: models are trained after that.

        Raises:
            StackError: a program is missing, or workers.
        """
        kubectl, ground = find(KUBECTL), self._ground
        if ground.own:
            check_workers(self._scenario, ground.workers, ground.cluster, there=ground.there)
            if not ground.there:
                find(KIND, with_docker())
        return kubectl

    def _service(self, place: Place, way: Way) -> KindService:
        """What looks after the objects; its orders are sent again while a service is away for a moment."""
        patient = Patient(way.transport())
        controls = Controls(self._token, patient)
        self._ends.callback(controls.close)
        clock = DrillClock(time.monotonic() + self._scenario.warmup + PATIENCE)  # until it is known
        service = KindService(self._scenario, clock, place, way, controls, self._ground.check)
        self._ends.callback(service.close)
        patient.worth_it = lambda: service.whole
        return service

    def _take_back(self, nodes: Reach) -> None:
        """Undo what faults did to nodes; what cannot be undone now stays in the log, for `drillbox down`."""
        self._unhealed = True
        nodes.take_back()
        self._unhealed = False

    def _leave(self) -> None:
        """Take away what is on the cluster, perhaps with that; if it stays, its record stays for `drillbox down`."""
        self._stays = True
        self._ground.leave(heedless(self._progress))
        self._stays = False
        self._unhealed &= self._ground.there

    def _end(self, supervisor: Supervisor) -> None:
        """The last that goes: processes, and the drill's folder."""
        supervisor.down(GRACE)
        if not (self._stays or self._unhealed):
            shutil.rmtree(supervisor.folder, ignore_errors=True)

    def _upload(self, service: KindService, models: Iterable[ModelVersion]) -> None:
        """Put the models of the drill into its registry."""
        deadline = time.monotonic() + PATIENCE
        while not service.controls.ready(service.urls.registry):
            if time.monotonic() > deadline:
                raise StackError(f"the registry is not ready within {PATIENCE:g} s")
            self._progress("registry", 0.0)  # where who does not want it any more is heard
            time.sleep(_POLL)
        with httpx.Client(transport=service.way.transport(), timeout=30.0, trust_env=False) as client:
            registry = RegistryClient(service.urls.registry, self._token, client)
            names = sorted({model.id for model in models})
            for number, name in enumerate(names, start=1):
                registry.upload(name)
                self._progress("models", number / len(names))

    def _wait_for_answers(self, service: KindService) -> None:
        """Until the gateway finds a model server ready, and all of them have been found."""
        url, deadline = f"{service.way.service(GATEWAY)}/v2/health/ready", time.monotonic() + PATIENCE
        with httpx.Client(transport=service.way.transport(), timeout=5.0, trust_env=False) as client:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if client.get(url).status_code == httpx.codes.OK:
                        return
                if time.monotonic() > deadline:
                    raise StackError(f"the gateway does not find a model server ready within {PATIENCE:g} s")
                self._progress("gateway", 0.0)
                time.sleep(_POLL)

    def _begin(self, service: KindService, nodes: Reach | None) -> Drill:
        """Monitoring, and t = 0."""
        scenario, clock = self._scenario, service.clock
        scraper = Scraper(service.targets, wanted_metrics() | OF_REPLICAS, transport=service.way.transport())
        self._ends.callback(scraper.close)
        origin = time.monotonic() + scenario.warmup + LEAD
        api = PrometheusApi(service.way.service(PROMETHEUS, PROMETHEUS_PORT), origin, service.way.transport())
        alerting = Alerting(Watcher(api), service.log)
        self._progress("monitoring", 0.0)
        alerting.start(lambda *_: lambda: True, PATIENCE)
        self._ends.callback(alerting.close)
        self._progress("monitoring", 1.0)
        origin = time.monotonic() + scenario.warmup + LEAD
        clock.start(origin)
        self._tell(service, origin)
        node = Node(clock, service, scraper, service.scraped, -scenario.warmup)
        node.start()
        self._ends.callback(node.stop)
        return Drill(service, node, Faults(mechanisms(service, self._seed, nodes)), alerting, service.replicas, self._ends)

    def _tell(self, service: KindService, origin: float) -> None:
        """All services count drill time from the same moment: those that run now by a control, later ones by a ConfigMap."""
        epoch = time.time() + (origin - time.monotonic())
        urls = service.urls
        pods = [service.way.pod(one.name) for one in service.pods() if one.running]
        moments = dict.fromkeys((urls.features, *pods, urls.load), epoch) | {urls.pipeline: epoch - EARLY}
        for url, moment in moments.items():
            service.controls.put(f"{url}/control/start", {"epoch": moment})
        timing = {EPOCH: repr(epoch), LOAD_TIME: repr(load_time(self._scenario.runtime))}
        with asking("timing"):
            service.client.patch(ConfigMap, TIMING_CONFIG, {"data": timing})
