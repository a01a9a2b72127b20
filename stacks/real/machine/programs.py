"""What a supervisor starts: a program, its arguments and environment, and the limits that it wants."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ....sandbox.model.errors import StackError

SESSION = "DRILLBOX_SESSION"
"""Environment variable of every process of a drill: the label of its session."""
HOME = "DRILLBOX_HOME"
"""Environment variable: the state folder."""
FOLDER = "DRILLBOX_SESSION_FOLDER"
"""Environment variable beside it: the session's folder. Two people, or two state folders, may have sessions of the same label."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_KEPT = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV"),
    *(HOME, "XDG_DATA_HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "COVERAGE_PROCESS_START"),
)
"""What a program gets of the host's environment: where things are and how text is written, nothing that steers a service."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program to run.

    Attributes:
        name: of the process, its record and its log; small letters, digits, dots and dashes.
        argv: the program, a path or a name on the PATH, and its arguments.
        environment: settings, complete but for what every program gets.
        memory: MiB that its cgroup allows; None if it wants no limit.
        cpu: cores that its cgroup allows; None if it wants no limit.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: float | None = None
    cpu: float | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "program")
        if not self.argv:
            raise StackError(f"program {self.name}: there is nothing to run")


def check_name(name: str, what: str) -> None:
    """Refuse what cannot name a file and a cgroup.

    Raises:
        StackError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise StackError(f"{what} {name!r}: a name is made of small letters, digits, '.', '_' and '-', at most 63 of them")


def whole_environment(program: Program, label: str, folder: str) -> dict[str, str]:
    """All that a program finds in its environment."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # Its folder is the session's, which must not become a place to import from; and what it prints must reach its log at once.
    own = {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    return kept | own | dict(program.environment) | {SESSION: label, FOLDER: folder}
