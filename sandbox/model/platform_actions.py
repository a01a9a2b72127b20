"""The actions on what the service runs on: nodes, limits, artifacts, quotas, configuration and monitoring."""

from __future__ import annotations

from .action import Action, InapplicableError
from .action import setting as _set
from .features import listed, names_in
from .params import Kind, Param, Params, Value
from .platform import ARTIFACTS, BATCH, CLIENTS, LABELS, NODES, PARTNER
from .service import ServiceSpec, get, with_fields

CORDONED = "platform.cordoned"
PUSHED = "platform.pushed"
PUSHABLE = ("gateway.timeout", "gateway.threshold", "servers.cpu", "servers.settings")
"""Fields that a push of configuration can change."""


def push(spec: ServiceSpec, values: dict[str, Value]) -> ServiceSpec:
    """A pipeline pushes configuration; what it replaces is kept as the way back."""
    replaced = ";".join(f"{path}={get(spec, path)}" for path in sorted(values))
    return with_fields(spec, {**values, PUSHED: replaced}) if values else spec


def _roll_back(spec: ServiceSpec, _params: Params, _number: int) -> ServiceSpec:
    pushed = spec.platform.pushed
    if not pushed:
        raise InapplicableError("there is no push of configuration to roll back")
    values: dict[str, Value] = {PUSHED: ""}
    for part in pushed.split(";"):
        path, _, text = part.partition("=")
        values[path] = text if isinstance(get(spec, path), str) else float(text)
    return with_fields(spec, values)


def _with_node(spec: ServiceSpec, node: str) -> str:
    known = names_in(spec.platform.cordoned)
    return listed(known if node in known else (*known, node))


def _cordon(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    node = str(params["node"])
    if node in names_in(spec.platform.cordoned):
        raise InapplicableError(f"{node} is cordoned already")
    return with_fields(spec, {CORDONED: _with_node(spec, node)})


def _uncordon(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    known, node = names_in(spec.platform.cordoned), str(params["node"])
    if node not in known:
        raise InapplicableError(f"{node} is not cordoned; {', '.join(known) or 'no node'} is")
    return with_fields(spec, {CORDONED: listed(name for name in known if name != node)})


def _drain(spec: ServiceSpec, params: Params, number: int) -> ServiceSpec:
    node = str(params["node"])
    return with_fields(spec, {CORDONED: _with_node(spec, node), "platform.drained": f"{node}#{number}"})


def _quota(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    field = {PARTNER: "platform.partner", BATCH: "platform.batch"}[str(params["client"])]
    return with_fields(spec, {field: params["share"]})


def _drop(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    known, label = names_in(spec.monitoring.dropped), str(params["label"])
    if label in known:
        raise InapplicableError(f"the label {label} is dropped already")
    return with_fields(spec, {"monitoring.dropped": listed((*known, label))})


def _restart(spec: ServiceSpec, _params: Params, number: int) -> ServiceSpec:
    return with_fields(spec, {"monitoring.restarted": f"all#{number}"})


_NODE = Param("node", Kind.CHOICE, "which node", choices=NODES)

PLATFORM = (
    Action(
        "roll-back-config",
        "gateway",
        "Take the last push of configuration back: what it replaced is in force again.",
        fields=(*PUSHABLE, PUSHED),
        plan=_roll_back,
        duration=10.0,
        mitigating=True,
    ),
    Action(
        "set-limits",
        "model-server",
        "Change the limits of each model server's container, in place; a process beyond its memory limit is killed.",
        (
            Param("memory", Kind.FACTOR, "memory in MiB", optional=True, minimum=128.0, maximum=65536.0),
            Param("cpu", Kind.FACTOR, "cores; 0: no limit", optional=True, minimum=0.0, maximum=64.0),
        ),
        ("servers.memory", "servers.cpu"),
        _set(memory="servers.memory", cpu="servers.cpu"),
        duration=10.0,
        mitigating=True,
    ),
    Action(
        "pin-artifacts",
        "artifact-store",
        "Set where model servers load models from; it counts from the next load of each.",
        (Param("source", Kind.CHOICE, "which host", choices=ARTIFACTS),),
        ("servers.artifacts",),
        _set(source="servers.artifacts"),
        mitigating=True,
    ),
    Action("cordon", "nodes", "Place no more replicas on a node; those that are there stay.", (_NODE,), (CORDONED,), _cordon),
    Action("uncordon", "nodes", "Let replicas be placed on a node again.", (_NODE,), (CORDONED,), _uncordon),
    Action(
        "drain",
        "nodes",
        "Cordon a node and delete the replicas on it; new ones start elsewhere.",
        (_NODE,),
        (CORDONED, "platform.drained"),
        _drain,
        destructive=True,
        mitigating=True,
    ),
    Action(
        "set-quota",
        "gateway",
        "Grant a client only a share of what it asks for; 0% blocks it, 100% ends that.",
        (
            Param("client", Kind.CHOICE, "which client", choices=CLIENTS),
            Param("share", Kind.SHARE, "share that it gets", minimum=0.0, maximum=1.0),
        ),
        ("platform.partner", "platform.batch"),
        _quota,
        destructive=True,
        mitigating=True,
    ),
    Action(
        "drop-label",
        "monitoring",
        "Drop a label of the model servers' metrics before they are stored.",
        (Param("label", Kind.CHOICE, "which label", choices=LABELS),),
        ("monitoring.dropped",),
        _drop,
        mitigating=True,
    ),
    Action(
        "restart-monitoring",
        "monitoring",
        "Restart the scrapers: they look up all targets and log on anew.",
        (),
        ("monitoring.restarted",),
        _restart,
        duration=30.0,
        mitigating=True,
    ),
)
"""In the order of the catalogue."""
