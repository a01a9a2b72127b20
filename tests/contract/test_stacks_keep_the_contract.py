"""One suite for every stack, and proof that each of its checks can fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.stack import Capabilities, Effect, InjectFault, Progress
from drillbox.sandbox.model.telemetry import Ledger, Scrape, Telemetry
from drillbox.stacks.sim.stack import SimStack
from drillbox.testing import Check, StackCase, stack_checks


def scenario() -> Scenario:
    return load_scenario(Library.packaged().find("monday-rush"), "short")


@pytest.mark.parametrize("check", stack_checks(), ids=lambda check: check.__name__)
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


class Incapable(SimStack):
    """Knows no fault."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(frozenset(), frozenset(), paced=False)


class DownOnce(SimStack):
    """Cannot be taken down before it was up."""

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        self.there = True
        super().up(scenario, seed, progress)

    def down(self) -> None:
        assert self.there
        super().down()


class Deaf(SimStack):
    """Applies nothing."""

    def apply(self, effect: Effect) -> None:
        """Ignore it."""


class DeafToFaults(SimStack):
    """Injects nothing."""

    def apply(self, effect: Effect) -> None:
        if not isinstance(effect, InjectFault):
            return
        super().apply(effect)

    def advance(self, until: float) -> Telemetry:
        return dataclasses.replace(super().advance(until), changes=())


class Moody(SimStack):
    """Plays another seed every time."""

    count = 0

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        Moody.count += 1
        super().up(scenario, seed + Moody.count, progress)


def spoiled(spoil: Callable[[Telemetry], Telemetry]) -> type[Broken]:
    return type("Spoiled", (Broken,), {"spoil": staticmethod(spoil)})


BROKEN: dict[str, type[SimStack]] = {
    "check_capabilities_are_known_before_up": Incapable,
    "check_down_is_always_possible": DownOnce,
    "check_time_is_where_it_was_asked_to_be": spoiled(lambda one: dataclasses.replace(one, at=one.at + 0.5)),
    "check_scrapes_are_well_formed": spoiled(_scrapes(lambda one: dataclasses.replace(one, series=(*one.series,)))),
    "check_counters_never_fall": spoiled(_scrapes(_scaled(-1.0, "envoy_gateway_rq_time_count", "envoy_gateway_rq_shed"))),
    "check_the_ledger_counts_every_request_once": spoiled(lambda one: dataclasses.replace(one, ledger=Ledger(ok=7))),
    "check_scaling_shows": Deaf,
    "check_shedding_shows": Deaf,
    "check_restarting_shows": Deaf,
    "check_fallback_shows": Deaf,
    "check_a_fault_comes_and_goes": Deaf,
    "check_controllers_report_their_changes": DeafToFaults,
    "check_telemetry_names_the_replicas": spoiled(lambda one: dataclasses.replace(one, replicas=())),
    "check_equal_seeds_give_equal_telemetry": Moody,
}


@pytest.mark.parametrize("check", stack_checks(), ids=lambda check: check.__name__)
def test_each_check_can_fail(check: Check) -> None:
    with pytest.raises((AssertionError, AttributeError)):
        check(StackCase(BROKEN[check.__name__], scenario(), deterministic=True))
