"""The prediction that `drillbox up` asks for, and shows how to: of every real stack the same."""

from __future__ import annotations

import numpy as np

from ...sandbox.model.housekeeping import Trial
from ...sandbox.model.scenario import WorldConfig
from ...sandbox.world.calendar import minutes_of
from ...sandbox.world.data import FLIGHT_FEATURES, FlightData
from ..services.model_server.questions import request_body

_DAY = 1440.0  # minutes


def trial_of(gateway: str, data: FlightData, world: WorldConfig) -> Trial:
    """A question about the first flight to leave once the drill begins. `gateway` is host:port."""
    start = minutes_of(world.start)
    rows = data.departing(start, start + 2 * _DAY)[:1]  # at night none leaves
    flights = data.features(rows, np.full(len(rows), -1))[:, : len(FLIGHT_FEATURES)]
    return Trial(f"http://{gateway}/v2/models/{world.name}/infer", request_body(flights).decode())
