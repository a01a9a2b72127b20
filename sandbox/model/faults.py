"""The catalogue of faults: what can go wrong, neutral to the stack. Each is declared here once."""

from __future__ import annotations

from dataclasses import dataclass

from .params import Kind, Param


@dataclass(frozen=True, slots=True)
class Fault:
    """A perturbation with typed parameters. Its name is also the cause that a diagnosis names."""

    name: str
    component: str
    help: str
    params: tuple[Param, ...] = ()


TRAFFIC_SPIKE = Fault(
    "traffic.spike",
    "clients",
    "Many more clients call at once: the request rate is multiplied while the fault lasts.",
    (
        Param("factor", Kind.FACTOR, "the request rate is multiplied by this", minimum=1.0, maximum=100.0),
        Param("ramp", Kind.DURATION, "time to reach the full rate, and to fall back", default=0.0, minimum=0.0, maximum=3600.0),
    ),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in (TRAFFIC_SPIKE,)}
