"""`SimStack`: the simulation as a stack. SimPy runs the control plane, the kernel the data plane; drill time is virtual."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from ...sandbox.model.actions import ACTIONS
from ...sandbox.model.faults import FAULTS
from ...sandbox.model.params import Value
from ...sandbox.model.platform_actions import PUSHED
from ...sandbox.model.scenario import Scenario
from ...sandbox.model.service import Change, ServiceSpec, differences, with_fields
from ...sandbox.model.stack import ApplySpec, Capabilities, ClearFault, Effect, InjectFault, Progress
from ...sandbox.model.telemetry import SCRAPE_INTERVAL, Ledger, LogLine, Scrape, Telemetry
from ...sandbox.model.views import Table
from ..control_plane.steering import Steering, told
from .fleet import CHAMPION, POOLS, Fleet
from .logs import GATEWAY, Watch, shedding
from .traffic import Rate

if TYPE_CHECKING:
    import simpy

    from ..control_plane.faults import Faults
    from ..control_plane.model_book import ModelBook
    from ..control_plane.quality import QualityMonitor
    from ..control_plane.retraining import RetrainingLoop
    from .metrics import Exporter
    from .pipeline import Pipeline
    from .plane import Plane
    from .service import Service
    from .views import Views

CAPABILITIES = Capabilities(faults=frozenset(FAULTS), actions=frozenset(ACTIONS), paced=False)


class SimStack:
    """One simulated service. Heavy packages are imported by `up`."""

    def __init__(self) -> None:
        self._up = False
        self._book: ModelBook | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the simulation can realise."""
        return CAPABILITIES

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        """Open the world, train or load the model, and start the replicas, ready at the start of the warm-up."""
        import simpy

        from ..control_plane.assembly import DataPlane, open_control_plane
        from ..control_plane.faults import Faults
        from ..control_plane.model_metrics import ModelMetrics
        from .faults import Parts, mechanisms
        from .metrics import Exporter
        from .pipeline import open_pipeline
        from .platform import open_platform
        from .service import open_service
        from .sources import PlaneAnswers, PlaneReplicas, PlaneVersions
        from .views import Views, freshness

        self._scenario = scenario
        self._spec: ServiceSpec = scenario.service
        self._logs: list[LogLine] = []
        self._changes: list[Change] = []
        self._scrapes: list[Scrape] = []
        self._service: Service = open_service(scenario, seed, progress)
        self._plane: Plane = self._service.plane
        self._rate = Rate(scenario.world.traffic, self._service.world.rate_curve(-scenario.warmup))
        self._env: simpy.Environment = simpy.Environment(initial_time=-scenario.warmup)
        self._fleet = Fleet(self._env, self._plane, self._service.models, scenario.runtime, self._log, self._rolled_out)
        prices = scenario.world.prices
        platform = open_platform(self._env, self._plane, self._fleet, lambda: self._spec, prices, seed, self._log)
        self._plane.set_gateway(self._spec.gateway, self._spec.fallback)
        for pool, workload in enumerate((self._spec.champion, self._spec.candidate, self._spec.shadow)):
            self._fleet.reconcile(pool, workload, at_once=True)
        steering = Steering(self._env, lambda: self._spec, self._desire, self._log)
        self._pipeline: Pipeline = open_pipeline(self._env, self._service, seed, self._log)
        store, scorer = self._pipeline.store, self._pipeline.scorer
        seen = DataPlane(
            self._service.world,
            PlaneVersions(self._service, scorer),
            PlaneAnswers(self._service, scorer),
            PlaneReplicas(self._plane, self._fleet),
            lambda: freshness(store, self._quality.now),
        )
        control = open_control_plane(steering, seen, scenario)
        self._quality: QualityMonitor = control.quality
        self._book = control.book
        self._loop: RetrainingLoop = control.loop
        self._views: Views = Views(control.views, self._plane, self._fleet, platform)
        parts = Parts(steering, platform, self._plane, self._rate, scenario.world.clients, self._pipeline, seed)
        self._faults: Faults = Faults({**control.faults, **mechanisms(parts)})
        self._own: dict[str, Callable[[Value], object]] = {
            "gateway.threshold": lambda threshold: self._pipeline.scorer.set_threshold(float(threshold)),
            "platform.partner": lambda share: self._plane.refuse_partner(1.0 - float(share)),
            "platform.drained": lambda which: platform.nodes.drain(str(which).partition("#")[0]),
            "monitoring.restarted": lambda _which: platform.scraping.restart(),
            "retraining.restarted": lambda _which: self._loop.restart(),
        }
        model_metrics = ModelMetrics(self._quality, self._loop, store.ages)
        self._exporter: Exporter = Exporter(self._plane, self._fleet, platform, prices, model_metrics)
        watch = Watch(self._env, self._plane, self._fleet, self._log)
        for process in (self._pipeline.run, *control.processes, self._scrape, watch.run):
            self._env.process(process())
        self._paid_seconds = 0.0  # of replicas, the warm-up's included
        self._replica_seconds = 0.0  # from t = 0
        self._up = True

    def apply(self, effect: Effect) -> None:
        """Put an effect into force now."""
        match effect:
            case InjectFault(beat, fault, params):
                self._faults.begin(beat, fault, params)
            case ClearFault(beat):
                self._faults.end(beat)
            case ApplySpec(_, changes):
                for change in changes:
                    self._change(change)

    def advance(self, until: float) -> Telemetry:
        """Virtual time goes to `until`: the data plane flows between the control plane's events."""
        env = self._env
        while env.peek() <= until:
            self._flow(env.peek())
            env.step()
        self._flow(until)
        if env.now < until:
            env.run(until=until)
        self._fleet.sweep()
        return self._telemetry(until)

    def finish(self) -> Telemetry:
        """No new requests: what is in flight comes to its end."""
        self._plane.finish()
        return self._telemetry(self._env.now)

    def down(self) -> None:
        """Nothing runs outside this process: let go of the state."""
        self._up = False
        if self._book is not None:
            self._book.close()
            self._book = None

    def look(self, view: str, subject: str = "") -> Table:
        """What a view shows now."""
        return self._views.look(view, subject)

    def _flow(self, until: float) -> None:
        """Let requests arrive and be served up to `until`."""
        now = self._plane.now
        if until <= now:
            return  # another event of the same moment
        for start, end, rate in self._rate.pieces(now, until):
            batch = self._service.arrivals(start, end, rate)
            self._plane.advance(end, *batch)
        pods = len(self._fleet.pods())
        self._paid_seconds += pods * (until - now)
        self._replica_seconds += pods * max(0.0, until - max(0.0, now))

    def _desire(self, spec: ServiceSpec, by: str, why: str = "") -> None:
        """A controller or a pipeline of the service changes the desired state."""
        for change in differences(self._spec, spec, by, why):
            self._changes.append(change)
            if change.field != PUSHED:  # that is bookkeeping: the fields themselves are told
                self._log(by, "info", told(change))
            self._change(change)

    def _change(self, change: Change) -> None:
        """Put one changed field into force."""
        self._spec = with_fields(self._spec, {change.field: change.after})
        part, _, name = change.field.partition(".")
        if change.field == "gateway.shed":
            self._log(GATEWAY, "warning", shedding(float(change.before), float(change.after)))
        if part in {"gateway", "fallback"}:
            self._plane.set_gateway(self._spec.gateway, self._spec.fallback)
        if change.field in self._own:
            self._own[change.field](change.after)
        elif part == "features":
            self._pipeline.change(change, self._spec.features)
        elif f"model-{part}" in POOLS:
            pool = POOLS.index(f"model-{part}")
            workload = (self._spec.champion, self._spec.candidate, self._spec.shadow)[pool]
            if name == "previous":
                return
            if name == "restarted":
                self._fleet.replace(pool, str(change.after).partition("#")[0], workload)
            else:
                self._fleet.reconcile(pool, workload)

    def _rolled_out(self, pool: int, version: str) -> None:
        """The registry follows the deployment."""
        if pool == CHAMPION and self._book is not None and version:
            self._book.deployed(version, POOLS[pool], "rollout complete")

    def _scrape(self) -> Generator[simpy.Event, None, None]:
        """Take a scrape at every multiple of the interval."""
        while True:
            paid = (self._paid_seconds, self._loop.training_seconds)
            self._scrapes.append(self._exporter.scrape(self._env.now, self._spec, *paid))
            yield self._env.timeout(SCRAPE_INTERVAL)

    def _log(self, component: str, severity: str, text: str) -> None:
        self._logs.append(LogLine(self._env.now, component, severity, text))

    def _telemetry(self, at: float) -> Telemetry:
        """What has come together since the last step."""
        counted = self._plane.counts()
        paid = (self._replica_seconds, self._loop.training_seconds)
        ledger = Ledger(counted.failed, counted.slow, counted.ok, counted.prediction_cost, *paid)
        versions = self._book.told() if self._book is not None else ()
        told = (tuple(self._scrapes), tuple(self._logs), tuple(self._changes))
        telemetry = Telemetry(at, *told, ledger, self._fleet.names(), versions)
        self._scrapes, self._logs, self._changes = [], [], []
        return telemetry
