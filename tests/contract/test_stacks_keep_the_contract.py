"""One suite for every stack, and proof that each of its claims can fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Change
from drillbox.sandbox.model.stack import ApplySpec, Capabilities, ClearFault, Effect, InjectFault, Progress
from drillbox.sandbox.model.telemetry import Ledger, LogLine, Scrape, Telemetry
from drillbox.sandbox.model.views import Table
from drillbox.stacks.sim.stack import SimStack
from drillbox.testing import Check, StackCase, stack_checks, stack_parameters


def scenario() -> Scenario:
    return load_scenario(Library.packaged().find("monday-rush"), "short")


@pytest.mark.parametrize(**stack_parameters())
def test_the_simulation_keeps_the_contract(check: Check) -> None:
    check(StackCase(SimStack, scenario(), deterministic=True))


class Broken(SimStack):
    """A simulation that breaks the contract in one way."""

    spoil: Callable[[Telemetry], Telemetry] = staticmethod(lambda telemetry: telemetry)

    def advance(self, until: float) -> Telemetry:
        return self.spoil(super().advance(until))


def _scrapes(change: Callable[[Scrape], Scrape]) -> Callable[[Telemetry], Telemetry]:
    return lambda telemetry: dataclasses.replace(telemetry, scrapes=tuple(change(scrape) for scrape in telemetry.scrapes))


def _scaled(factor: float, *names: str) -> Callable[[Scrape], Scrape]:
    """The named metrics multiplied by a factor."""

    def change(scrape: Scrape) -> Scrape:
        own = np.array([series.name in names for series in scrape.series])
        return dataclasses.replace(scrape, values=np.where(own, factor * scrape.values, scrape.values))

    return change


def _without(name: str) -> Callable[[Scrape], Scrape]:
    """A metric left out."""

    def change(scrape: Scrape) -> Scrape:
        kept = [place for place, series in enumerate(scrape.series) if series.name != name]
        return dataclasses.replace(scrape, series=tuple(scrape.series[place] for place in kept), values=scrape.values[kept])

    return change


def _told(**fields: object) -> Callable[[Telemetry], Telemetry]:
    """Some fields of the telemetry replaced."""
    return lambda telemetry: dataclasses.replace(telemetry, **fields)  # type: ignore[arg-type]  # each line names fields of its own


def _log(**fields: str | float) -> Callable[[Telemetry], Telemetry]:
    """Some fields of all log lines replaced."""
    return lambda one: dataclasses.replace(one, logs=tuple(dataclasses.replace(line, **fields) for line in one.logs))  # type: ignore[arg-type]


def able(faults: set[str], actions: set[str]) -> type[SimStack]:
    """A simulation that claims to be able to do this."""
    own = Capabilities(frozenset(faults), frozenset(actions), paced=False)
    return type("Able", (SimStack,), {"capabilities": property(lambda _self: own)})


class DownOnce(SimStack):
    """Cannot be taken down before it was up."""

    there = False

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        self.there = True
        super().up(scenario, seed, progress)

    def down(self) -> None:
        assert self.there, "nothing to take down"
        super().down()


class DownTwice(SimStack):
    """Cannot be taken down twice."""

    def down(self) -> None:
        assert not getattr(self, "gone", False), "it is gone already"
        self.gone = True


class LeavesALock(SimStack):
    """Leaves something behind if it could not be brought up."""

    locked = False

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        assert not LeavesALock.locked, "another one is up"
        LeavesALock.locked = True
        progress("starting", 0.5)
        super().up(scenario, seed, progress)
        LeavesALock.locked = False


class Deaf(SimStack):
    """Applies nothing."""

    def apply(self, effect: Effect) -> None:
        """Ignore it."""


class HearsOnce(SimStack):
    """Applies the first change of the spec and the first fault only."""

    def apply(self, effect: Effect) -> None:
        heard = self.__dict__.setdefault("heard", set())
        if type(effect) not in heard and not isinstance(effect, ClearFault):
            heard.add(type(effect))
            super().apply(effect)


class DeafToFaults(SimStack):
    """Injects nothing."""

    def apply(self, effect: Effect) -> None:
        if not isinstance(effect, InjectFault):
            super().apply(effect)


class Echoing(SimStack):
    """Tells the operator's changes once more as its own."""

    def apply(self, effect: Effect) -> None:
        self.__dict__.setdefault("echoes", []).extend(effect.changes if isinstance(effect, ApplySpec) else ())
        super().apply(effect)

    def advance(self, until: float) -> Telemetry:
        echoes, self.__dict__["echoes"] = tuple(self.__dict__.get("echoes", ())), []
        telemetry = super().advance(until)
        return dataclasses.replace(telemetry, changes=echoes + telemetry.changes)


class Moody(SimStack):
    """Plays another seed every time."""

    count = 0

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        Moody.count += 1
        super().up(scenario, seed + Moody.count, progress)


def seeing(look: Callable[[SimStack, str, str], Table]) -> type[SimStack]:
    """A simulation whose views are these."""
    return type("Seeing", (SimStack,), {"look": look})


def _ragged(stack: SimStack, view: str, subject: str) -> Table:
    table = SimStack.look(stack, view, subject)
    return dataclasses.replace(table, columns=table.columns[1:])


class Stubborn(SimStack):
    """Plays the same seed every time."""

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:  # noqa: ARG002  # that is what is wrong with it
        super().up(scenario, 1, progress)


def spoiled(spoil: Callable[[Telemetry], Telemetry]) -> type[Broken]:
    return type("Spoiled", (Broken,), {"spoil": staticmethod(spoil)})


def scraped(change: Callable[[Scrape], Scrape]) -> type[Broken]:
    return spoiled(_scrapes(change))


def _by_nobody(one: Telemetry) -> Telemetry:
    return dataclasses.replace(one, changes=tuple(dataclasses.replace(change, by="") for change in one.changes))


def _from_nowhere(one: Telemetry) -> Telemetry:
    return dataclasses.replace(one, changes=(*one.changes, Change("champion.queue", -1, 5, "somebody")))


def _doubled(scrape: Scrape) -> Scrape:
    return dataclasses.replace(scrape, series=scrape.series * 2, values=np.tile(scrape.values, 2))


def _without_class(name: str) -> Callable[[Scrape], Scrape]:
    """A class of responses left out."""

    def change(scrape: Scrape) -> Scrape:
        kept = [place for place, series in enumerate(scrape.series) if series.label("response_code_class") != name]
        return dataclasses.replace(scrape, series=tuple(scrape.series[place] for place in kept), values=scrape.values[kept])

    return change


COUNT = "envoy_gateway_rq_time_count"
BROKEN: dict[str, dict[str, type[SimStack]]] = {
    "check_capabilities_are_known_before_up": {
        "incapable": able(set(), set()),
        "unknown fault": able({"traffic.spike", "moon.full"}, {"declare"}),
        "unknown action": able({"traffic.spike"}, {"declare", "pray"}),
    },
    "check_down_is_always_possible": {"once": DownOnce, "twice": DownTwice},
    "check_down_after_a_failed_up": {"twice": DownTwice, "lock": LeavesALock},
    "check_time_is_where_it_was_asked_to_be": {
        "late": spoiled(lambda one: dataclasses.replace(one, at=one.at + 0.5)),
        "no scrapes": spoiled(_told(scrapes=())),
        "odd times": scraped(lambda one: dataclasses.replace(one, at=one.at + 0.5)),
        "one left out": spoiled(lambda one: dataclasses.replace(one, scrapes=one.scrapes if one.at != 5.0 else ())),
    },
    "check_scrapes_are_well_formed": {
        "a new tuple": scraped(lambda one: dataclasses.replace(one, series=(*one.series,))),
        "unsorted": scraped(lambda one: dataclasses.replace(one, series=one.series[::-1], values=one.values[::-1])),
        "twice": scraped(_doubled),
        "too few values": scraped(lambda one: dataclasses.replace(one, values=one.values[:-1])),
        "no number": scraped(_scaled(float("nan"), COUNT)),
        "a metric missing": scraped(_without("up")),
    },
    "check_counters_never_fall": {
        "falling": scraped(_scaled(-1.0, COUNT)),
        "of a pod": scraped(_scaled(-1.0, "model_server_busy_seconds_total")),
        "money": scraped(_scaled(-1.0, "service_cost_dollars_total")),
        "buckets above the count": scraped(_scaled(0.5, COUNT)),
        "no answers": scraped(_without_class("2xx")),
    },
    "check_the_ledger_counts_every_request_once": {
        "always seven": spoiled(_told(ledger=Ledger(ok=7))),
        "nothing": spoiled(_told(ledger=Ledger())),
        "falling": spoiled(
            lambda one: dataclasses.replace(one, ledger=Ledger(ok=max(0, 1000 - int(one.at)) if one.at > 0 else 0))
        ),
    },
    "check_scaling_shows": {"deaf": Deaf, "only once": HearsOnce},
    "check_shedding_shows": {
        "deaf": Deaf,
        "only once": HearsOnce,
        "without its class": scraped(_without_class("4xx")),
    },
    "check_restarting_shows": {"deaf": Deaf},
    "check_fallback_shows": {"deaf": Deaf},
    "check_a_fault_comes_and_goes": {"deaf": DeafToFaults, "for ever": HearsOnce},
    "check_controllers_report_their_changes": {
        "no spike": DeafToFaults,
        "silent": spoiled(_told(changes=())),
        "by nobody": spoiled(_by_nobody),
        "from nowhere": spoiled(_from_nowhere),
        "echo": Echoing,
    },
    "check_log_lines_are_an_on_calls": {
        "silent": spoiled(_told(logs=())),
        "nobody": spoiled(_log(component="")),
        "nothing": spoiled(_log(text="")),
        "shouting": spoiled(_log(severity="FATAL")),
        "tomorrow": spoiled(_log(at=1e6)),
        "spoiler": spoiled(lambda one: dataclasses.replace(one, logs=(LogLine(one.at, "x", "info", "traffic.spike begins"),))),
    },
    "check_telemetry_names_the_replicas": {"nobody": spoiled(_told(replicas=())), "others": spoiled(_told(replicas=("pod",)))},
    "check_views_are_tables_or_refused": {
        "blind": seeing(lambda _stack, view, _subject: Table(view, ("x",), (), {})),
        "ragged": seeing(_ragged),
        "seeing everything": seeing(
            lambda stack, view, subject: SimStack.look(stack, "rows", "") if subject else SimStack.look(stack, view, "")
        ),
    },
    "check_equal_seeds_give_equal_telemetry": {"moody": Moody, "stubborn": Stubborn},
}
CHECKS = {check.__name__: check for check in stack_checks()}


def test_every_check_has_stacks_that_fail_it() -> None:
    assert BROKEN.keys() == CHECKS.keys()
    assert len(CHECKS) == len(stack_checks())


@pytest.mark.parametrize(("name", "how"), [(name, how) for name, stacks in BROKEN.items() for how in stacks])
def test_each_check_fails_a_stack_that_breaks_it(name: str, how: str) -> None:
    with pytest.raises(AssertionError):
        CHECKS[name](StackCase(BROKEN[name][how], scenario(), deterministic=True))


def test_a_failure_of_the_stack_itself_is_not_hidden() -> None:
    class Dying(SimStack):
        def advance(self, until: float) -> Telemetry:  # noqa: ARG002  # it dies whatever is asked
            raise StackError("the engine is gone")

    with pytest.raises(StackError, match="the engine is gone"):
        CHECKS["check_scaling_shows"](StackCase(Dying, scenario()))


def test_what_is_not_promised_is_not_checked() -> None:
    CHECKS["check_equal_seeds_give_equal_telemetry"](StackCase(Moody, scenario()))
