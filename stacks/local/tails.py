"""What services write becomes log lines of the drill."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...sandbox.model.telemetry import LogLine
from ..real.loglines import LONGEST, read_line
from ..real.machine.processes import Process


def lines_of(process: Process, at: float, hidden: Callable[[str], bool] = lambda _text: False) -> Iterable[LogLine]:
    """Complete lines that a process has written since the last call, as of drill time `at`.

    Lines that are no JSON objects are told as they are. `hidden` says which texts are of the stack itself, not of the service.
    """
    for line in process.log_lines():
        component, severity, text = read_line(line, process.program.name)
        if text and not hidden(text):
            yield LogLine(at, component, severity, text[:LONGEST])
