"""The service as a tree, from the clients to the data: state of each component, versions and their share of the traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from textual.content import Content

from ...sandbox.model.features import names_in
from ...sandbox.model.service import ServiceSpec, Workload
from ...sandbox.model.units import format_duration, format_share
from ..widgets.rows import Row
from ..widgets.styles import MUTED
from . import marks, words
from .fleet import POOLS, Replica, ReplicaState
from .marks import Mark
from .picture import Picture

_FRESH = 15.0
"""Drill seconds for which a warning in the log counts as the state of a component."""
_LIFE: Mapping[ReplicaState, Mark] = {
    ReplicaState.READY: marks.OK,
    ReplicaState.STARTING: Mark("◔", "starting", "$text-accent"),
    ReplicaState.LOADING: Mark("◑", "loading", "$text-accent"),
    ReplicaState.DRAINING: Mark("◌", "draining", MUTED),
    ReplicaState.CRASHED: Mark("✗", "crashed", "bold $text-error"),
    ReplicaState.PENDING: Mark("◷", "pending", "$text-warning"),
    ReplicaState.UNREACHABLE: Mark("✗", "unreachable", "bold $text-error"),
    ReplicaState.WAITING: Mark("◷", "backing off", "$text-warning"),
}
_ROLES = {POOLS[0]: "champion", POOLS[1]: "candidate", POOLS[2]: "shadow"}


@dataclass(frozen=True, slots=True)
class Pool:
    """One deployment: what is wanted of it, its replicas, and its share of the traffic."""

    name: str
    wanted: Workload
    replicas: tuple[Replica, ...]
    weight: float
    mirrored: bool = False

    @property
    def role(self) -> str:
        """Champion, candidate or shadow."""
        return _ROLES[self.name]

    @property
    def ready(self) -> int:
        """Replicas that answer."""
        return sum(one.state is ReplicaState.READY for one in self.replicas)

    @property
    def weights(self) -> Mapping[str, float]:
        """Share of all requests by version: the pool's own, spread over its ready replicas, if it has any."""
        ready = Counter(one.version or self.wanted.version for one in self.replicas if one.state is ReplicaState.READY)
        if not ready:
            return {self.wanted.version: self.weight}
        return {version: self.weight * count / ready.total() for version, count in ready.items()}


def pools(picture: Picture) -> list[Pool]:
    """The deployments that have or want replicas; the champion always."""
    if picture.snapshot is None:
        return []
    spec = picture.snapshot.spec
    canary, mirrored = spec.gateway.canary_weight, spec.gateway.shadow_share
    known = [
        (POOLS[0], spec.champion, 1.0 - canary, False),
        (POOLS[1], spec.candidate, canary, False),
        (POOLS[2], spec.shadow, mirrored, True),
    ]
    found = []
    for name, wanted, weight, copy in known:
        replicas = tuple(sorted((one for one in picture.fleet.values() if one.pool == name), key=_by_number))
        if name == POOLS[0] or replicas or wanted.replicas:
            found.append(Pool(name, wanted, replicas, weight, copy))
    return found


def _by_number(replica: Replica) -> tuple[int, str]:
    return (int(replica.short), "") if replica.short.isdigit() else (0, replica.short)


def health(picture: Picture, component: str) -> tuple[Mark, str]:
    """What the log of a component, or of a replica of it, said a moment ago, and the words."""
    for entry in reversed(picture.logs):
        if picture.now - entry.line.when > _FRESH:
            break
        if belongs(entry.line.component, component) and entry.line.severity in ("warning", "error"):
            return (marks.FAILS if entry.line.severity == "error" else marks.WARNS), entry.line.text
    return marks.OK, ""


def belongs(name: str, component: str) -> bool:
    """Whether something is that component, or a replica of it."""
    return name == component or (component in POOLS and name.startswith(f"{component}-"))


def replica_mark(replica: Replica, now: float) -> Mark:
    """How a replica looks."""
    if replica.state is ReplicaState.READY and replica.troubled(now):
        return marks.WARNS
    return _LIFE.get(replica.state, marks.UNKNOWN)


def service(picture: Picture, width: int) -> list[Row]:
    """The tree."""
    if picture.snapshot is None:
        return []
    spec, slis = picture.snapshot.spec, picture.slis
    rows = [_line(("component", "clients"), "clients", None, f"{words.rate(slis.get('request_rate'))} asked", width), _plain("│")]
    gateway = f"{words.share(slis.get('error_ratio'))} errors"
    rows.append(_line(("component", "gateway"), "gateway", health(picture, "gateway")[0], gateway, width))
    rows += [_plain(f"│ {note}") for note in _policy(spec)]
    for pool in pools(picture):
        rows += _pool(pool, picture, width)
    rows += [_line(("component", "autoscaler"), "├─ autoscaler", None, _scaler(spec), width), _plain("│")]
    stale = f"oldest {words.age(slis.get('feature_freshness'))}"
    rows.append(_line(("component", "feature-store"), "feature store", health(picture, "feature-store")[0], stale, width))
    if spec.features.quarantined:
        rows.append(_plain(f"│ quarantined: {', '.join(names_in(spec.features.quarantined))}", "$text-warning"))
    feed = f"feed {spec.features.feed}"
    rows.append(_line(("component", "feature-pipeline"), "feature pipeline", health(picture, "feature-pipeline")[0], feed, width))
    overdue = f"{words.number(slis.get('labels_overdue'))} overdue"
    rows.append(_line(("component", "labels"), "labels", None, overdue, width))
    return [*rows, _line(("component", "retraining"), "retraining", health(picture, "retraining")[0], _loop(spec), width)]


def _loop(spec: ServiceSpec) -> str:
    """What the retraining loop does."""
    loop = spec.retraining
    if loop.frozen:
        return "▲ frozen"
    return loop.stage or (f"every {loop.every:g}h" if loop.every else "idle")


def _line(key: tuple[str, str], name: str, mark: Mark | None, note: str, width: int) -> Row:
    state = f"{mark.shape} {mark.word}" if mark else ""
    room = max(1, width - len(name) - len(state) - len(note) - 2)
    text = Content.assemble((name, "bold"), " " * room, (note, MUTED), "  ", (state, mark.style if mark else ""))
    return Row(key, text, f"{name} {note} {state}".strip())


def _plain(text: str, style: str = MUTED) -> Row:
    return Row(None, Content.styled(text, style))


def _policy(spec: ServiceSpec) -> Iterator[str]:
    """What the gateway does, as far as it is worth a line."""
    gateway = spec.gateway
    budget = format_share(round(gateway.retry_budget, 4))
    yield f"timeout {format_duration(gateway.timeout)}, retries {gateway.retries}, budget {budget}"
    if gateway.shed > 0:
        yield f"▲ sheds {format_share(gateway.shed)} of the requests"
    if spec.fallback.value != "off":
        yield f"▲ rules answer: {spec.fallback.value}"


def _scaler(spec: ServiceSpec) -> str:
    scaler = spec.autoscaler
    if not scaler.enabled:
        return "off"
    return f"{scaler.minimum} to {scaler.maximum} at {format_share(scaler.target)}"


def _pool(pool: Pool, picture: Picture, width: int) -> Iterator[Row]:
    """One row for each version that answers, then the replicas by state."""
    for index, (version, weight) in enumerate(pool.weights.items()):
        share = f"{words.share(weight, 0):>4}"
        shown = f"{share} copy" if pool.mirrored else share
        note = f"{pool.ready}/{pool.wanted.replicas} ready" if index == 0 else ""
        head = f"├─{shown}─ "
        name = f"{pool.role} {version}"
        room = max(0, width - len(head) - len(name) - len(note) - 2)
        bar = "▇" * round(weight * min(6, room))
        text = Content.assemble(
            (head, MUTED), (name, "bold"), " ", (bar, "$text-primary"), " " * (room - len(bar) + 1), (note, MUTED)
        )
        yield Row(("version", version), text, f"{name}: {share.strip()} of the requests, {note}")
    groups: dict[Mark, list[str]] = {}
    for replica in pool.replicas:
        groups.setdefault(replica_mark(replica, picture.now), []).append(replica.short)
    for mark, names in groups.items():
        text = Content.assemble(("│   ", MUTED), (f"{mark.shape} {mark.word}", mark.style), f"  {' '.join(names)}")
        yield Row(("component", pool.name), text, f"{pool.name} {mark.word}: {' '.join(names)}")
