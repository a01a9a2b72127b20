"""What whoever plays in a namespace of somebody else's cluster may do there: nothing more is asked for, and nothing less will do.

The ClusterRole `admin` that every cluster has, bound in the namespace, is enough (Kubernetes' documentation, "Using RBAC
Authorization", user-facing roles). Nobody may grant by a Role what they may not do themselves, so this has what our Roles grant.
"""

from __future__ import annotations

from collections.abc import Mapping

_MADE = ("list", "create", "patch", "delete")
"""Of what a drill makes and takes away: a server-side apply is a `patch` that may `create`."""
_ASKED = ("get", "create", "update", "delete")
"""Requests by way of the API's proxy: GET, POST, PUT, DELETE."""

NEEDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "": {
        "services": ("get", *_MADE),
        "secrets": _MADE,
        "serviceaccounts": _MADE,
        "persistentvolumeclaims": _MADE,
        "configmaps": ("get", "watch", *_MADE),
        "pods": ("get", "list", "watch", "patch", "delete"),
        "pods/log": ("get", "list", "watch"),
        "pods/portforward": ("create",),
        "pods/proxy": _ASKED,
        "services/proxy": _ASKED,
    },
    "apps": {"deployments": ("get", "watch", *_MADE)},
    "batch": {"jobs": ("get", "list", "watch", "create", "delete")},
    "rbac.authorization.k8s.io": {"roles": _MADE, "rolebindings": _MADE},
}
"""Verbs by API group and resource. A test compares them with what is asked for, and with the documentation."""
