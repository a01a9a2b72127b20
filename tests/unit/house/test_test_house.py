"""What the tests themselves run in: no network, a state folder of their own, the same examples every time."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import hypothesis
import pytest
import pytest_socket


def test_network_is_blocked() -> None:
    with socket.socket() as client, pytest.raises(pytest_socket.SocketConnectBlockedError):
        client.connect(("192.0.2.1", 80))  # TEST-NET-1: never routed


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        connection, _ = server.accept()
        with connection:
            client.sendall(b"ready")
            assert connection.recv(5) == b"ready"


def test_unix_sockets_are_open() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"ready")
        assert right.recv(5) == b"ready"


def test_state_is_in_a_temporary_folder(session_home: Path) -> None:
    assert Path(os.environ["DRILLBOX_HOME"]) == session_home
    assert session_home.name.startswith("drillbox-home")


def test_each_test_can_have_a_new_home_with_the_shared_cache(drillbox_home: Path, session_home: Path, root: Path) -> None:
    assert Path(os.environ["DRILLBOX_HOME"]) == drillbox_home != session_home
    assert [path.name for path in sorted(drillbox_home.iterdir())] == ["cache", "models"]
    assert (
        (drillbox_home / "cache").resolve() == (session_home / "cache").resolve() == root / ".cache" / "drillbox-tests" / "cache"
    )


@pytest.mark.skipif("HYPOTHESIS_PROFILE" in os.environ, reason="another profile was asked for")
def test_examples_are_the_same_every_time() -> None:
    assert hypothesis.settings().derandomize
    assert hypothesis.settings().deadline is None
