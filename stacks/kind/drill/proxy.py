"""How the host reaches the services of a drill: through the Kubernetes API's proxy, by `kubectl proxy` on a socket of its own.

It works on any cluster, with whatever credentials its kubeconfig has, and needs no open port: who may open the socket's folder,
which is the user's alone, may use the proxy. As the API takes the header `Authorization` for itself, our token is sent in
`X-Control-Token`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from ....sandbox.model.errors import StackError
from ...deploy.kubernetes.names import PORT
from ...real.machine.programs import Program
from .place import Place

NAME = "api-proxy"
HOST = "http://localhost"
"""Stands for the cluster in URLs: the socket is what leads there. kubectl takes requests for this name only."""
_LONGEST = 103
"""Bytes that the path of a socket may have (unix(7): 108 with its end, on macOS 104)."""
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Way:
    """The way to the services of a namespace.

    Attributes:
        socket: of the proxy.
        namespace: of the drill.
    """

    socket: Path
    namespace: str

    def service(self, name: str, port: int = PORT) -> str:
        """The URL of a service."""
        return f"{HOST}/api/v1/namespaces/{self.namespace}/services/{name}:{port}/proxy"

    def pod(self, name: str, port: int = PORT) -> str:
        """The URL of a pod."""
        return f"{HOST}/api/v1/namespaces/{self.namespace}/pods/{name}:{port}/proxy"

    def transport(self) -> httpx.HTTPTransport:
        """For a client that goes this way."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        return httpx.HTTPTransport(uds=str(self.socket), limits=limits)

    def program(self, kubectl: Path, place: Place) -> Program:
        """What opens it: only the drill's namespace can be reached."""
        argv = [
            *(str(kubectl), "proxy", f"--kubeconfig={place.kubeconfig}", f"--unix-socket={self.socket}"),
            f"--accept-paths=^/api/v1/namespaces/{self.namespace}/(services|pods)/[^/]+/proxy/.*$",
            "--reject-methods=^$",  # by default kubectl refuses what changes anything in a pod
            "--reject-paths=^$",
            *((f"--context={place.context}",) if place.context else ()),
        ]
        return Program(NAME, tuple(argv), place.environment())

    def wait(self, patience: float, alive: Callable[[], bool]) -> None:
        """Wait until it is open.

        Args:
            patience: wall seconds.
            alive: whether the process of the proxy still runs.

        Raises:
            StackError: it does not open.
        """
        deadline = time.monotonic() + patience
        with httpx.Client(transport=self.transport(), trust_env=False) as client:
            while alive():
                if self.socket.exists():  # a client that finds nobody leaves a socket of its own open
                    with suppress(httpx.TransportError):
                        client.get(f"{HOST}/", timeout=patience)  # forbidden, and that is an answer
                        return
                if time.monotonic() > deadline:
                    break
                time.sleep(_POLL)
        raise StackError(f"kubectl proxy does not listen at {self.socket}")


def socket_of(folder: Path, label: str) -> Path:
    """Where the socket of a drill is: in its folder, or in a folder for temporary files if that path is too long for a socket.

    Raises:
        StackError: both are too long.
    """
    short = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
    temporary = Path(tempfile.gettempdir())
    for place in (folder, temporary / f"drillbox-{label}", temporary / f"drillbox-{short}"):
        path = place / "api.sock"
        if len(bytes(path)) <= _LONGEST:
            return path
    raise StackError(f"the path of the folder for temporary files, {temporary}, is too long for a socket: set TMPDIR to another")


def make_far(folder: Path) -> None:
    """Make the folder of a socket that is not in the drill's own: one that is there already may be somebody else's.

    Raises:
        StackError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        why = error.strerror or str(error)
        raise StackError(
            f"the folder {folder} for the socket of kubectl proxy cannot be made: {why}; set TMPDIR to another folder"
        ) from error
