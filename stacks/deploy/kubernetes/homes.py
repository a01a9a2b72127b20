"""The places in a cluster where fields of the desired state can be: each reads its value, and makes the patch that changes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Node

from ....sandbox.model.features import listed, names_in
from ....sandbox.model.params import Value
from .forms import Form
from .names import KUBECTL_RESTARTED, MODEL_SERVER, POOLS, RESTARTED, RESTARTED_AFTER
from .seen import Json, MissingError, Patch, Seen, name_of, notes

REQUESTED_MEMORY = 192.0
"""MiB that a model server is sure to get, or its limit if that is less: what it has after it loaded its model."""
REQUESTED_CPU = 0.05
"""Cores that a model server is sure to get, or its limit if that is less: clusters of one machine must place all of them."""
RESOURCES = "resources"


class Home(Protocol):
    """Where one field is."""

    @property
    def place(self) -> str:
        """As people find it: `Deployment model-champion: spec.replicas`."""

    @property
    def form(self) -> Form:
        """How its values are written."""

    def read(self, seen: Seen) -> Value:
        """The value that the cluster has.

        Raises:
            MissingError: what holds it is not there.
            ValueError: it is there, and no value of the field.
        """

    def patches(self, value: Value, seen: Seen) -> Iterable[Patch]:
        """What gives it another value.

        Args:
            value: of the field.
            seen: what the cluster has; only some places depend on it.

        Raises:
            ValueError: this cluster cannot have that value.
        """

    def owned(self) -> tuple[type[Deployment | ConfigMap | Node], str, tuple[str, ...]]:
        """The object that people would change, its name ("" if there are several), and the path in its `managedFields`."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a ConfigMap."""

    config: str
    key: str
    form: Form

    @property
    def place(self) -> str:
        """As `Home`."""
        return f"ConfigMap `{self.config}`: `{self.key}`"

    def read(self, seen: Seen) -> Value:
        """As `Home`."""
        data = seen.config(self.config).data or {}
        if self.key not in data:
            raise MissingError(f"ConfigMap {self.config} has no key {self.key}")
        return self.form.read(data[self.key])

    def patches(self, value: Value, _seen: Seen) -> Iterable[Patch]:
        """As `Home`."""
        yield Patch(ConfigMap, self.config, {"data": {self.key: self.form.write(value)}})

    def owned(self) -> tuple[type[ConfigMap], str, tuple[str, ...]]:
        """As `Home`."""
        return ConfigMap, self.config, ("f:data", f"f:{self.key}")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable in the environment of the model servers of a Deployment: a new value is a rollout."""

    deployment: str
    name: str
    form: Form

    @property
    def place(self) -> str:
        """As `Home`."""
        return f"Deployment `{self.deployment}`: variable `{self.name}`"

    def read(self, seen: Seen) -> Value:
        """As `Home`."""
        for one in seen.container(self.deployment, MODEL_SERVER).env or ():
            if one.name == self.name:
                return self.form.read(one.value or "")
        raise MissingError(f"Deployment {self.deployment} has no variable {self.name} in its container {MODEL_SERVER}")

    def patches(self, value: Value, _seen: Seen) -> Iterable[Patch]:
        """As `Home`."""
        yield _of_container(self.deployment, {"env": [{"name": self.name, "value": self.form.write(value)}]})

    def owned(self) -> tuple[type[Deployment], str, tuple[str, ...]]:
        """As `Home`."""
        return Deployment, self.deployment, (*_CONTAINER, "f:env", f'k:{{"name":"{self.name}"}}', "f:value")


@dataclass(frozen=True, slots=True)
class Replicas:
    """The number of replicas of a Deployment."""

    deployment: str
    form: Form

    @property
    def place(self) -> str:
        """As `Home`."""
        return f"Deployment `{self.deployment}`: `spec.replicas`"

    def read(self, seen: Seen) -> Value:
        """As `Home`."""
        wanted = seen.deployment(self.deployment).spec.replicas
        return 1 if wanted is None else wanted  # as the API has it by default

    def patches(self, value: Value, _seen: Seen) -> Iterable[Patch]:
        """As `Home`."""
        yield Patch(Deployment, self.deployment, {"spec": {"replicas": int(value)}})

    def owned(self) -> tuple[type[Deployment], str, tuple[str, ...]]:
        """As `Home`."""
        return Deployment, self.deployment, ("f:spec", "f:replicas")


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of the model servers' containers: that of the champion's counts, the others follow it.

    Attributes:
        resource: memory or cpu.
        form: of the quantity.
        requested: what a container is sure to get, unless the limit is less, in the field's unit.
        unlimited: the value that stands for no limit; None: there always is one.
    """

    resource: str
    form: Form
    requested: float
    unlimited: float | None = None

    @property
    def place(self) -> str:
        """As `Home`."""
        return f"Deployment `{POOLS[0]}`: `resources.limits.{self.resource}`; the other model servers follow"

    def read(self, seen: Seen) -> Value:
        """As `Home`."""
        resources = seen.container(POOLS[0], MODEL_SERVER).resources
        written = ((resources and resources.limits) or {}).get(self.resource)
        if written is not None:
            return self.form.read(str(written))
        if self.unlimited is None:
            raise MissingError(f"Deployment {POOLS[0]} has no limit of {self.resource}")
        return self.unlimited

    def patches(self, value: Value, _seen: Seen) -> Iterable[Patch]:
        """As `Home`."""
        unlimited = value == self.unlimited
        request = self.requested if unlimited else min(self.requested, float(value))
        limits: Json = {self.resource: None if unlimited else self.form.write(value)}
        requests: Json = {self.resource: self.form.write(request)}
        for pool in POOLS:
            yield _of_container(pool, {RESOURCES: {"limits": limits, "requests": requests}})

    def owned(self) -> tuple[type[Deployment], str, tuple[str, ...]]:
        """As `Home`."""
        return Deployment, POOLS[0], (*_CONTAINER, "f:resources", "f:limits", f"f:{self.resource}")


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation of a Deployment."""

    deployment: str
    key: str
    form: Form

    @property
    def place(self) -> str:
        """As `Home`."""
        return f"Deployment `{self.deployment}`: annotation `{self.key}`"

    def read(self, seen: Seen) -> Value:
        """As `Home`; an annotation that is not there is the empty text."""
        return self.form.read(notes(seen.deployment(self.deployment).metadata).get(self.key, ""))

    def patches(self, value: Value, _seen: Seen) -> Iterable[Patch]:
        """As `Home`."""
        yield Patch(Deployment, self.deployment, {"metadata": {"annotations": {self.key: self.form.write(value)}}})

    def owned(self) -> tuple[type[Deployment], str, tuple[str, ...]]:
        """As `Home`."""
        return Deployment, self.deployment, ("f:metadata", "f:annotations", f"f:{self.key}")


@dataclass(frozen=True, slots=True)
class Restart:
    """The last restart of a Deployment, whoever asked for it: drillbox by an annotation, or `kubectl rollout restart`.

    Beside its own annotation drillbox notes the time of kubectl's last restart, so that the later of the two counts.
    """

    deployment: str
    form: Form

    @property
    def place(self) -> str:
        """As `Home`."""
        return f"Deployment `{self.deployment}`: annotation `{RESTARTED}`, or `kubectl rollout restart`"

    def read(self, seen: Seen) -> Value:
        """As `Home`; a restart by kubectl is `all#` and its time."""
        one = seen.deployment(self.deployment)
        ours, theirs = notes(one.metadata), _kubectl_restarted(one)
        if theirs and theirs != ours.get(RESTARTED_AFTER, ""):
            return f"all#{theirs}"
        return self.form.read(ours.get(RESTARTED, ""))

    def patches(self, value: Value, seen: Seen) -> Iterable[Patch]:
        """As `Home`."""
        present = seen.deployments.get(self.deployment)
        noted = _kubectl_restarted(present) if present else ""
        body: Json = {"annotations": {RESTARTED: self.form.write(value), RESTARTED_AFTER: noted}}
        yield Patch(Deployment, self.deployment, {"metadata": body})

    def owned(self) -> tuple[type[Deployment], str, tuple[str, ...]]:
        """As `Home`, of kubectl's restarts."""
        path = ("f:spec", "f:template", "f:metadata", "f:annotations", f"f:{KUBECTL_RESTARTED}")
        return Deployment, self.deployment, path


@dataclass(frozen=True, slots=True)
class Cordons:
    """The Nodes that nothing is placed on, by the names that scenarios have for them."""

    form: Form

    @property
    def place(self) -> str:
        """As `Home`."""
        return "Nodes: `spec.unschedulable`"

    def read(self, seen: Seen) -> Value:
        """As `Home`."""
        return listed(name for name, node in seen.nodes.items() if node.spec and node.spec.unschedulable)

    def patches(self, value: Value, seen: Seen) -> Iterator[Patch]:
        """As `Home`; Nodes that are as they shall be are left alone."""
        wanted = set(names_in(str(value)))
        if missing := wanted - set(seen.nodes):
            there = ", ".join(sorted(seen.nodes)) or "no node"
            raise ValueError(f"there is no node {', '.join(sorted(missing))} to cordon in this cluster; it has {there}")
        for name, node in seen.nodes.items():
            cordoned = bool(node.spec and node.spec.unschedulable)
            if cordoned != (name in wanted):
                yield Patch(Node, name_of(node), {"spec": {"unschedulable": name in wanted or None}})

    def owned(self) -> tuple[type[Node], str, tuple[str, ...]]:
        """As `Home`."""
        return Node, "", ("f:spec", "f:unschedulable")


_CONTAINER = ("f:spec", "f:template", "f:spec", "f:containers", f'k:{{"name":"{MODEL_SERVER}"}}')

IMAGE = (*_CONTAINER, "f:image")
"""Path of the model servers' image in the `managedFields` of a pool's Deployment."""


def _of_container(deployment: str, part: Json) -> Patch:
    container: Json = {"name": MODEL_SERVER, **part}
    return Patch(Deployment, deployment, {"spec": {"template": {"spec": {"containers": [container]}}}})


def _kubectl_restarted(one: Deployment) -> str:
    return notes(one.spec.template.metadata).get(KUBECTL_RESTARTED, "")
