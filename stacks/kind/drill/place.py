"""Where a drill is: a namespace of a cluster, and how that is reached."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec
import yaml
from lightkube import AsyncClient, Client, KubeConfig
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ConfigError

from ....sandbox.model.errors import StackError, UsageError, nearest
from ...deploy.kubernetes.names import MANAGER
from ..cluster.decoding import learn

NO_ANSWER = (httpx2.HTTPError, ConfigError, OSError, msgspec.MsgspecError)
"""What a client raises if the API does not answer as one does, or if it can have no credentials: a login has expired, say."""
_UNUSABLE = (
    *(ConfigError, OSError, KeyError, TypeError, ValueError, AttributeError, AssertionError),
    *(yaml.YAMLError, msgspec.MsgspecError),
)
"""What reading a kubeconfig raises that is damaged, empty, or has what the client does not know."""


@dataclass(frozen=True, slots=True)
class Place:
    """One drill's place.

    Attributes:
        kubeconfig: file with cluster and credentials.
        namespace: of the drill.
        label: of the drill, which its objects carry.
        context: in the kubeconfig; its current one if not given.
        own: whether drillbox made the cluster: then nodes may be seen, and fail.
    """

    kubeconfig: Path
    namespace: str
    label: str
    context: str = ""
    own: bool = True

    def config(self) -> SingleConfig:
        """Cluster and credentials.

        Raises:
            StackError: the kubeconfig cannot be used.
        """
        with self._usable():
            found = KubeConfig.from_file(self.kubeconfig).get(self.context or None)
        if found is None:
            raise StackError(f"the kubeconfig {self.kubeconfig} has no context{f' {self.context}' if self.context else ''}")
        return found

    def environment(self) -> dict[str, str]:
        """What kubectl needs to reach somebody else's cluster: perhaps a proxy, or settings of a program for credentials."""
        return {} if self.own else dict(os.environ)

    def client(self) -> Client:
        """A client of the API, whose changes are drillbox's.

        Raises:
            StackError: the kubeconfig cannot be used.
        """
        learn()
        with self._usable():
            return Client(self.config(), namespace=self.namespace, field_manager=MANAGER, trust_env=not self.own)

    def watcher(self) -> AsyncClient:
        """A client that watches.

        Raises:
            StackError: the kubeconfig cannot be used.
        """
        learn()
        with self._usable():
            return AsyncClient(self.config(), namespace=self.namespace, trust_env=not self.own)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """What is wrong with the kubeconfig in our words."""
        try:
            yield
        except _UNUSABLE as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise StackError(f"the kubeconfig {self.kubeconfig} cannot be used: {why}") from error


def kubeconfig_with(context: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The user's kubeconfig that has a context: of those in `KUBECONFIG`, or the usual one.

    Raises:
        UsageError: none has it.
    """
    known: set[str] = set()
    files = list(_kubeconfigs(environment))
    for path in files:
        try:
            found = KubeConfig.from_file(path)
        except _UNUSABLE:
            continue
        if context in found.contexts:
            return path
        known |= set(found.contexts)
    where = ", ".join(map(str, files))
    if not known:
        raise UsageError(f"there is no context {context!r}: no kubeconfig can be read at {where}; set KUBECONFIG")
    raise UsageError(f"there is no context {context!r} in {where}; {nearest(context, known)}")


def _kubeconfigs(environment: Mapping[str, str]) -> Iterator[Path]:
    """As kubectl looks for them."""
    named = [part for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    yield from (Path(part).expanduser() for part in named or ["~/.kube/config"])
