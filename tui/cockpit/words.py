"""Numbers and events as the cockpit writes them: short, with their unit."""

from __future__ import annotations

from collections.abc import Mapping

from ...sandbox.model.actions import ACTIONS
from ...sandbox.model.events import Changed
from ...sandbox.model.params import Value
from ...sandbox.model.slis import SLIS, Unit
from ...sandbox.model.units import format_duration, format_share

NONE = "no data"


def share(value: float | None, digits: int = 1) -> str:
    """`99.5%`; a share just below 100% is never rounded up to it, nor one above 0% down."""
    if value is None:
        return NONE
    percent = value * 100.0
    text = f"{percent:.{digits}f}"
    least = 10.0**-digits
    if 0.0 < percent < least / 2:
        return f"<{least:g}%"
    if float(text) == 100.0 and percent < 100.0:
        text = f"{100.0 - least:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def seconds(value: float | None) -> str:
    """`128ms`, `1.4s`, `5m`."""
    if value is None:
        return NONE
    if value < 1.0:
        return f"{value * 1000:.0f}ms"
    return f"{value:.1f}s" if value < 60.0 else format_duration(round(value))


def age(value: float | None) -> str:
    """A calendar age to the minute: `35m`, `2h05m`, `2d13h`."""
    if value is None:
        return NONE
    minutes = round(value / 60.0)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days}d{hours:02d}h"
    return f"{hours}h{rest:02d}m" if hours else f"{rest}m"


def number(value: float | None) -> str:
    """Three figures, or all of a larger whole number: `0.083`, `4.2`, `122`, `12,345`."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def dollars(value: float | None) -> str:
    """`$1.20`, `$412`."""
    if value is None:
        return NONE
    return f"-{dollars(-value)}" if value < 0 else f"${value:,.2f}" if value < 100 else f"${value:,.0f}"


def rate(value: float | None) -> str:
    """`122/s`."""
    return NONE if value is None else f"{number(value)}/s"


_CALENDAR = ("feature_freshness", "model_age", "retraining_age")


def sli(name: str, value: float | None) -> str:
    """A value of the catalogue's SLI with its unit."""
    if name in _CALENDAR:
        return age(value)
    unit = SLIS[name].unit if name in SLIS else Unit.SCORE
    if value is None or unit in (Unit.SCORE, Unit.COUNT):
        return number(value)
    if unit is Unit.SHARE:
        return share(value)
    if unit is Unit.SECONDS:
        return seconds(value)
    return rate(value) if unit is Unit.PER_SECOND else f"{dollars(value)}/h"


def burn(value: float | None) -> str:
    """A burn rate: `14.4x`."""
    return NONE if value is None else f"{value:.1f}x" if value < 100 else f"{value:.0f}x"


_DURATIONS = ("timeout",)
_SHARES = ("retry_budget", "shed", "weight", "share", "target")


def field(path: str, value: Value) -> str:
    """The value of a field of the service, with its unit: 0 is a value, and so is off."""
    if isinstance(value, float) and path.endswith(_DURATIONS):
        return format_duration(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and path.endswith(_SHARES):
        return format_share(round(float(value), 6))
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) or "none"


def change_text(change: Changed) -> str:
    """`gateway.shed 0% → 30%`."""
    return f"{change.field} {field(change.field, change.before)} → {field(change.field, change.after)}"


def params(action: str, given: Mapping[str, object]) -> str:
    """Parameters of an action as a person would write them."""
    known = {param.name: param for param in ACTIONS[action].params} if action in ACTIONS else {}
    return " ".join(
        f"{name}={known[name].format(value) if name in known and isinstance(value, bool | int | float | str) else value}"
        for name, value in given.items()
    )
