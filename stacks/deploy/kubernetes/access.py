"""Who may do what with the Kubernetes API: within the namespace, and no more than each needs."""

from __future__ import annotations

from collections.abc import Sequence

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.rbac_v1 import PolicyRule, RoleRef, Subject
from lightkube.resources.core_v1 import ServiceAccount
from lightkube.resources.rbac_authorization_v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding

from .names import CONTROLLER, PIPELINE, PROMETHEUS, labels_of
from .setup import Setup

READ = ("get", "list", "watch")
_RBAC = "rbac.authorization.k8s.io"


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str]) -> PolicyRule:
    return PolicyRule(apiGroups=[group], resources=list(resources), verbs=list(verbs))


RULES = {
    # Where model servers are and what they use, and the desired state.
    CONTROLLER: (
        _rule("", ("pods", "configmaps"), READ),
        _rule("apps", ("deployments",), READ),
    ),
    # Training jobs, and what they say.
    PIPELINE: (
        _rule("batch", ("jobs",), (*READ, "create", "delete")),
        _rule("", ("pods", "pods/log"), READ),
    ),
    # Whom to scrape, for a Prometheus that can ask.
    PROMETHEUS: (_rule("", ("pods",), READ),),
}
"""By ServiceAccount; all other pods have no account that may do anything, and no token."""

METRICS = "controller-metrics"
"""A Role of its own, for what whoever plays can perhaps not grant: where nothing serves the metrics API, the administrator of a
namespace has no right to it."""
_METRICS = (_rule("metrics.k8s.io", ("pods",), ("get", "list")),)

NODES = (_rule("", ("nodes",), READ), _rule("", ("nodes/proxy",), ("get",)))
"""What the controller may see outside the namespace, in clusters that drillbox made: nodes, and their kubelets' measurements."""

Access = ServiceAccount | Role | RoleBinding | ClusterRole | ClusterRoleBinding


def access(setup: Setup) -> list[Access]:
    """Accounts, roles and bindings."""
    found: list[Access] = []
    for account, rules in RULES.items():
        if account == PROMETHEUS and not setup.images.asks_kubernetes:
            continue
        meta = setup.meta(account, account)
        found += [ServiceAccount(metadata=meta, automountServiceAccountToken=False), *_granted(setup, account, account, rules)]
    found += _granted(setup, METRICS, CONTROLLER, _METRICS)
    return [*found, *_of_nodes(setup)] if setup.own_cluster else found


def _granted(setup: Setup, name: str, account: str, rules: Sequence[PolicyRule]) -> tuple[Role, RoleBinding]:
    """A Role, and whose it is."""
    meta = setup.meta(name, account)
    binding = RoleBinding(metadata=meta, roleRef=_role("Role", name), subjects=[_subject(setup, account)])
    return Role(metadata=meta, rules=list(rules)), binding


def may_be_refused(one: object) -> bool:
    """Whether a drill can do without an object: what it needs the metrics API for is measured otherwise, or not at all."""
    return isinstance(one, Role | RoleBinding) and bool(one.metadata and one.metadata.name == METRICS)


def _of_nodes(setup: Setup) -> list[Access]:
    name = f"{setup.where}-nodes"
    meta = ObjectMeta(name=name, labels=labels_of(setup.label, CONTROLLER))
    binding = ClusterRoleBinding(metadata=meta, roleRef=_role("ClusterRole", name), subjects=[_subject(setup, CONTROLLER)])
    return [ClusterRole(metadata=meta, rules=list(NODES)), binding]


def _role(kind: str, name: str) -> RoleRef:
    return RoleRef(apiGroup=_RBAC, kind=kind, name=name)


def _subject(setup: Setup, account: str) -> Subject:
    return Subject(kind="ServiceAccount", name=account, namespace=setup.where)
