"""Memory that a model server keeps, and the CPU that its answers are to use, beside a process that says what it uses."""

from __future__ import annotations

import pytest

from drillbox.stacks.services.model_server.strain import MIB, Effort, Memory, private_memory


def test_memory_is_filled_up_to_what_is_wanted_and_no_further() -> None:
    before = private_memory()
    memory = Memory()
    memory.fill(before + 20.0)
    assert private_memory() >= before + 19.0, "every page is there"
    memory.fill(before)
    assert sum(map(len, memory._kept)) <= 21 * MIB


def test_leaks_of_less_than_a_page_add_up() -> None:
    memory = Memory(lambda: 100.0)
    for _ in range(1000):
        memory.leave(0.001)
    assert sum(map(len, memory._kept)) == pytest.approx(MIB, abs=4096)
    memory.leave(9.0)
    assert sum(map(len, memory._kept)) == pytest.approx(10 * MIB, abs=4096)
    assert len(memory._kept) < 1000
    memory.fill(90.0)
    assert sum(map(len, memory._kept)) == pytest.approx(10 * MIB, abs=4096), "there is enough"


class Machine:
    """A process whose answers cost so much CPU, whatever is added to them."""

    def __init__(self, anyway: float) -> None:
        self.used, self.anyway = 5.0, anyway
        self.effort = Effort(lambda: self.used)

    def answer(self, times: int, wanted: float) -> float:
        """Seconds of CPU that the last answer took."""
        took = 0.0
        for _ in range(times):
            owed = self.effort.owed(wanted)
            took = self.anyway + owed
            self.used += took
            self.effort.spent(owed)
        return took


@pytest.mark.parametrize("anyway", [0.0, 0.001, 0.004])
def test_an_answer_costs_its_share_in_all_whatever_it_costs_anyway(anyway: float) -> None:
    machine = Machine(anyway)
    assert machine.answer(400, 0.006) == pytest.approx(0.006, rel=0.01)
    assert machine.answer(1, 0.02) == pytest.approx(0.02, rel=0.01)


def test_an_answer_that_costs_more_than_its_share_adds_nothing() -> None:
    machine = Machine(0.01)
    assert machine.answer(400, 0.006) == pytest.approx(0.01)


def test_what_was_used_before_anybody_asked_does_not_count() -> None:
    machine = Machine(0.002)
    machine.used += 100.0
    machine.effort.forget()
    assert machine.answer(400, 0.006) == pytest.approx(0.006, rel=0.01)
