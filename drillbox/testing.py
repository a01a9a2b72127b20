"""The contract of a stack, as checks that any back end can run, third-party ones too.

    import pytest
    from drillbox.testing import StackCase, stack_parameters

    @pytest.mark.parametrize(**stack_parameters())
    def test_contract(check):
        check(StackCase(make=MyStack, scenario=my_scenario))

Without pytest, call each of `stack_checks()`; one that fails raises `AssertionError`.

The scenario must have a traffic spike in its timeline; its profile `short` will do. Each check makes stacks of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypedDict

from .sandbox.model.actions import ACTIONS
from .sandbox.model.errors import StackError, UsageError
from .sandbox.model.faults import FAULTS
from .sandbox.model.params import Params
from .sandbox.model.scenario import Beat, Scenario
from .sandbox.model.service import Change, ServiceSpec, differences, get, with_fields
from .sandbox.model.stack import ApplySpec, Capabilities, ClearFault, InjectFault, Stack
from .sandbox.model.telemetry import SCRAPE_INTERVAL, Scrape, Telemetry
from .sandbox.model.views import VIEWS

REQUIRED_METRICS = frozenset(
    {
        "envoy_gateway_rq_time_bucket",
        "envoy_gateway_rq_time_count",
        "envoy_gateway_rq_time_sum",
        "envoy_gateway_rq_retry",
        "envoy_gateway_rq_retry_overflow",
        "envoy_gateway_rq_shed",
        "envoy_gateway_rq_no_healthy_upstream",
        "model_server_ready",
        "model_server_slots",
        "model_server_queue_length",
        "model_server_inflight",
        "model_server_busy_seconds_total",
        "model_server_requests_total",
        "model_server_predictions_total",
        "model_server_restarts_total",
        "kube_deployment_spec_replicas",
        "service_cost_dollars_total",
        "up",
    }
)
"""Producers' metrics that the monitor's catalogue reads."""

_GAUGES = frozenset(
    {
        "model_server_ready",
        "model_server_slots",
        "model_server_queue_length",
        "model_server_inflight",
        "kube_deployment_spec_replicas",
        "up",
    }
)
"""Of the required metrics those that may fall; all others are counters."""
_SEVERITIES = frozenset({"debug", "info", "warning", "error"})
_PATIENCE = 120.0
"""Seconds of drill time within which an effect must show."""


@dataclass(frozen=True)
class StackCase:
    """How to make a stack, and a scenario that it can play. `deterministic`: equal seeds give equal telemetry."""

    make: Callable[[], Stack]
    scenario: Scenario
    seed: int = 1
    deterministic: bool = False

    @property
    def spike(self) -> Beat:
        """The scenario's traffic spike."""
        return next(beat for beat in self.scenario.timeline if beat.fault == "traffic.spike")


Check = Callable[[StackCase], None]


@dataclass
class _Played:
    """A stack that is up, and all that it has told since."""

    stack: Stack
    now: float
    spec: ServiceSpec
    telemetry: list[Telemetry] = field(default_factory=list)

    @property
    def scrapes(self) -> list[Scrape]:
        return [scrape for one in self.telemetry for scrape in one.scrapes]

    def play(self, until: float) -> None:
        """Advance second by second."""
        while self.now < until:
            self.now = min(until, self.now + 1.0)
            self.telemetry.append(self.stack.advance(self.now))

    def apply(self, **values: float | str | bool) -> None:
        """Change fields of the spec; a double underscore stands for the dot."""
        paths = {name.replace("__", "."): value for name, value in values.items()}
        wanted = with_fields(self.spec, dict(paths))
        self.stack.apply(ApplySpec(wanted, differences(self.spec, wanted, "check")))
        self.spec = wanted

    def until(self, what: str, holds: Callable[[Scrape], bool], patience: float = _PATIENCE) -> None:
        """Play on until a scrape shows something."""
        deadline = self.now + patience
        while self.now < deadline:
            self.play(self.now + SCRAPE_INTERVAL)
            if self.scrapes and holds(self.scrapes[-1]):
                return
        raise AssertionError(f"{what}: not seen within {patience:.0f} s of drill time")


def total(scrape: Scrape, name: str, **labels: str) -> float:
    """The sum over the series of a metric whose labels include these."""
    wanted = set(labels.items())
    pairs = zip(scrape.series, scrape.values, strict=True)
    return float(sum(value for one, value in pairs if one.name == name and wanted <= set(one.labels)))


@contextmanager
def _up(case: StackCase, seed: int | None = None) -> Iterator[_Played]:
    """A stack brought up to the end of its warm-up, and down again whatever happens."""
    stack = case.make()
    try:
        stack.up(case.scenario, case.seed if seed is None else seed, lambda _step, _done: None)
        played = _Played(stack, -case.scenario.warmup, case.scenario.service)
        played.play(0.0)
        yield played
    finally:
        stack.down()


def check_capabilities_are_known_before_up(case: StackCase) -> None:
    """What a stack can do is told before anything runs, and covers the scenario."""
    able = case.make().capabilities
    assert isinstance(able, Capabilities)
    assert able.faults <= FAULTS.keys(), "faults are those of the catalogue"
    assert able.actions <= ACTIONS.keys(), "actions are those of the catalogue"
    assert {beat.fault for beat in case.scenario.timeline} <= able.faults
    assert {step.action for book in case.scenario.runbooks.values() for step in book.steps} <= able.actions


def check_down_is_always_possible(case: StackCase) -> None:
    """Before `up`, after it, and twice."""
    stack = case.make()
    stack.down()
    stack.up(case.scenario, case.seed, lambda _step, _done: None)
    stack.down()
    stack.down()


def check_down_after_a_failed_up(case: StackCase) -> None:
    """Whoever watches the progress breaks `up` off (as Ctrl-C does); the stack goes down, and another one comes up after it."""

    def break_off(_step: str, _done: float) -> None:
        raise StackError("broken off by a check")

    stack = case.make()
    try:
        with suppress(StackError):  # a stack that tells no progress comes up
            stack.up(case.scenario, case.seed, break_off)
    finally:
        stack.down()
        stack.down()
    with _up(case) as played:
        assert played.telemetry[-1].at == 0.0


def check_time_is_where_it_was_asked_to_be(case: StackCase) -> None:
    """`advance` returns at `until`; scrapes lie at multiples of the interval, in order, none twice and none left out."""
    with _up(case) as played:
        first = len(played.telemetry)
        played.play(12.5)
        assert [one.at for one in played.telemetry[first:]] == [*(float(at) for at in range(1, 13)), 12.5]
        times = [scrape.at for scrape in played.scrapes]
        assert all(abs(at / SCRAPE_INTERVAL - round(at / SCRAPE_INTERVAL)) < 1e-9 for at in times)
        assert all(abs(after - before - SCRAPE_INTERVAL) < 1e-9 for before, after in pairwise(times))
        assert times[-1:] == [10.0]
        before = -case.scenario.warmup
        for one in played.telemetry:
            assert all(before - 1e-9 <= scrape.at <= one.at for scrape in one.scrapes), "a scrape is told in the step of its time"
            before = one.at


def check_scrapes_are_well_formed(case: StackCase) -> None:
    """Sorted unique series, one value each, the same tuple while the set is the same, and every metric that the monitor reads."""
    with _up(case) as played:
        played.play(SCRAPE_INTERVAL)
        for scrape in played.scrapes:
            assert list(scrape.series) == sorted(set(scrape.series))
            assert len(scrape.series) == len(scrape.values)
            assert all(math.isfinite(value) for value in scrape.values.tolist())
        for before, after in pairwise(played.scrapes):
            assert (before.series is after.series) == (before.series == after.series)
        last = played.scrapes[-1]
        missing = REQUIRED_METRICS - {one.name for one in last.series}
        assert not missing, f"missing: {', '.join(sorted(missing))}"


def check_counters_never_fall(case: StackCase) -> None:
    """Counters only grow while what exports them runs on, and a histogram's buckets are cumulative."""
    with _up(case) as played:
        played.apply(champion__restarted="all#1")
        played.play(30.0)
        for before, after in pairwise(played.scrapes):
            values = dict(zip(before.series, before.values.tolist(), strict=True))
            restarts = {one.label("pod"): value for one, value in values.items() if one.name == "model_server_restarts_total"}
            for one, value in zip(after.series, after.values.tolist(), strict=True):
                restarted = total(after, "model_server_restarts_total", pod=one.label("pod")) != restarts.get(one.label("pod"))
                if one.name in REQUIRED_METRICS - _GAUGES and one in values and not (one.label("pod") and restarted):
                    assert value >= values[one], f"{one} fell from {values[one]} to {value} at {after.at} s"
        _check_buckets(played.scrapes[-1])


def _check_buckets(scrape: Scrape) -> None:
    """By class of response, each bucket holds the smaller ones, and the last one all."""
    name = "envoy_gateway_rq_time"
    classes = {one.label("response_code_class") for one in scrape.series if one.name == f"{name}_bucket"}
    assert "2xx" in classes
    for one in classes:
        own = [
            series for series in scrape.series if series.name == f"{name}_bucket" and series.label("response_code_class") == one
        ]
        bounds = sorted((series.label("le") for series in own), key=float)
        counts = [total(scrape, f"{name}_bucket", response_code_class=one, le=bound) for bound in bounds]
        assert bounds[-1] == "+Inf"
        assert counts == sorted(counts)
        assert counts[-1] == total(scrape, f"{name}_count", response_code_class=one)
    assert total(scrape, f"{name}_count", response_code_class="2xx") > 0


def check_the_ledger_counts_every_request_once(case: StackCase) -> None:
    """It grows, holds nothing from before t = 0, and in the end every request of the drill is failed, slow or ok."""
    with _up(case) as played:
        ledger = played.telemetry[-1].ledger
        assert ledger.failed + ledger.slow + ledger.ok == 0
        assert ledger.replica_seconds == 0
        played.play(20.0)
        sums = [one.ledger.failed + one.ledger.slow + one.ledger.ok for one in played.telemetry]
        assert sums == sorted(sums)
        assert sums[-1] > 0
        last = played.stack.finish().ledger
        settled = last.failed + last.slow + last.ok
        scheduled = case.scenario.world.traffic.rate * 20.0
        assert abs(settled - scheduled) < 6.0 * scheduled**0.5, (
            f"{settled} requests in 20 s at {case.scenario.world.traffic.rate}/s"
        )
        assert last.replica_seconds > 0


def check_scaling_shows(case: StackCase) -> None:
    """More replicas are wanted at once and ready later; fewer again in the end."""
    with _up(case) as played:
        before = played.spec.champion.replicas
        played.apply(autoscaler__enabled=False, champion__replicas=before + 2)
        played.until(
            "wanted at once",
            lambda one: total(one, "kube_deployment_spec_replicas", deployment="model-champion") == before + 2,
            SCRAPE_INTERVAL,
        )
        played.until("ready", lambda one: total(one, "model_server_ready", deployment="model-champion") == before + 2)
        played.apply(champion__replicas=before)
        played.until("gone", lambda one: total(one, "model_server_ready", deployment="model-champion") == before)


def check_shedding_shows(case: StackCase) -> None:
    """A share of the requests is refused while it lasts, and none afterwards."""
    with _up(case) as played:
        played.apply(gateway__shed=0.5)
        refused = total(played.scrapes[-1], "envoy_gateway_rq_time_count", response_code_class="4xx")
        answered = total(played.scrapes[-1], "envoy_gateway_rq_time_count")
        played.until("refused", lambda one: total(one, "envoy_gateway_rq_shed") > 100)
        refused = total(played.scrapes[-1], "envoy_gateway_rq_time_count", response_code_class="4xx") - refused
        answered = total(played.scrapes[-1], "envoy_gateway_rq_time_count") - answered
        assert abs(refused - 0.5 * answered) < 3.0 * answered**0.5, f"{refused:.0f} of {answered:.0f} requests were refused (4xx)"
        played.apply(gateway__shed=0.0)
        played.play(played.now + 2 * SCRAPE_INTERVAL)
        shed = total(played.scrapes[-1], "envoy_gateway_rq_shed")
        played.play(played.now + 2 * SCRAPE_INTERVAL)
        assert total(played.scrapes[-1], "envoy_gateway_rq_shed") == shed


def check_restarting_shows(case: StackCase) -> None:
    """A restart of all makes the replicas unready, and they come back."""
    with _up(case) as played:
        wanted = played.spec.champion.replicas
        played.apply(champion__restarted="all#1")
        played.until("unready", lambda one: total(one, "model_server_ready", deployment="model-champion") < wanted)
        played.until("back", lambda one: total(one, "model_server_ready", deployment="model-champion") >= wanted)


def check_fallback_shows(case: StackCase) -> None:
    """With the fallback on, rules answer."""
    with _up(case) as played:
        assert total(played.scrapes[-1], "model_server_predictions_total", source="rules") == 0
        played.apply(fallback="always")
        played.until("rules", lambda one: total(one, "model_server_predictions_total", source="rules") > 100)


def check_a_fault_comes_and_goes(case: StackCase) -> None:
    """A spike multiplies the traffic while it lasts."""
    params: Params = {"factor": 3.0, "ramp": 0.0}
    usual = case.scenario.world.traffic.rate * 2 * SCRAPE_INTERVAL
    with _up(case) as played:
        played.apply(autoscaler__enabled=False)

        def requests() -> float:
            before = total(played.scrapes[-1], "envoy_gateway_rq_time_count")
            played.play(played.now + 2 * SCRAPE_INTERVAL)
            return total(played.scrapes[-1], "envoy_gateway_rq_time_count") - before

        played.stack.apply(InjectFault(case.spike.id, "traffic.spike", params))
        played.play(played.now + SCRAPE_INTERVAL)
        assert requests() > 2.0 * usual
        played.stack.apply(ClearFault(case.spike.id))
        played.play(played.now + 60.0)
        assert requests() < 1.5 * usual


def check_controllers_report_their_changes(case: StackCase) -> None:
    """What the autoscaler changes is told as a change, and in the log."""
    params: Params = {"factor": 4.0, "ramp": 0.0}
    with _up(case) as played:
        low = played.spec.champion.replicas
        played.apply(autoscaler__enabled=True, autoscaler__minimum=low, autoscaler__maximum=low + 4)
        played.stack.apply(InjectFault(case.spike.id, "traffic.spike", params))
        played.play(_PATIENCE)
        changes = [change for one in played.telemetry for change in one.changes]
        assert any(change.field == "champion.replicas" and change.by == "autoscaler" for change in changes)
        _check_changes(played.spec, changes)


def _check_changes(spec: ServiceSpec, changes: list[Change]) -> None:
    """Each goes on from the one before, and none repeats what an effect has changed."""
    for change in changes:
        assert change.by, f"nobody has changed {change.field}"
        assert change.before != change.after
        assert get(spec, change.field) == change.before, f"{change.field} was {get(spec, change.field)}, not {change.before}"
        spec = with_fields(spec, {change.field: change.after})


def check_log_lines_are_an_on_calls(case: StackCase) -> None:
    """Something is logged when replicas restart; each line has its time, component, severity and text, and names no injector."""
    with _up(case) as played:
        played.stack.apply(InjectFault(case.spike.id, "traffic.spike", {"factor": 2.0, "ramp": 0.0}))
        played.apply(champion__restarted="all#1")
        played.play(30.0)
        lines = [line for one in played.telemetry for line in one.logs]
        assert [line for line in lines if line.at >= 0.0], "nothing was logged"
        for line in lines:
            assert line.component, line
            assert line.text.strip() == line.text, line
            assert line.text, line
            assert line.severity in _SEVERITIES, line
            assert -case.scenario.warmup <= line.at <= played.now, line
            assert not any(word in line.text for word in (case.spike.id, "traffic.spike", "inject")), f"a spoiler: {line}"


def check_telemetry_names_the_replicas(case: StackCase) -> None:
    """The names that commands may use are those of the series."""
    with _up(case) as played:
        pods = {one.label("pod") for one in played.scrapes[-1].series if one.name == "model_server_ready"}
        assert pods == set(played.telemetry[-1].replicas)


def check_views_are_tables_or_refused(case: StackCase) -> None:
    """Each view of the catalogue is a table with as many cells in each row as columns; what there is not is refused in words."""
    with _up(case) as played:
        look = played.stack.look
        for view in VIEWS.values():
            subjects = view.subjects or ((case.scenario.service.champion.version,) if view.subject else ("",))
            for subject in subjects:
                table = look(view.name, subject)
                assert table.title, view.name
                assert table.rows or view.lists, f"{view.name} {subject} shows nothing"
                assert all(len(row) == len(table.columns) for row in table.rows), f"rows of {view.name} do not fit its columns"
        for name, absent in (("crystal-ball", ""), ("feature", "luck"), ("version", "v-none")):
            told = ""
            with suppress(UsageError):
                told = look(name, absent).title
            assert not told, f"{name} {absent} was shown: {told}"


def check_equal_seeds_give_equal_telemetry(case: StackCase) -> None:
    """Only for stacks that promise it: the same seed is the same drill, another seed is another one."""
    if not case.deterministic:
        return
    runs = []
    for seed in (case.seed, case.seed, case.seed + 1):
        with _up(case, seed) as played:
            played.play(30.0)
            last = played.scrapes[-1]
            runs.append((last.series, last.values.tolist(), played.telemetry[-1].ledger))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def stack_checks() -> tuple[Check, ...]:
    """Every check of the contract."""
    return (
        check_capabilities_are_known_before_up,
        check_down_is_always_possible,
        check_down_after_a_failed_up,
        check_time_is_where_it_was_asked_to_be,
        check_scrapes_are_well_formed,
        check_counters_never_fall,
        check_the_ledger_counts_every_request_once,
        check_scaling_shows,
        check_shedding_shows,
        check_restarting_shows,
        check_fallback_shows,
        check_a_fault_comes_and_goes,
        check_controllers_report_their_changes,
        check_log_lines_are_an_on_calls,
        check_telemetry_names_the_replicas,
        check_views_are_tables_or_refused,
        check_equal_seeds_give_equal_telemetry,
    )


class Parameters(TypedDict):
    """Arguments of `pytest.mark.parametrize`."""

    argnames: str
    argvalues: tuple[Check, ...]
    ids: list[str]


def stack_parameters() -> Parameters:
    """For `pytest.mark.parametrize`: the test is called with each check as `check`, under the check's name."""
    checks = stack_checks()
    return Parameters(argnames="check", argvalues=checks, ids=[check.__name__ for check in checks])
