"""What the environment says of clusters and images: where things come from when it is not where they usually do."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...sandbox.model.errors import UsageError, nearest

NODE_IMAGE = "DRILLBOX_KIND_IMAGE"
"""Image of the nodes; not set: the one that belongs to the installed kind."""
CLUSTER = "DRILLBOX_KIND_CLUSTER"
"""Name of the cluster; begins with `drillbox-`."""
WORKERS = "DRILLBOX_KIND_WORKERS"
"""Number of its nodes beside the control plane."""
API_PORT = "DRILLBOX_KIND_API_PORT"
"""Port of the cluster's API on loopback; not set: a free one."""
BASE_IMAGE = "DRILLBOX_KIND_BASE"
"""Image with Python 3.11 or later on Debian that the application image is built on."""
BUILD_NETWORK = "DRILLBOX_KIND_BUILD_NETWORK"
"""Network that a build uses, for example `host`; not set: the engine's default."""
PACKAGE_INDEX = "DRILLBOX_KIND_INDEX"
"""Index that a build takes Python packages from; not set: what the base image says, else PyPI."""
DEBIAN_MIRROR = "DRILLBOX_KIND_DEBIAN"
"""Mirror that a build takes Debian packages from; not set: what the base image says."""
PROMETHEUS = "DRILLBOX_KIND_PROMETHEUS"
"""`debian`: Prometheus is installed into the application image; `host`: the program of this machine is copied into it."""
GRAFANA_IMAGE = "DRILLBOX_KIND_GRAFANA"
"""Image of Grafana; not set: there is no Grafana."""
PROMETHEUS_IMAGE = "DRILLBOX_KIND_PROMETHEUS_IMAGE"
"""Image of Prometheus; not set: the application image has one."""
ENVOY_IMAGE = "DRILLBOX_KIND_ENVOY"
"""Image of Envoy; not set: the application image has one."""
DISCOVERY = "DRILLBOX_KIND_DISCOVERY"
"""Whom Prometheus asks for its targets: `kubernetes`, the API, or `controller`; not set: the API if it is built for that."""

CONTEXT = "DRILLBOX_KIND_CONTEXT"
"""Context of the user's own kubeconfig: a cluster that drillbox did not make. Not set: one that it makes."""
NAMESPACE = "DRILLBOX_KIND_NAMESPACE"
"""Namespace there, which has to exist."""
NO_SANDBOX = "DRILLBOX_KIND_I_KNOW_THIS_IS_NOT_A_SANDBOX"
"""`yes`: drills may be played there."""
APP_IMAGE = "DRILLBOX_KIND_APP_IMAGE"
"""The application image, as such a cluster can pull it."""

NAMES = (
    *(NODE_IMAGE, CLUSTER, WORKERS, API_PORT, BASE_IMAGE, BUILD_NETWORK, PACKAGE_INDEX, DEBIAN_MIRROR, PROMETHEUS),
    *(PROMETHEUS_IMAGE, DISCOVERY, ENVOY_IMAGE, GRAFANA_IMAGE, CONTEXT, NAMESPACE, NO_SANDBOX, APP_IMAGE),
)
"""All of them."""

PREFIX = "drillbox-"
"""The names of all clusters that drillbox makes begin so."""
DEFAULT_CLUSTER, DEFAULT_WORKERS, MOST_WORKERS = f"{PREFIX}default", 2, 8
DEFAULT_BASE = "python:3.12-slim"
_SOURCES = ("debian", "host")
_DISCOVERIES = ("kubernetes", "controller")
_YES = frozenset(("yes", "true", "1"))
_NAMESPACE, _LONGEST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"), 63


@dataclass(frozen=True, slots=True)
class Settings:
    """See the variables above.

    Attributes:
        node_image: empty for kind's own.
        api_port: 0 for a free one.
        base_image: of the application image.
        build_network: empty for the engine's default.
        package_index: a URL, or empty.
        debian_mirror: a URL, or empty.
        prometheus: `debian` or `host`.
        cluster: its name.
        workers: number of its nodes beside the control plane.
        grafana: image of Grafana; empty for none.
        context: of a cluster that drillbox did not make; empty for one that it makes.
        namespace: there.
        app_image: the application image for such a cluster; empty if none is named.
        prometheus_image: of Prometheus; empty for that of the application.
        envoy: image of Envoy; empty for that of the application.
        discovery: `kubernetes`, `controller`, or empty for what Prometheus can.
        asked: which of `workers` and `api_port` somebody asked for: a cluster that is there has to be as these, and the node
            image, say. If nothing is, it is taken as it is.
    """

    node_image: str = ""
    api_port: int = 0
    base_image: str = DEFAULT_BASE
    build_network: str = ""
    package_index: str = ""
    debian_mirror: str = ""
    prometheus: str = "debian"
    cluster: str = DEFAULT_CLUSTER
    workers: int = DEFAULT_WORKERS
    grafana: str = ""
    context: str = ""
    namespace: str = ""
    app_image: str = ""
    prometheus_image: str = ""
    envoy: str = ""
    discovery: str = ""
    asked: frozenset[str] = frozenset()

    def of(self, cluster: str, workers: int | None, port: int | None) -> Settings:
        """Those of a cluster that somebody asks for. One that is there has to be as asked, if anything is."""
        asked = frozenset(name for name, value in (("workers", workers), ("api_port", port)) if value is not None)
        chosen = (self.workers if workers is None else workers, self.api_port if port is None else port)
        return replace(self, cluster=cluster, workers=chosen[0], api_port=chosen[1], asked=asked)

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Those of an environment.

        Raises:
            UsageError: a value cannot be; the message names the variable.
        """

        def text(name: str, default: str = "") -> str:
            return environment.get(name, "").strip() or default

        source, discovery = text(PROMETHEUS, "debian"), text(DISCOVERY)
        if source not in _SOURCES:
            raise UsageError(f"{PROMETHEUS}={source}: {nearest(source, _SOURCES)}")
        if discovery and discovery not in _DISCOVERIES:
            raise UsageError(f"{DISCOVERY}={discovery}: {nearest(discovery, _DISCOVERIES)}")
        return cls(
            text(NODE_IMAGE),
            _port(text(API_PORT, "0")),
            text(BASE_IMAGE, DEFAULT_BASE),
            text(BUILD_NETWORK),
            text(PACKAGE_INDEX),
            text(DEBIAN_MIRROR),
            source,
            text(CLUSTER, DEFAULT_CLUSTER),
            _workers(text(WORKERS, str(DEFAULT_WORKERS))),
            text(GRAFANA_IMAGE),
            *_elsewhere(text(CONTEXT), text(NAMESPACE), confirmed=text(NO_SANDBOX).lower() in _YES),
            text(APP_IMAGE),
            text(PROMETHEUS_IMAGE),
            text(ENVOY_IMAGE),
            discovery,
        )


def _elsewhere(context: str, namespace: str, *, confirmed: bool) -> tuple[str, str]:
    """Context and namespace, if a drill may be played there."""
    if not context and not namespace:
        return "", ""
    if not context:
        raise UsageError(f"the namespace {namespace}: name the context of its cluster, too (--context, or {CONTEXT})")
    if not confirmed:
        where = f"the namespace {namespace}" if namespace else "a namespace"
        raise UsageError(
            f"drillbox did not make the cluster of the context {context}: a drill there takes CPU and memory from whatever else "
            f"runs, and breaks its own service in {where} on purpose. If that is meant, say so with "
            f"--i-know-this-is-not-a-sandbox (or {NO_SANDBOX}=yes): its objects are made in that namespace, and "
            "removed at the end; the namespace stays, and nodes are not touched. Without --context drillbox makes its own cluster"
        )
    if not namespace:
        raise UsageError(f"the context {context}: name a namespace of its cluster that is there (--namespace, or {NAMESPACE})")
    if len(namespace) > _LONGEST or not _NAMESPACE.fullmatch(namespace):
        raise UsageError(f"the namespace {namespace!r}: a name is made of at most 63 small letters, digits and dashes")
    return context, namespace


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and (text == "0" or 1024 <= int(text) <= 65535):
        return int(text)
    raise UsageError(f"{API_PORT}={text}: give a port from 1024 to 65535, or 0 for a free one")


def _workers(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= MOST_WORKERS:
        return int(text)
    raise UsageError(f"{WORKERS}={text}: give a number of nodes from 0 to {MOST_WORKERS}")
