"""Calendar time of the world `flights`: naive local time of New York, as minutes since the start of 2013.

The two nights on which clocks change are not special: a minute is what the wall clock shows.
"""

from __future__ import annotations

import datetime as dt

from ..model.errors import UsageError

EPOCH = dt.datetime(2013, 1, 1)
"""Minute 0."""

FIRST = EPOCH
"""Earliest calendar time of a drill and of a training window."""

LAST = dt.datetime(2013, 12, 31)
"""Latest calendar time of a drill: the flights of one more day follow it, so that there is always something to ask for."""

_MINUTE = dt.timedelta(minutes=1)


def minutes_of(moment: dt.datetime) -> float:
    """Minutes since `EPOCH` of a naive calendar time."""
    return (moment - EPOCH) / _MINUTE


def moment_of(minutes: float) -> dt.datetime:
    """The naive calendar time at `minutes` since `EPOCH`."""
    return EPOCH + minutes * _MINUTE


def validate_calendar(start: dt.datetime, pace: float, duration: float, warmup: float) -> None:
    """Check that a drill stays inside the data.

    Args:
        start: calendar time at t = 0, naive.
        pace: calendar seconds per second of drill time.
        duration: seconds of drill time after t = 0.
        warmup: seconds of drill time before t = 0.

    Raises:
        UsageError: the start has a time zone, the pace is not positive, or the calendar leaves the data; it names the range.
    """
    if start.tzinfo is not None:
        raise UsageError(f"the calendar's start {start.isoformat()} has a time zone; write New York's local time without one")
    if not pace > 0:
        raise UsageError(f"the calendar's pace must be positive, not {pace:g}")
    before, after = (start - FIRST) / _SECOND, (LAST - start) / _SECOND
    if warmup * pace > before or duration * pace > after:
        # The reach is put as seconds, not as dates: a wild pace would leave the range of dates.
        raise UsageError(
            f"the calendar leaves the data: it starts at {_text(start)}, needs {_days(warmup * pace)} before and "
            f"{_days(duration * pace)} after that, and the flights cover {_text(FIRST)} to {_text(LAST)}"
        )


def validate_window(start: dt.datetime, end: dt.datetime) -> None:
    """Check a training window.

    Raises:
        UsageError: it has a time zone, is empty, or leaves the data; the message names the range.
    """
    if start.tzinfo is not None or end.tzinfo is not None:
        raise UsageError("the training window has a time zone; write New York's local time without one")
    if start >= end:
        raise UsageError(f"the training window is empty: from {_text(start)} until {_text(end)}")
    if start < FIRST or end > LAST:
        raise UsageError(
            f"the training window leaves the data: from {_text(start)} until {_text(end)}, "
            f"but the flights cover {_text(FIRST)} to {_text(LAST)}"
        )


_SECOND = dt.timedelta(seconds=1)


def _text(moment: dt.datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")


def _days(seconds: float) -> str:
    return f"{seconds / 86400:.1f} days" if seconds >= 86400 else f"{seconds / 3600:.1f} hours"
