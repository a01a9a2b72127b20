"""Short drills with one fault of the platform, played step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace

from drillbox.sandbox.model.events import Event, Failed, Observed, Rejected, Role
from drillbox.sandbox.model.params import Value, parse_params
from drillbox.sandbox.model.platform_faults import PLATFORM_FAULTS
from drillbox.sandbox.model.scenario import Beat, Scenario
from drillbox.sandbox.model.service import Autoscaler, ServiceSpec
from drillbox.sandbox.observing import BuiltInMonitor
from drillbox.sandbox.scoring.record import record_of
from drillbox.sandbox.session import DrillSession
from drillbox.stacks.sim.fleet import Pod, PodState
from drillbox.stacks.sim.stack import SimStack
from drillbox.testing import total

FAULTS = {fault.name: fault for fault in PLATFORM_FAULTS}
BEGINS = 10.0


def with_fault(calm: Scenario, name: str, lasts: float | None = None, at: float = BEGINS, **params: Value) -> Scenario:
    """The calm drill with a fault, its defaults filled in."""
    given = parse_params(FAULTS[name].params, params, base_units=True)
    return replace(calm, timeline=(Beat("beat", name, given, at=at, lasts=lasts),))


def scaled(scenario: Scenario, **autoscaler: Value) -> Scenario:
    """With an autoscaler."""
    settings = Autoscaler(**{"enabled": True, "minimum": 1, "maximum": 8, **autoscaler})  # type: ignore[arg-type]  # a test's own
    return replace(scenario, service=replace(scenario.service, autoscaler=settings))


@dataclass
class Drill:
    """A drill that is being played."""

    session: DrillSession
    stack: SimStack

    @classmethod
    def open(cls, scenario: Scenario, seed: int = 1) -> Drill:
        stack = SimStack()
        session = DrillSession(scenario, seed, stack, BuiltInMonitor(scenario))
        session.start(lambda _step, _done: None)
        return cls(session, stack)

    def play(self, until: float) -> Drill:
        """On to a drill second."""
        while self.session.now < until:
            self.session.advance()
        return self

    def do(self, action: str, **params: object) -> str:
        """Take an action and wait until it is in force: empty if it was accepted, else why not."""
        number = self.session.submit(action, params, "you").number
        self.session.advance()
        for event in self.session.events():
            if isinstance(event.body, Rejected | Failed) and event.body.number == number:
                return event.body.reason
        return ""

    @property
    def spec(self) -> ServiceSpec:
        """The desired state."""
        return self.session.snapshot().spec

    @property
    def pods(self) -> list[Pod]:
        """The champion's."""
        return self.stack._fleet.pods(0)

    @property
    def ready(self) -> list[Pod]:
        """Those of them that are ready."""
        return [pod for pod in self.pods if pod.state is PodState.READY]

    def sli(self, name: str) -> float:
        """The last value; an error if there is none."""
        return self.observed().slis[name]

    def observed(self) -> Observed:
        """The last observation in the journal."""
        return next(event.body for event in reversed(self.session.events()) if isinstance(event.body, Observed))

    def metric(self, name: str, **labels: str) -> float:
        """The sum over the last scrape."""
        return total(self.session.last_scrape, name, **labels)

    def logged(self, text: str, component: str = "") -> list[str]:
        """Log lines."""
        return [line.text for line in self.session.logs(component, text)]

    def harm(self) -> tuple[float, float]:
        """Requests that failed and that were slow."""
        ledger = self.observed().ledger
        return ledger["failed"], ledger["slow"]

    def fired(self) -> set[str]:
        """Alerts that have fired."""
        return {alert.name for _, alert in record_of(self.session.events()).alerts if alert.state == "firing"}

    def before(self, moment: float) -> list[Event]:
        """The journal up to a drill second, without its head, which holds the scenario."""
        return [event for event in self.session.events(role=Role.FACILITATOR) if event.at < moment and event.number > 0]
