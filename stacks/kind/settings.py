"""What the environment says of clusters and images: where things come from when it is not where they usually do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

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
"""Image of Grafana, which the nodes can pull or have; not set: there is no Grafana."""

DEFAULT_CLUSTER, DEFAULT_WORKERS = "drillbox-default", 2
DEFAULT_BASE = "python:3.12-slim"
_SOURCES = ("debian", "host")


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

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Those of an environment.

        Raises:
            UsageError: a value cannot be; the message names the variable.
        """

        def text(name: str, default: str = "") -> str:
            return environment.get(name, "").strip() or default

        source = text(PROMETHEUS, "debian")
        if source not in _SOURCES:
            raise UsageError(f"{PROMETHEUS}={source}: {nearest(source, _SOURCES)}")
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
        )


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and (text == "0" or 1024 <= int(text) <= 65535):
        return int(text)
    raise UsageError(f"{API_PORT}={text}: give a port from 1024 to 65535, or 0 for a free one")


def _workers(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 8:
        return int(text)
    raise UsageError(f"{WORKERS}={text}: give a number of nodes from 0 to 8")
