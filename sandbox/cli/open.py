"""`drillbox open`: to the gateway, Prometheus or Grafana of a session, in the browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

import click

from ..clock import WallClock
from ..model.errors import Exit, StackError, UsageError, nearest
from .completion import SESSIONS, completing
from .output import say, tell
from .reaching import reach

if TYPE_CHECKING:
    from ..model.housekeeping import Address
    from .reaching import Reached
    from .wiring import SessionMaker

HOST = "127.0.0.1"
PATIENCE = 30.0
"""Wall seconds that a way has to open."""
GRACE = 5.0
"""Wall seconds that its program has to end."""
CHECK = 5.0
"""Wall seconds from one look whether a way still leads somewhere to the next."""
PAUSE = 1.0
"""Wall seconds until a way that was lost is opened again."""
_LOOK = 0.05
THINGS = ("gateway", "prometheus", "grafana")
"""What there may be to open."""


@click.command("open")
@click.argument("what", shell_complete=completing(lambda _context: ((name, "") for name in THINGS)))
@click.option("--session", default="", shell_complete=SESSIONS, help="Which one; otherwise the only one.")
@click.option("--print", "only_print", is_flag=True, help="Print the URL, open no browser.")
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="On which a way is opened, where there is none yet; 0: any."
)
@click.pass_obj
def open_command(wiring: SessionMaker, what: str, session: str, only_print: bool, port: int) -> int:
    """Open WHAT (gateway, prometheus or grafana) of a session in the browser, and print its URL.

    Where it has no port on this machine yet, as Prometheus on a cluster, a way is opened that lasts until Ctrl-C. Nobody but this
    machine can use it.

    \b
    Examples:
      drillbox open prometheus                       graphs and alerts
      drillbox open grafana --session NAME           where several sessions run
      drillbox open prometheus --print --port 9090   no browser, and a port of your choice
      curl "$(drillbox open gateway --print)/v2/health/ready"

    \b
    Exit codes: 0 it was opened, 2 there is no such session or thing, or the port is taken, 3 the way does not open.
    """
    found = reach(wiring, session)
    address = _address(found, what)
    if address.where.startswith("http"):
        _show(address.where, only_print=only_print)
        return int(Exit.PASSED)
    port = _port(port)
    url = f"http://{HOST}:{port}"
    with suppress(KeyboardInterrupt):
        _lead(wiring, found, address, port, only_print=only_print)
    tell(f"\n{url} is closed")
    return int(Exit.PASSED)


def _address(found: Reached, what: str) -> Address:
    """Where it is.

    Raises:
        UsageError: there is no such thing, or it cannot be opened.
    """
    known = {one.name: one for one in found.stands.addresses}
    one = known.get(what)
    able = {name: one for name, one in known.items() if one.way or one.where.startswith("http")}
    if one is None:
        raise UsageError(f"{found.name} on the stack {found.stack} has no {what!r} to open; {nearest(what, able)}")
    if one.name not in able:
        raise UsageError(f"{what} of {found.name} on the stack {found.stack}: {one.where}")
    return one


def _show(url: str, *, only_print: bool) -> None:
    say(url)
    if only_print:
        return
    if not _has_browser():
        tell("note: there is no screen for a browser here; the URL is above")
    elif not webbrowser.open(url):
        tell("note: no browser could be started; the URL is above")


def _has_browser() -> bool:
    """Whether a browser would have a screen of its own: one in the terminal is not what is meant."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _port(wanted: int) -> int:
    """A free port of loopback.

    Raises:
        UsageError: the wanted one is taken, or may not be used.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise UsageError(f"port {wanted} of {HOST} cannot be used: {error.strerror}; choose another, or none") from None
        return int(probe.getsockname()[1])


def _lead(wiring: SessionMaker, found: Reached, address: Address, port: int, *, only_print: bool) -> None:
    """Keep the way open until Ctrl-C, or the end of the session.

    Raises:
        StackError: it does not open.
    """
    clock, opened = WallClock(), False
    while not opened or _lives(wiring, found):
        try:
            with _opened(address.way, port) as process:
                tell(f"leads to {address.name} of {found.name} until Ctrl-C")
                if not opened:
                    _show(f"http://{HOST}:{port}", only_print=only_print)
                opened = True
                _stay(process, port)
        except StackError:
            if not opened or _lives(wiring, found):
                raise
        tell(f"note: the way to {address.name} was lost")
        clock.sleep(PAUSE)
    tell(f"note: {found.name} is over")


def _stay(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the way is lost: older versions of kubectl stay when the pod that they lead to goes, and lead nowhere."""
    import httpx

    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(CHECK)
        try:
            httpx.head(f"http://{HOST}:{port}/", timeout=PATIENCE, trust_env=False)
        except httpx.TransportError:
            return


def _lives(wiring: SessionMaker, found: Reached) -> bool:
    try:
        return reach(wiring, found.name).stands.host == found.stands.host
    except UsageError:
        return False


@contextmanager
def _opened(way: tuple[str, ...], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The program that leads there, once it listens."""
    from ..api.launch import end

    argv = [word.replace("{port}", str(port)) for word in way]
    with tempfile.TemporaryFile() as told:
        try:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=told)
        except OSError as error:
            raise StackError(f"{argv[0]} cannot be run: {error.strerror}") from error
        try:
            _await(process, port, told)
            yield process
        finally:
            end(process, GRACE)


def _await(process: subprocess.Popen[bytes], port: int, told: IO[bytes]) -> None:
    clock = WallClock()
    deadline = clock.now() + PATIENCE
    while clock.now() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=PATIENCE):
            return
        clock.sleep(_LOOK)
    told.seek(0)
    lines = told.read().decode(errors="replace").strip().splitlines()
    why = lines[-1] if lines else f"nothing listens within {PATIENCE:g} s"
    raise StackError(f"the way does not open: {why}")
