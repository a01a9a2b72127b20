"""Structured logs on stdout: one JSON object a line with time, component, severity and text."""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import threading

_LOCK = threading.Lock()
_SEVERITIES = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}


class Log:
    """Writes the lines of one component. Severities are those of the drill's telemetry: info, warning, error."""

    def __init__(self, component: str) -> None:
        self.component = component

    def __call__(self, severity: str, text: str) -> None:
        """Write a line; a reader that has gone is no reason to fail."""
        time = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, "component": self.component, "severity": severity, "text": text}, ensure_ascii=True)
        with _LOCK:
            try:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
            except (OSError, ValueError):
                return


class _Bridge(logging.Handler):
    """Warnings and errors of libraries, as lines of the component."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text.strip()}: {record.exc_info[1]!r}"
        self._log(_SEVERITIES.get(record.levelno, "error"), text.strip())


def adopt_libraries(log: Log) -> None:
    """Send what libraries log through `log`."""
    root = logging.getLogger()
    root.handlers[:] = [_Bridge(log)]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "httpx", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
