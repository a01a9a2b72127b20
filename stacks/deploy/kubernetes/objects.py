"""All objects of a drill, in the order in which they are made.

    for one in objects_of(setup):
        client.apply(one, field_manager=MANAGER, force=True)

A Deployment is the object of its first revision: `first_revision` gives the one before it, with the version to which a roll-back
returns, so that `kubectl rollout undo` has somewhere to go.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

from lightkube.codecs import from_dict
from lightkube.models.core_v1 import EnvVar
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Node, PersistentVolumeClaim, Secret, Service

from ....sandbox.model.params import Value
from ....sandbox.model.service import fields_of
from .access import Access, access
from .config import claim, configs, secret
from .grafana import grafana, grafana_configs
from .monitoring import prometheus, prometheus_config
from .names import MODEL_SERVER, POOLS, VERSION, labels_of
from .network import services
from .seen import Seen, merge, name_of
from .setup import Setup
from .table import HOMES, patches
from .workloads import feature_store, gateway, load, model_servers, pipeline, registry

Rendered = Namespace | Access | Secret | ConfigMap | PersistentVolumeClaim | Service | Deployment

NOT_OURS = frozenset(path for path, home in HOMES.items() if home.owned()[0] is Node)
"""Fields that are in objects which are there before a drill."""


def objects_of(setup: Setup) -> list[Rendered]:
    """Everything that there is of a drill.

    A namespace is only among it where the drill has one of its own.
    """
    values = {path: value for path, value in fields_of(setup.spec) if path not in NOT_OURS}
    found: list[Rendered] = [] if setup.namespace else [namespace(setup)]
    found += [*access(setup), secret(setup), claim(setup), *services(setup)]
    maps = [*configs(setup), prometheus_config(setup), *grafana_configs(setup)]
    return found + list(with_values([*maps, *deployments(setup)], values))


def namespace(setup: Setup) -> Namespace:
    """The drill's own, which asks for the restricted Pod Security Standard where the cluster knows of that."""
    labels = labels_of(setup.label, "namespace")
    for what in ("enforce", "warn", "audit"):
        labels[f"pod-security.kubernetes.io/{what}"] = "restricted"
    return Namespace(metadata=ObjectMeta(name=setup.where, labels=labels))


def deployments(setup: Setup) -> list[Deployment]:
    """All Deployments, without what the desired state says of them."""
    return [
        registry(setup),
        feature_store(setup),
        gateway(setup),
        pipeline(setup),
        *(model_servers(setup, pool) for pool in POOLS),
        load(setup),
        prometheus(setup),
        *grafana(setup),
    ]


def with_values(objects: Iterable[ConfigMap | Deployment], values: Mapping[str, Value]) -> Iterable[ConfigMap | Deployment]:
    """The objects with fields of the desired state put in: by the patches that change them later."""
    given = list(objects)
    wanted = {(one.kind, one.name): one for one in patches(values, Seen.of(given))}
    for one in given:
        patch = wanted.get((type(one), name_of(one)))
        if patch is None:
            yield one
        else:
            yield from_dict(merge(one.to_dict(), patch.body))  # type: ignore[misc]  # it is of the kind that it was


def first_revision(champion: Deployment, previous: str) -> Deployment:
    """The champion's Deployment as it was before the present version: without replicas, so that it costs nothing."""
    one = copy.deepcopy(champion)
    one.spec.replicas = 0
    pod = one.spec.template.spec
    for container in pod.containers if pod else ():
        if container.name == MODEL_SERVER:
            container.env = [EnvVar(name=VERSION, value=previous) if var.name == VERSION else var for var in container.env or ()]
    return one


def needs_first_revision(setup: Setup) -> bool:
    """Whether the champion has a version to go back to."""
    champion = setup.spec.champion
    return bool(champion.previous) and champion.previous != champion.version


def document(one: Rendered) -> dict[str, object]:
    """An object as YAML has it."""
    return one.to_dict()
