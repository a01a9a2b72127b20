"""Makes a cluster with the command `kind`: what is asked for, what kind is told, and what it prints on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ....sandbox.model.errors import UsageError
from ....sandbox.model.stack import Progress
from ...real.machine.ports import HOST
from ..records.clusters import ClusterFolder, Record, identity
from ..settings import DEFAULT_CLUSTER, DEFAULT_WORKERS, MOST_WORKERS, PREFIX
from .makers import Makers
from .programs import KIND, ProgramError, find, run, with_docker
from .trouble import failure

LABEL = "drillbox.dev/cluster"
"""Kubernetes label of the nodes: the cluster's name."""
BEGINS, RUNS = "kind: preparing", ("kind: installing", "kind: joining", "kind: waiting")
"""How the step begins in which kind makes the nodes, and those that it takes once the control plane runs."""
_NETWORK = "KIND_EXPERIMENTAL_DOCKER_NETWORK"
"""Environment variable of kind: the network of the nodes, in place of the one that all clusters share."""
_PROVIDER = "KIND_EXPERIMENTAL_PROVIDER"
"""Another one: which engine it uses. Here that is always the one that is asked, too, by way of `docker`."""
_NAME = re.compile(rf"{PREFIX}[a-z0-9]([a-z0-9-]{{0,28}}[a-z0-9])?")
_STEP = re.compile(r"^ *(?P<mark>[•✓✗]) (?P<step>.+?)(?: *\.\.\.)?$")
_PICTURES = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A cluster to have.

    Attributes:
        name: begins with `drillbox-`.
        workers: number of nodes beside the control plane; without any, all runs on that one.
        image: of the nodes; empty for kind's own.
        port: of the API on loopback; 0 for a free one.
        session: the drill that it is made for, if it has to be made, and with which it goes; empty: it stays.
    """

    name: str = DEFAULT_CLUSTER
    workers: int = DEFAULT_WORKERS
    image: str = ""
    port: int = 0
    session: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"cluster name {self.name!r}: it begins with {PREFIX}, then at most 30 small letters, digits and dashes, "
                f"as in {DEFAULT_CLUSTER}"
            )
        if not 0 <= self.workers <= MOST_WORKERS:
            raise UsageError(f"{self.workers} workers: a cluster has from 0 to {MOST_WORKERS}")

    def creation(self, kubeconfig: Path) -> tuple[str | Path, ...]:
        """Arguments of kind that make it; it reads the configuration from standard input."""
        image = ("--image", self.image) if self.image else ()
        return ("create", "cluster", "--name", self.name, "--kubeconfig", kubeconfig, *image, "--config", "-")

    def configuration(self) -> str:
        """What kind is told, in its format v1alpha4."""
        labels = {LABEL: self.name}
        nodes = [{"role": role, "labels": labels} for role in ("control-plane", *("worker",) * self.workers)]
        networking: dict[str, Any] = {"ipFamily": "ipv4", "apiServerAddress": HOST}
        if self.port:
            networking["apiServerPort"] = self.port
        whole = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "networking": networking, "nodes": nodes}
        return yaml.safe_dump(whole, sort_keys=False)


class Kind:
    """The program, and where it finds `docker`.

    Args:
        environment: where both are found.
        patience: wall seconds that it has to make the nodes of a cluster.

    Raises:
        StackError: one of them is missing, or too old.
    """

    def __init__(self, environment: Mapping[str, str], patience: float) -> None:
        self._program, self._patience = find(KIND, environment), patience
        self._environment = {name: value for name, value in with_docker(environment).items() if name != _PROVIDER}

    def make(self, wanted: Wanted, folder: ClusterFolder, record: Record, progress: Progress) -> None:
        """Make the nodes of a cluster on the network of its name; the record has who does it meanwhile.

        Raises:
            StackError: kind fails; the message has the step, and what is known to help.
        """
        steps = Steps(progress)
        try:
            run(
                [self._program.path, *wanted.creation(folder.kubeconfig)],
                self._patience,
                environment={**self._environment, **(makers := Makers(record)).environment(), _NETWORK: wanted.name},
                given=wanted.configuration(),
                hear=steps.hear,
                started=lambda pid: folder.write(record.model_copy(update={"creator": identity(pid)})),
                meanwhile=steps.again,
                end=makers.end_kind,
            )
        except ProgramError as error:
            raise failure(wanted.name, error, steps.current) from error
        steps.end()


class Steps:
    """Turns what kind prints into steps: ` • Preparing nodes ...` begins one, ` ✓ Preparing nodes` ends it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.current = ""

    def hear(self, line: str) -> None:
        """A line."""
        found = _STEP.match(line)
        if found is None:
            return
        name = _PICTURES.sub("", found["step"]).strip()
        step = f"kind: {name[:1].lower()}{name[1:]}"
        if found["mark"] == "•":
            self.current = step
            self._progress(step, 0.0)
        elif found["mark"] == "✓":
            self.end()

    def again(self) -> None:
        """The step goes on."""
        if self.current:
            self._progress(self.current, 0.0)

    def end(self) -> None:
        """The step that goes on is done."""
        if self.current:
            self._progress(self.current, 1.0)
        self.current = ""
