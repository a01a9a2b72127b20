"""A drill of a scripted operator at a pace, in this process."""

from __future__ import annotations

import click

from ..clock import Pacer, WallClock
from ..engine import STEP
from .playing import Prepared

LONGEST_WAIT = 0.1
"""Seconds of the wall clock that the loop waits at most at once."""
FASTEST = 600.0


def parse_speed(_ctx: click.Context | None, _param: click.Parameter | None, raw: str) -> float:
    """`10x` or `10`, from 1x to 600x."""
    try:
        speed = float(raw.strip().lower().removesuffix("x"))
    except ValueError:
        raise click.BadParameter(f"{raw!r} is not a speed: write 1x to 600x") from None
    if not 1.0 <= speed <= FASTEST:
        raise click.BadParameter(f"{raw!r} is out of bounds: 1x to 600x")
    return speed


def play_paced(prepared: Prepared, speed: float) -> None:
    """Play steps when they are due, until the drill is over."""
    session, clock = prepared.session, WallClock()
    pacer = Pacer(clock, speed)
    pacer.delay(session.now)
    session.control(speed=speed)
    while not session.over:
        delay = pacer.delay(session.now + STEP)
        clock.sleep(min(delay, LONGEST_WAIT))
        if delay <= LONGEST_WAIT:
            session.advance(prepared.operator)
