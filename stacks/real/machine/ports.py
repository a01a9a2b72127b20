"""Ports on loopback for the services of a drill."""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path

from ....sandbox.model.errors import StackError

HOST = "127.0.0.1"
_LOWEST = 20000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, other than those given before.

    It is none that the system takes for outgoing connections: the load generator opens thousands, and a replica must find its
    port free when it starts again.

    Raises:
        StackError: there is none.
    """
    ports = [port for port in range(_LOWEST, _highest()) if port not in _given]
    random.shuffle(ports)  # another host at the same moment hardly takes the same
    for port in ports:
        if _free(port):
            _given.add(port)
            return port
    raise StackError(f"all ports of {HOST} from {_LOWEST} to {_highest() - 1} are taken; stop what listens there: ss -tlnp")


def check_port(port: int, purpose: str) -> None:
    """Refuse a port that somebody has, before anything is started.

    Raises:
        StackError: it is taken, or may not be used.
    """
    if not _free(port):
        raise StackError(
            f"{purpose}: port {port} of {HOST} is taken by another program; stop it (ss -tlnp), or choose another port"
        )


def give_back(port: int) -> None:
    """A port is not used any more."""
    _given.discard(port)


def _highest() -> int:
    """The end of the ports to choose from: the first that outgoing connections may get."""
    try:
        lowest = int(_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        lowest = 32768
    return lowest if lowest > _LOWEST + 1000 else 65536


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: what closed connections left is no hindrance
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise StackError(f"loopback cannot be used: {error.strerror}") from error
    return True
