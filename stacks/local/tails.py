"""What services write becomes log lines of the drill."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from ...sandbox.model.telemetry import LogLine
from .processes import Process

LONGEST = 500
"""Characters of a line that an on-call gets to see."""
_SEVERITIES = {"debug": "debug", "info": "info", "warning": "warning", "warn": "warning", "error": "error", "critical": "error"}


def lines_of(process: Process, at: float, hidden: Callable[[str], bool] = lambda _text: False) -> Iterable[LogLine]:
    """Complete lines that a process has written since the last call, as of drill time `at`.

    Lines that are no JSON objects are told as they are. `hidden` says which texts are of the stack itself, not of the service.
    """
    for line in process.log_lines():
        component, severity, text = _read(line, process.program.name)
        if text and not hidden(text):
            yield LogLine(at, component, severity, text[:LONGEST])


def _read(line: str, name: str) -> tuple[str, str, str]:
    try:
        found = json.loads(line)
    except ValueError:
        return name, "info", line.strip()
    if not isinstance(found, dict):
        return name, "info", line.strip()
    severity = _SEVERITIES.get(str(found.get("severity", "info")).lower(), "info")
    return str(found.get("component", name)), severity, str(found.get("text", "")).strip()
