"""A batch planner that bids for replicas, whatever the traffic is."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import simpy

from ...sandbox.model.params import Params, Value
from .steering import Steering

COMPONENT = "batch-planner"


@dataclass(frozen=True, slots=True)
class Bid:
    """How many more it asks for, how often (seconds), and up to how many."""

    step: int
    every: float
    most: int


class Planner:
    """Bids while a fault lasts; its quota says which share of each bid it gets."""

    def __init__(self, steering: Steering) -> None:
        self._steering = steering
        self._bids: dict[str, Bid] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """It begins to bid."""
        bid = self._bids[beat] = Bid(int(params["step"]), float(params["every"]), int(params["most"]))
        self._steering.env.process(self._keep_bidding(beat, bid))

    def end(self, beat: str) -> None:
        """It asks for no more; what it got stays until somebody scales down."""
        self._bids.pop(beat, None)

    def _keep_bidding(self, beat: str, bid: Bid) -> Generator[simpy.Event, None, None]:
        while self._bids.get(beat) is bid:
            self._ask(bid)
            yield self._steering.env.timeout(bid.every)

    def _ask(self, bid: Bid) -> None:
        spec = self._steering.spec()
        replicas, scaler = spec.champion.replicas, spec.autoscaler
        wanted = min(bid.most, replicas + math.floor(bid.step * spec.platform.batch))
        if scaler.enabled:
            wanted = min(wanted, scaler.maximum)
        if wanted <= replicas:
            return
        values: dict[str, Value] = {"champion.replicas": wanted}
        if scaler.enabled:
            values["autoscaler.minimum"] = wanted
        self._steering.put(values, COMPONENT, "backfill of scores needs capacity")
