"""Lines that services write, as the drill's log has them."""

from __future__ import annotations

import json

LONGEST = 500
"""Characters of a line that an on-call gets to see."""
_SEVERITIES = {"debug": "debug", "info": "info", "warning": "warning", "warn": "warning", "error": "error", "critical": "error"}


def read_line(line: str, name: str) -> tuple[str, str, str]:
    """Component, severity and text of a line; one that is no JSON object is the text of whoever is called `name`."""
    try:
        found = json.loads(line)
    except ValueError:
        return name, "info", line.strip()
    if not isinstance(found, dict):
        return name, "info", line.strip()
    severity = _SEVERITIES.get(str(found.get("severity", "info")).lower(), "info")
    return str(found.get("component", name)), severity, str(found.get("text", "")).strip()
