"""`Action`: a verb of the operator, with the plan of what it does to the desired state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .params import Param, Params
from .service import ServiceSpec, with_fields

Plan = Callable[[ServiceSpec, Params, int], ServiceSpec]


class InapplicableError(Exception):
    """The action makes no sense in the present state; the message says why and what would."""


@dataclass(frozen=True, slots=True)
class Action:
    """A verb of the operator.

    `plan(spec, params, number)` gives the new desired state, pure; `number` is the command's, unique in the drill. An action
    without a plan is a record (declare, resolve). `duration` is the modelled time in seconds from acceptance until the change is
    in force. `fields` are the paths of `ServiceSpec` that it may change: the table that scoring and docs read.
    """

    name: str
    component: str
    help: str
    params: tuple[Param, ...] = ()
    fields: tuple[str, ...] = ()
    plan: Plan | None = None
    duration: float = 0.0
    destructive: bool = False
    mitigating: bool = False


def setting(**paths: str) -> Plan:
    """A plan that copies parameters to fields; an optional parameter that was not given leaves its field."""

    def plan(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
        return with_fields(spec, {path: params[name] for name, path in paths.items() if name in params})

    return plan
