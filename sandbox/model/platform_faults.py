"""Faults of containers, nodes, configuration, monitoring, autoscaling and clients."""

from __future__ import annotations

from .fault import Fault
from .params import Kind, Param
from .platform import LABELS, NODES

CRASH_LOOP = Fault(
    "pods.crash_loop",
    "model-server",
    "A push of settings makes the process of every model server exit a while after it is ready, until it is rolled back.",
    (Param("after", Kind.DURATION, "how long a process lives once it is ready", default=20.0, minimum=1.0, maximum=3600.0),),
)
BAD_IMAGE = Fault(
    "pods.bad_image",
    "model-server",
    "A push of settings names an image that no registry has: those that run go on, new ones wait until it is rolled back.",
)
MEMORY_LEAK = Fault(
    "pods.memory_leak",
    "model-server",
    "Each answered request leaves memory behind in its model server, which is killed at its memory limit and starts again.",
    (Param("leak", Kind.FACTOR, "memory in MiB that a request leaves behind", minimum=0.0, maximum=100.0),),
)
CPU_THROTTLING = Fault(
    "pods.cpu_throttling",
    "model-server",
    "A push of configuration lowers the CPU limit of the model servers, which share less among their slots from then on.",
    (Param("limit", Kind.FACTOR, "cores that one model server may use", minimum=0.05, maximum=64.0),),
)
GREY_SLOW = Fault(
    "pods.grey_slow",
    "model-server",
    "One replica answers far more slowly than the others, and passes all its health checks.",
    (Param("factor", Kind.FACTOR, "its answers take so many times as long", minimum=1.0, maximum=1000.0),),
)
KILL = Fault(
    "pods.kill",
    "model-server",
    "The process of a replica is killed, with all that it has in service; its container starts again after its back-off.",
    (
        Param("count", Kind.COUNT, "so many of the champion's ready replicas", default=1, minimum=1, maximum=64),
        Param("every", Kind.DURATION, "again and again, so far apart", optional=True, minimum=1.0, maximum=3600.0),
    ),
)
HANG = Fault(
    "pods.hang",
    "model-server",
    "The process of a replica stops without an end: connections to it hang, until it goes on or is killed and starts again.",
    (Param("count", Kind.COUNT, "so many of the champion's ready replicas", default=1, minimum=1, maximum=64),),
)
UNREADY = Fault(
    "pods.unready",
    "model-server",
    "Replicas say that they are not ready, and get no requests; they work, and pass the probe that would restart them.",
    (Param("count", Kind.COUNT, "so many of the champion's ready replicas", default=1, minimum=1, maximum=64),),
)
PAUSE, STOP, DISCONNECT = "pause", "stop", "disconnect"
NODE_LOSS = Fault(
    "nodes.loss",
    "nodes",
    "A node is gone with all replicas on it: it answers nobody until it is back.",
    (
        Param("node", Kind.CHOICE, "which node", choices=NODES, default=NODES[0]),
        Param(
            "how",
            Kind.CHOICE,
            "frozen, without power, or cut off from the network; to all others it looks the same",
            choices=(PAUSE, STOP, DISCONNECT),
            default=PAUSE,
        ),
    ),
)
NODE_CPU = Fault(
    "nodes.cpu_limit",
    "nodes",
    "A node has less CPU than before, as from a neighbour that takes it: all replicas on it share what is left.",
    (
        Param("node", Kind.CHOICE, "which node", choices=NODES, default=NODES[0]),
        Param("cores", Kind.FACTOR, "cores that all on the node share", minimum=0.05, maximum=64.0),
    ),
)
ARTIFACTS_REFUSING = Fault(
    "artifacts.refusing",
    "artifact-store",
    "The host of the model artifacts refuses downloads: replicas that start cannot load the model, those that serve go on.",
)
CONFIG_PUSH = Fault(
    "config.push",
    "gateway",
    "A pipeline pushes other settings to the gateway: its timeout, the threshold of its answers, or both.",
    (
        Param("timeout", Kind.DURATION, "how long the gateway waits", optional=True, minimum=0.01, maximum=60.0),
        Param("threshold", Kind.SHARE, "score from which a flight is called late", optional=True, minimum=0.0, maximum=1.0),
    ),
)
GATEWAY_DELAY = Fault(
    "gateway.delay",
    "gateway",
    "The gateway holds a share of the requests for a while before it passes them on.",
    (
        Param("delay", Kind.DURATION, "how long it holds a request", minimum=0.001, maximum=60.0),
        Param("share", Kind.SHARE, "share of the requests that it holds", default=1.0, minimum=0.0, maximum=1.0),
    ),
)
GATEWAY_ABORT = Fault(
    "gateway.abort",
    "gateway",
    "The gateway answers a share of the requests with an error at once: no replica gets to see them.",
    (
        Param("share", Kind.SHARE, "share of the requests that get the error", minimum=0.0, maximum=1.0),
        Param("status", Kind.COUNT, "status of the answer in HTTP", default=503, minimum=500, maximum=599),
    ),
)
BLACKOUT = Fault(
    "monitoring.blackout",
    "monitoring",
    "A part of the scrapes comes back without data: what these targets do cannot be seen, and they go on doing it.",
    (
        Param("job", Kind.CHOICE, "targets of which job", choices=("all", "gateway", "model-server"), default="all"),
        Param("share", Kind.SHARE, "share of these targets", default=1.0, minimum=0.0, maximum=1.0),
    ),
)
CARDINALITY = Fault(
    "monitoring.cardinality",
    "monitoring",
    "A label with a new value for nearly every request gets into the metrics of the model servers: series grow without bound.",
    (
        Param("label", Kind.CHOICE, "which label", choices=LABELS, default=LABELS[0]),
        Param("share", Kind.SHARE, "share of the requests that bring a new value", default=1.0, minimum=0.0, maximum=1.0),
    ),
)
EMPTY_AS_ZERO = Fault(
    "autoscaler.empty_as_zero",
    "autoscaler",
    "The autoscaler gets no metrics and takes that for an idle service: it scales down to its minimum.",
)
LARGE_INPUTS = Fault(
    "clients.large_inputs",
    "clients",
    "A partner sends a share of the requests, with inputs that take many times as long to answer.",
    (
        Param("share", Kind.SHARE, "the partner's share of the requests", minimum=0.0, maximum=1.0),
        Param("factor", Kind.FACTOR, "its requests take so many times as long", minimum=1.0, maximum=1000.0),
    ),
)
COST_RUNAWAY = Fault(
    "cost.runaway",
    "batch-planner",
    "A batch job asks for more and more replicas, whatever the traffic is.",
    (
        Param("step", Kind.COUNT, "how many it asks for each time", default=2, minimum=1, maximum=64),
        Param("every", Kind.DURATION, "how often it asks", default=30.0, minimum=1.0, maximum=3600.0),
        Param("most", Kind.COUNT, "number of replicas at which it is content", default=40, minimum=1, maximum=64),
    ),
)

PLATFORM_FAULTS = (
    CRASH_LOOP, BAD_IMAGE, MEMORY_LEAK, CPU_THROTTLING, GREY_SLOW, KILL, HANG, UNREADY, NODE_LOSS, NODE_CPU, ARTIFACTS_REFUSING,
    CONFIG_PUSH, GATEWAY_DELAY, GATEWAY_ABORT, BLACKOUT, CARDINALITY, EMPTY_AS_ZERO, LARGE_INPUTS, COST_RUNAWAY,
)  # fmt: skip
"""In the order of the catalogue."""
