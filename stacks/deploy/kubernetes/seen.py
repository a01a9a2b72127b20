"""What a cluster has of a drill, and patches of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from lightkube.models.core_v1 import Container
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Node

from .names import NODE

Json = dict[str, object]
Kind = type[Deployment] | type[ConfigMap] | type[Node]
_Named = TypeVar("_Named", Deployment, ConfigMap, Node)


class MissingError(LookupError):
    """An object, or the part of it that holds a field, is not there; the message says which."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The objects that hold the desired state, by name; Nodes by the name that scenarios have for them."""

    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    configs: Mapping[str, ConfigMap] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)

    @classmethod
    def of(cls, objects: Iterable[object]) -> Seen:
        """Out of any objects; others are left aside, and so are Nodes without a name for scenarios."""
        given = tuple(objects)
        nodes = {labels(one).get(NODE, ""): one for one in given if isinstance(one, Node)}
        nodes.pop("", None)
        return cls(_by_name(given, Deployment), _by_name(given, ConfigMap), nodes)

    def deployment(self, name: str) -> Deployment:
        """A Deployment.

        Raises:
            MissingError: there is none of that name.
        """
        return _found(self.deployments, name, "Deployment")

    def config(self, name: str) -> ConfigMap:
        """A ConfigMap.

        Raises:
            MissingError: there is none of that name.
        """
        return _found(self.configs, name, "ConfigMap")

    def container(self, deployment: str, name: str) -> Container:
        """A container in the pod template of a Deployment.

        Raises:
            MissingError: there is none of that name.
        """
        pod = self.deployment(deployment).spec.template.spec
        for one in pod.containers if pod else ():
            if one.name == name:
                return one
        raise MissingError(f"Deployment {deployment} has no container {name}")


@dataclass(frozen=True, slots=True)
class Patch:
    """A strategic merge patch of one object, which is cluster-wide if it is a Node."""

    kind: Kind
    name: str
    body: Json


def merged(patches: Iterable[Patch]) -> tuple[Patch, ...]:
    """One patch for each object, in the order of their first ones."""
    found: dict[tuple[Kind, str], Json] = {}
    for one in patches:
        key = (one.kind, one.name)
        found[key] = merge(found.get(key, {}), one.body, keep_nulls=True)
    return tuple(Patch(kind, name, body) for (kind, name), body in found.items())


def merge(before: Mapping[str, object], patch: Mapping[str, object], *, keep_nulls: bool = False) -> Json:
    """What a strategic merge patch makes of an object, as far as our patches go: lists of things with a `name` are merged.

    Args:
        before: the object.
        patch: what is to be different; None deletes a key.
        keep_nulls: for merging two patches into one.
    """
    result = dict(before)
    for key, value in patch.items():
        old = result.get(key)
        if value is None and not keep_nulls:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge(old if isinstance(old, dict) else {}, value, keep_nulls=keep_nulls)
        elif isinstance(value, list) and all(isinstance(one, dict) and "name" in one for one in value):
            result[key] = _merge_named(old if isinstance(old, list) else [], value, keep_nulls=keep_nulls)
        else:
            result[key] = value
    return result


def _merge_named(before: list[Json], patch: list[Json], *, keep_nulls: bool) -> list[Json]:
    found = {one["name"]: one for one in before}
    for one in patch:
        found[one["name"]] = merge(found.get(one["name"], {}), one, keep_nulls=keep_nulls)
    return list(found.values())


def name_of(one: Deployment | ConfigMap | Node) -> str:
    """The name of an object."""
    return (one.metadata and one.metadata.name) or ""


def labels(one: Deployment | ConfigMap | Node) -> Mapping[str, str]:
    """The labels of an object."""
    return (one.metadata and one.metadata.labels) or {}


def notes(metadata: ObjectMeta | None) -> Mapping[str, str]:
    """The annotations of an object or of a pod template."""
    return (metadata and metadata.annotations) or {}


def _by_name(objects: Iterable[object], kind: type[_Named]) -> dict[str, _Named]:
    return {name_of(one): one for one in objects if isinstance(one, kind)}


def _found(objects: Mapping[str, _Named], name: str, kind: str) -> _Named:
    if name not in objects:
        raise MissingError(f"there is no {kind} {name}")
    return objects[name]
