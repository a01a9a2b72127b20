"""When a slot of a model server is free, on an event loop whose time is what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest

from drillbox.sandbox.model.service import Fallback
from drillbox.sandbox.world.data import FEATURES
from drillbox.stacks.services.common.settings import read
from drillbox.stacks.services.model_server.questions import Question
from drillbox.stacks.services.model_server.settings import Live, ModelSettings
from drillbox.stacks.services.model_server.slots import Job, Slots

HOLD = 0.1
"""Seconds that each answer, all from the rules, holds its slot."""


class Stepped(asyncio.SelectorEventLoop):
    """Does what is due at a moment, and never waits."""

    moment = 50.0

    def time(self) -> float:
        return self.moment

    def go_to(self, moment: float) -> None:
        self.moment = moment
        for _ in range(4):  # what is due may ask for more to be done at once
            self.call_soon(self.stop)
            self.run_forever()


@pytest.fixture
def loop() -> Iterator[Stepped]:
    made = Stepped()
    yield made
    made.close()


def slots_of(loop: Stepped, **live: Any) -> Slots:
    rules = Live(fallback=Fallback.ALWAYS, rules_hold=1000 * HOLD, **live)
    return Slots(loop, cast("Any", None), cast("Any", None), rules, read(ModelSettings, {"MODEL_VERSION": "v1"}))


def offer(slots: Slots) -> Job:
    return slots.offer(Question(np.zeros((1, len(FEATURES))), online=True))


def test_who_waits_has_the_slot_from_when_it_was_free_however_late_that_is_seen(loop: Stepped) -> None:
    slots = slots_of(loop, concurrency=1, queue=3)
    first, second, third = (offer(slots) for _ in range(3))
    loop.go_to(50.0)
    assert first.until == pytest.approx(50.1)
    loop.go_to(50.104)
    assert first.future.done()
    assert second.until == pytest.approx(50.2)
    loop.go_to(50.203)
    assert second.future.done()
    assert third.until == pytest.approx(50.3)


def test_who_comes_later_has_it_from_then(loop: Stepped) -> None:
    slots = slots_of(loop, concurrency=1, queue=3)
    offer(slots)
    loop.go_to(50.0)
    loop.moment = 50.106  # the slot is free, but that has not been seen yet
    late = offer(slots)
    loop.go_to(50.107)
    assert late.until == pytest.approx(50.206)


def test_an_answer_that_took_longer_than_its_time_held_the_slot_so_long(loop: Stepped) -> None:
    slots = slots_of(loop, concurrency=1, queue=3)
    first, second = offer(slots), offer(slots)
    loop.go_to(50.15)
    assert first.future.done()
    assert second.until == pytest.approx(50.25)


def test_more_slots_are_free_from_when_they_are_there(loop: Stepped) -> None:
    slots = slots_of(loop, concurrency=1, queue=3)
    _first, second = offer(slots), offer(slots)
    loop.go_to(50.04)
    slots.change(slots.live.model_copy(update={"concurrency": 2}))
    assert slots.busy == 2
    assert second.until == pytest.approx(50.14)


def test_who_leaves_frees_the_slot_at_once(loop: Stepped) -> None:
    slots = slots_of(loop, concurrency=1, queue=3)
    first, second = offer(slots), offer(slots)
    loop.go_to(50.0)
    loop.moment = 50.03
    slots.leave(first)
    assert second.until == pytest.approx(50.13)
