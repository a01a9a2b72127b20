"""One truth: where each field of the desired state is in the cluster, and nowhere else.

    seen = Seen.of(objects)                    # Deployments, ConfigMaps and Nodes, as lists or watches give them
    found = fields_in(seen)                    # fields by path, and what could not be read
    fields = found.fields | followed(fields_of(spec), found.fields)
    for patch in patches({"champion.replicas": 6}, seen):
        client.patch(patch.kind, patch.name, patch.body)       # a strategic merge patch

A change made with kubectl and the same one made by an action are the same change of a field: `scale` changes `champion.replicas`,
`set env` and `rollout undo` change `champion.version`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ....sandbox.model.params import Value
from ....sandbox.model.platform import NODES
from ....sandbox.model.service import Change
from . import forms
from .fields import CONFIGURED, home
from .homes import REQUESTED_CPU, REQUESTED_MEMORY, Annotation, Cordons, Home, Key, Limit, Replicas, Restart, Variable
from .names import (
    CANDIDATE,
    CHAMPION,
    CONCURRENCY,
    FEATURES,
    PIPELINE,
    PREVIOUS,
    PROMETHEUS,
    QUEUE,
    SHADOW,
    VERSION,
)
from .seen import MissingError, Patch, Seen, merged

_WORKLOADS = {"champion": CHAMPION, "candidate": CANDIDATE, "shadow": SHADOW}


def _homes() -> Iterator[tuple[str, Home]]:
    for part, deployment in _WORKLOADS.items():
        yield f"{part}.version", Variable(deployment, VERSION, forms.text())
        yield f"{part}.previous", Annotation(deployment, PREVIOUS, forms.text())
        yield f"{part}.replicas", Replicas(deployment, forms.count(0, 64))
        yield f"{part}.concurrency", Variable(deployment, CONCURRENCY, forms.count(1, 1024))
        yield f"{part}.queue", Variable(deployment, QUEUE, forms.count(0, 100_000))
        yield f"{part}.restarted", Restart(deployment, forms.text())
    for path in CONFIGURED:
        config, key = home(path)
        yield path, Key(config, key, forms.configured(path))
    for path, deployment in {
        "features.restarted": FEATURES,
        "retraining.restarted": PIPELINE,
        "monitoring.restarted": PROMETHEUS,
    }.items():
        yield path, Restart(deployment, forms.text())
    yield "servers.memory", Limit("memory", forms.mebibytes(1.0, 1_048_576.0), REQUESTED_MEMORY)
    yield "servers.cpu", Limit("cpu", forms.cores(1024.0), REQUESTED_CPU, unlimited=0.0)
    yield "platform.cordoned", Cordons(forms.names(*NODES))


HOMES: Mapping[str, Home] = dict(_homes())
"""By the field's path; a test compares it with `ServiceSpec`."""


_RESTARTS = tuple(path for path, home in HOMES.items() if isinstance(home, Restart))


@dataclass(frozen=True, slots=True)
class Found:
    """What a cluster has: fields by path, and why those that are missing could not be read."""

    fields: Mapping[str, Value]
    problems: tuple[str, ...] = ()


def fields_in(seen: Seen, paths: Iterable[str] = HOMES) -> Found:
    """The values of fields in a cluster.

    What has been deleted, or is no value of its field, is told as a problem, and its field left out: what was in force stays so.
    """
    fields, problems = {}, []
    for path in paths:
        place = HOMES[path]
        try:
            fields[path] = place.read(seen)
        except MissingError as error:
            problems.append(f"{path}: {error}")
        except ValueError as error:
            problems.append(f"{path} ({place.place.replace('`', '')}): {error}")
    return Found(fields, tuple(problems))


def patches(values: Mapping[str, Value], seen: Seen | None = None) -> tuple[Patch, ...]:
    """What gives fields other values, one patch for each object.

    Args:
        values: by path.
        seen: what the cluster has; nodes and restarts need it.

    Raises:
        KeyError: there is no such field.
        ValueError: this cluster cannot have a value.
    """
    present = seen or Seen()
    return merged(patch for path, value in values.items() for patch in HOMES[path].patches(value, present))


def patches_of(changes: Iterable[Change], seen: Seen) -> tuple[Patch, ...]:
    """The same for changes, of which the last counts."""
    return patches({change.field: change.after for change in changes}, seen)


def followed(before: Mapping[str, Value], found: Mapping[str, Value]) -> dict[str, Value]:
    """What follows from what somebody else has changed; whoever sees that writes these fields with `patches`.

    The way back from a version is the one before: after `kubectl set env` and `kubectl rollout undo` the Deployment still names
    an older one. And an `undo` to a pod template from before a restart takes back that it was asked for, but it has been.

    Args:
        before: the fields that were known.
        found: those that the cluster has now.
    """
    ways_back = {
        f"{part}.previous": before[f"{part}.version"]
        for part in _WORKLOADS
        if found.get(f"{part}.version", before[f"{part}.version"]) != before[f"{part}.version"]
        and found.get(f"{part}.previous") == before[f"{part}.previous"]
        and before[f"{part}.version"]
    }
    restarts = {path: before[path] for path in _RESTARTS if before[path] and found.get(path) == ""}
    return ways_back | restarts
