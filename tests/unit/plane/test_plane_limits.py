"""Where the data plane ends: what it has no room for, and that a slow replica is slow in all it does."""

from __future__ import annotations

import numpy as np
import pytest
from plane_kit import BESIDE, make

from drillbox.sandbox.model.service import Fallback
from drillbox.stacks.sim import layout as lay


def test_too_many_in_flight_are_an_error_not_a_mix_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lay, "ENTITY", 63)
    plane = make(room=16)
    plane.advance(0.5, np.zeros(50))
    assert plane.state.i[lay.I_ROOM] == 64
    with pytest.raises(MemoryError, match="more than 64 requests in flight"):
        plane.advance(0.5, np.full(50, 0.5), 50)
    assert plane.in_flight <= 64


def test_a_place_fits_into_the_item_of_a_heap() -> None:
    assert lay.ENTITY == 2**lay.ENTITY_BITS - 1
    assert 2 ** (63 - lay.ENTITY_BITS) > 1e11  # jobs and retries in the life of a plane


def test_a_slow_replica_is_slow_beside_its_queue_too() -> None:
    plane = make(queue=0, fallback=Fallback.OVERFLOW, rules_time=0.25)
    plane.set_slowness(0, 2.0)
    plane.advance(3.0, np.zeros(2))
    assert plane.jobs[0, 6] == BESIDE
    assert plane.jobs[:, 5].tolist() == [0.5, 2.0]
