"""`Fault`: a perturbation with typed parameters."""

from __future__ import annotations

from dataclasses import dataclass

from .params import Param


@dataclass(frozen=True, slots=True)
class Fault:
    """A perturbation with typed parameters. Its name is also the cause that a diagnosis names."""

    name: str
    component: str
    help: str
    params: tuple[Param, ...] = ()
