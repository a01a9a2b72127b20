"""Brings the local stack up, step by step, and takes it down."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ...sandbox.learning.version import ModelVersion
from ...sandbox.model.errors import StackError
from ...sandbox.model.scenario import Scenario
from ...sandbox.model.stack import Progress
from ...sandbox.world.cache import load_data
from ..control_plane.faults import Faults
from ..deploy.envoy.bootstrap import Listen
from ..deploy.envoy.gateway import Envoy
from ..deploy.envoy.names import Address
from ..deploy.envoy.program import explain, usable_envoy
from ..monitoring.alerting import Alerting
from ..monitoring.exporter import Exporter
from ..monitoring.rules import rules_text, wanted_metrics
from ..monitoring.scraper import Scraper
from ..monitoring.targets import Target
from ..real.controls import Controls
from ..real.findings import OF_REPLICAS
from ..real.machine.files import unwritable
from ..real.machine.installed import find_prometheus
from ..real.machine.ports import HOST, free_port
from ..real.machine.processes import Process, Supervisor
from ..real.machine.programs import Program
from ..real.machine.undo import UndoLog
from ..real.models import label_of, models_of
from ..real.node import Node
from ..real.pipeline import EARLY
from ..real.service import Urls
from ..real.stack import Drill
from ..real.trial import trial_of
from ..services.common.times import DrillClock
from .faults import mechanisms
from .platform import LocalPlatform, replicas
from .prometheus import PrometheusServer
from .service import Service
from .services import FEATURES, GATEWAY, LOAD, PIPELINE, Places, Programs
from .standing import write_where

PATIENCE = 60.0
"""Wall seconds that a service has to be ready."""
LEAD = 0.3
"""Wall seconds from the last readiness to the beginning of the warm-up."""
GRACE = 0.5
"""Wall seconds that processes have to end by themselves when the stack goes down: nobody waits for their answers any more."""
_POLL = 0.05
_TAKEN = re.compile(r"(port \d+ of \S+ is in use)")


def bring_up(scenario: Scenario, seed: int, folder: Path, progress: Progress) -> Drill:
    """Start everything; the warm-up begins when this returns. The drill's files are in a folder of its own in `folder`.

    Raises:
        StackError: something does not start; nothing is left behind.
        UsageError: data or models cannot be used, or the state folder not written.
    """
    ends = contextlib.ExitStack()
    try:
        return _Builder(scenario, seed, folder, progress, ends).build()
    except BaseException:
        ends.close()
        raise


class _Builder:
    """The steps, in their order."""

    def __init__(self, scenario: Scenario, seed: int, folder: Path, progress: Progress, ends: contextlib.ExitStack) -> None:
        self._scenario, self._seed, self._folder, self._progress, self._ends = scenario, seed, folder, progress, ends
        self._token = secrets.token_urlsafe(24)

    def build(self) -> Drill:
        """All of them."""
        scenario, progress = self._scenario, self._progress
        with _step(progress, "gateway program"):
            usable_envoy()
        models: dict[str, ModelVersion | str] = {**models_of(scenario, progress)}
        label = label_of(scenario.id, self._seed)
        places = Places(self._folder / label)
        supervisor = Supervisor(places.folder, label)
        self._ends.callback(_end, supervisor)
        try:
            places.make(scenario)
        except OSError as error:
            raise unwritable(places.folder, error) from error
        clock = DrillClock(time.monotonic() + scenario.warmup + PATIENCE)  # until it is known
        service = self._service(supervisor, places, clock, models)
        with _step(progress, "services"):
            self._wait(service)
        with _step(progress, "model servers"):
            self._wait_for_replicas(service)
        scraper, alerting = self._monitoring(service, supervisor, places)
        origin = time.monotonic() + scenario.warmup + LEAD
        clock.start(origin)
        self._tell_origin(service, origin)
        faults = Faults(mechanisms(service, UndoLog(places.folder), self._seed))
        node = Node(clock, service, scraper, service.scraped, -scenario.warmup)
        node.start()
        self._ends.callback(node.stop)
        trial = trial_of(str(self._envoy.listen.requests), load_data(progress), scenario.world)
        gateway = str(self._envoy.listen.requests)
        write_where(places.folder, scenario.id, gateway, alerting.url, alerting.used, trial)
        return Drill(service, node, faults, alerting, lambda: replicas(service), self._ends)

    def _service(
        self, supervisor: Supervisor, places: Places, clock: DrillClock, models: dict[str, ModelVersion | str]
    ) -> Service:
        """Start gateway, feature store, pipeline, clients and replicas, all at once."""
        listen = Listen(*(Address(HOST, free_port()) for _ in range(3)))
        ports = {name: free_port() for name in (FEATURES, PIPELINE, LOAD)}
        urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
        envoy = Envoy(places.folder / "envoy", listen)
        self._ends.callback(envoy.close)
        controls = Controls(self._token)
        self._ends.callback(controls.close)
        programs = Programs(self._scenario, self._seed, places, self._token, clock.origin, models)
        where = Urls(urls[FEATURES], urls[PIPELINE], urls[LOAD], f"http://{listen.metrics}")
        service = Service(self._scenario, clock, supervisor, programs, controls, envoy, where)
        self._ends.callback(service.close)
        service.begin()
        started = (
            Program(GATEWAY, tuple(envoy.command())),
            programs.features(ports[FEATURES]),
            programs.pipeline(ports[PIPELINE], urls[FEATURES]),
            programs.load(ports[LOAD], str(listen.requests)),
        )
        service.essential = {program.name: supervisor.start(program) for program in started}
        self._envoy = envoy
        return service

    def _wait(self, service: Service) -> None:
        """Wait for the services that all others need."""
        gateway = service.essential[GATEWAY]
        try:
            self._envoy.wait_ready(PATIENCE, gateway.alive)
        except StackError as error:
            if not gateway.alive():
                raise explain(gateway.log_path.read_text(errors="replace")) from error
            raise
        urls = {FEATURES: service.urls.features, PIPELINE: service.urls.pipeline, LOAD: service.urls.load}
        for place, (name, url) in enumerate(urls.items()):
            process = service.essential[name]
            _until(lambda url=url: service.controls.ready(url), process, name)  # type: ignore[misc]
            self._progress("services", (place + 1) / len(urls))

    def _wait_for_replicas(self, service: Service) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            service.round(service.clock.now())
            waiting = [one for one in service.fleet.replicas() if not one.is_ready]
            count = len(service.fleet.replicas())
            self._progress("model servers", 1.0 - len(waiting) / max(1, count))
            if not waiting:
                break
            for line in (line for line in service.errors() if line.component in service.fleet.names()):
                raise StackError(f"{line.component} does not start: {_advised(line.text)}")
            if time.monotonic() > deadline:
                raise StackError(f"{waiting[0].name} is not ready within {PATIENCE:g} s")
            time.sleep(_POLL)
        wanted = service.fleet.wanted()
        while self._envoy.healthy() != dict(wanted):
            if time.monotonic() > deadline:
                raise StackError(f"the gateway does not find the model servers ready within {PATIENCE:g} s")
            time.sleep(_POLL)

    def _monitoring(self, service: Service, supervisor: Supervisor, places: Places) -> tuple[Scraper, Alerting]:
        """Exporter, scraper, and Prometheus if there is one."""
        exporter = Exporter(LocalPlatform(service))
        exporter.start()
        self._ends.callback(exporter.stop)

        def targets() -> Sequence[Target]:
            return [*service.targets(), exporter.target()]

        scraper = Scraper(targets, wanted_metrics() | OF_REPLICAS)
        self._ends.callback(scraper.close)
        program = find_prometheus()
        server = None
        if program is not None:
            origin = time.monotonic() + self._scenario.warmup + LEAD
            server = PrometheusServer(places.folder / "prometheus", rules_text(self._scenario), targets, origin, program)
        alerting = Alerting(server, service.log)

        def start(name: str, argv: Sequence[str], environment: Mapping[str, str]) -> Callable[[], bool]:
            return supervisor.start(Program(name, tuple(argv), environment)).alive

        with _step(self._progress, "monitoring"):
            alerting.start(start, PATIENCE)
        self._ends.callback(alerting.close)
        service.retarget = alerting.retarget
        return scraper, alerting

    def _tell_origin(self, service: Service, origin: float) -> None:
        """All services count drill time from the same moment."""
        urls = service.urls
        replicas = [one.url for one in service.fleet.replicas()]
        origins = dict.fromkeys((urls.features, *replicas, urls.load), origin) | {urls.pipeline: origin - EARLY}
        for url, one in origins.items():
            service.controls.put(f"{url}/control/start", {"origin": one})
        service.programs.origin = origin


def _end(supervisor: Supervisor) -> None:
    """End all processes, and remove the drill's files; they stay for `drillbox down` if something cannot be ended."""
    supervisor.down(GRACE)
    shutil.rmtree(supervisor.folder, ignore_errors=True)


@contextlib.contextmanager
def _step(progress: Progress, name: str) -> Iterator[None]:
    progress(name, 0.0)
    yield
    progress(name, 1.0)


def _until(done: Callable[[], bool], process: Process, name: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if not process.alive():
            raise StackError(f"{name} does not start: {_advised(_tail(process.log_path))}")
        if time.monotonic() > deadline:
            raise StackError(f"{name} is not ready within {PATIENCE:g} s: {_tail(process.log_path)}")
        time.sleep(_POLL)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"


def _advised(text: str) -> str:
    """What a service says of itself, with advice for who did not choose its port."""
    taken = _TAKEN.search(text)
    return f"{taken[1]}: another program took it at this moment; try again" if taken else text
