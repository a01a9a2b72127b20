"""What a model server logs under load: at most one line in 10 s, from its own counters, in the words of the simulation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from ..common.logs import Log

PERIOD = 10.0
"""Seconds that one line sums up."""


async def watch(log: Log, count: Callable[[], Mapping[str, int]]) -> None:
    """For ever: log what has grown.

    Args:
        log: of the server.
        count: gives how often each thing has gone wrong so far, by what the line says of it.
    """
    before: Mapping[str, int] = {}
    while True:
        await asyncio.sleep(PERIOD)
        counted = dict(count())
        line = told(before, counted)
        if line:
            log("warning", line)
        before = counted


def told(before: Mapping[str, int], counted: Mapping[str, int]) -> str:
    """What has gone wrong in between; empty if nothing has."""
    grown = {what: number - before.get(what, 0) for what, number in counted.items()}
    parts = [f"{number} {'request' if number == 1 else 'requests'} {what}" for what, number in grown.items() if number > 0]
    return f"{'; '.join(parts)} in the last {PERIOD:g} s" if parts else ""
