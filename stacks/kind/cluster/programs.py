"""The programs that the kind stack runs: where they are, whether they are recent enough, and running them with a deadline."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....sandbox.model.errors import StackError
from ...real.machine.installed import find_installed

Version = tuple[int, int]
_PATIENCE = 30.0
_SILENCE = 0.5
_END = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A program to find.

    Attributes:
        name: on the PATH.
        setting: environment variable with its path, if it is not on the PATH.
        oldest: version that will do.
        asks: arguments that make it tell its version.
        told: finds major and minor version in what it tells.
        install: what to do if it is missing or too old.
    """

    name: str
    setting: str
    oldest: Version
    asks: tuple[str, ...]
    told: re.Pattern[str]
    install: str


KIND = Tool(
    "kind",
    "DRILLBOX_KIND",
    (0, 20),
    ("version",),
    re.compile(r"\bkind v?(\d+)\.(\d+)\S*"),
    "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
)
KUBECTL = Tool(
    "kubectl",
    "DRILLBOX_KUBECTL",
    (1, 20),
    ("version", "--client", "--output", "json"),
    re.compile(r'"gitVersion":\s*"v(\d+)\.(\d+)[^"]*"'),
    "https://kubernetes.io/docs/tasks/tools/",
)
DOCKER = Tool(
    "docker",
    "DRILLBOX_DOCKER",
    (20, 10),
    ("--version",),
    re.compile(r"\bversion (\d+)\.(\d+)[^\s,]*"),
    "https://docs.docker.com/engine/install/",
)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was found, and its version as it tells it."""

    path: Path
    version: str


def with_docker(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """An environment for kind, which runs the first `docker` on the PATH.

    Raises:
        StackError: see `find`.
    """
    folder = find(DOCKER, environment).path.parent
    return {**environment, "PATH": os.pathsep.join((str(folder), *filter(None, (environment.get("PATH"),))))}


class ProgramError(StackError):
    """A program failed or took too long.

    Attributes:
        output: what it printed, both streams.
    """

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


def find(tool: Tool, environment: Mapping[str, str] = os.environ) -> Program:
    """The program to use.

    Raises:
        StackError: it is not there, cannot be run, or is too old; the message says what to do.
    """
    path = _path(tool, environment)
    try:
        done = subprocess.run(
            [path, *tool.asks], check=True, capture_output=True, text=True, timeout=_PATIENCE, env=dict(environment)
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StackError(f"{tool.name}: {path} cannot be run: {_why(error)}; install it again: {tool.install}") from error
    found = tool.told.search(done.stdout + done.stderr)
    if found is None:
        raise StackError(f"{tool.name}: {path} tells no version; set {tool.setting} to the path of {tool.name}")
    version = re.search(r"\d\S*", found[0].replace('"', " "))
    text = version[0] if version else found[0]
    if (int(found[1]), int(found[2])) < tool.oldest:
        wanted = ".".join(map(str, tool.oldest))
        raise StackError(f"{tool.name} {text} ({path}) is too old, it takes {wanted} or later: {tool.install}")
    return Program(path, text)


def _path(tool: Tool, environment: Mapping[str, str]) -> Path:
    found = find_installed(tool.name, tool.setting, environment, "unset it", StackError)
    if found is None:
        raise StackError(f"{tool.name} is not on the PATH: install it ({tool.install}), or set {tool.setting} to its path")
    return found


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        told = (error.stderr or error.stdout or "").strip().splitlines()
        return told[-1] if told else f"exit code {error.returncode}"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def run(  # noqa: PLR0913 -- each of them is about the program
    argv: Sequence[str | Path],
    patience: float,
    *,
    environment: Mapping[str, str] = os.environ,
    given: str = "",
    hear: Callable[[str], None] | None = None,
    started: Callable[[int], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
    end: Callable[[int], None] | None = None,
) -> str:
    """Run a program to its end.

    It is the head of a process group of its own: Ctrl-C in the terminal reaches it only through this process, and if it has to
    go, all that it started goes with it.

    Args:
        argv: the program and its arguments.
        patience: wall seconds that it may take.
        environment: all of it.
        given: what it reads from standard input.
        hear: hears of each line that it prints, when it prints it.
        started: hears of the number of its process.
        meanwhile: is called again and again while it prints nothing; what it raises ends the program.
        end: kills it, given the number of its process; the whole group if not given.

    Returns:
        What it printed, both streams as they came.

    Raises:
        ProgramError: it cannot be run, failed, or was killed as it took too long.
    """
    name = Path(argv[0]).name
    try:
        process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramError(f"{name} cannot be run: {error.strerror}", "") from error
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, given, lines), name=f"reader of {name}", daemon=True)
    printed: list[str] = []
    try:
        if started is not None:
            started(process.pid)
        reader.start()
        _listen(lines, printed, hear, meanwhile, time.monotonic() + patience)
        code = process.wait(_PATIENCE)
    except (TimeoutError, subprocess.TimeoutExpired):
        raise ProgramError(f"{name} {argv[1]} did not end within {patience:g} s", "\n".join(printed)) from None
    finally:
        (end or kill_group)(process.pid)
        process.wait()
        if reader.ident is not None:
            reader.join(_PATIENCE)  # the streams end with the group
        if process.stdout is not None and not reader.is_alive():
            process.stdout.close()
    output = "\n".join(printed)
    if code != 0:
        raise ProgramError(f"{name} {argv[1]} failed: {_last(printed) or f'exit code {code}'}", output)
    return output


def kill_group(leader: int) -> None:
    """Kill what is left of the process group of a program."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _read(process: subprocess.Popen[bytes], given: str, lines: queue.SimpleQueue[str | None]) -> None:
    """Give the program its input, and pass on what it prints."""
    if process.stdin is not None:
        with contextlib.suppress(OSError), process.stdin as stdin:
            stdin.write(given.encode())
    if process.stdout is not None:
        with contextlib.suppress(OSError, ValueError):
            for line in process.stdout:
                lines.put(line.decode(errors="replace").rstrip())
    lines.put(_END)


def _listen(
    lines: queue.SimpleQueue[str | None],
    printed: list[str],
    hear: Callable[[str], None] | None,
    meanwhile: Callable[[], None] | None,
    deadline: float,
) -> None:
    while True:
        left = deadline - time.monotonic()
        try:
            line = lines.get(timeout=max(0.0, left if meanwhile is None else min(left, _SILENCE)))
        except queue.Empty:
            if left <= 0.0:
                raise TimeoutError from None
            if meanwhile is not None:
                meanwhile()
            continue
        if line is _END:
            return
        printed.append(line)
        if hear is not None:
            hear(line)


def _last(printed: Sequence[str]) -> str:
    return next((line.strip() for line in reversed(printed) if line.strip()), "")
