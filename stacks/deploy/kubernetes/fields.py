"""Fields of the desired state as texts in ConfigMaps, which people edit with kubectl.

ConfigMap `gateway` has the fields of `ServiceSpec.gateway` under their own names (`timeout: 5s`), ConfigMap `ml` all others that
are no Deployment's under their paths (`features.quarantined: temp`). A value is written as in a scenario: `250ms`, `20%`, `true`;
a bare number is in base units (seconds, a share of 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ....sandbox.model.errors import UsageError, nearest
from ....sandbox.model.features import ONLINE, listed, names_in
from ....sandbox.model.params import Kind, Param, ParamError, Value
from ....sandbox.model.platform import ARTIFACTS
from ....sandbox.model.service import Approval, Fallback, ServiceSpec, fields_of
from ....sandbox.model.units import format_duration, format_share

GATEWAY, ML = "gateway", "ml"
"""The two ConfigMaps."""

QUARANTINED = "features.quarantined"
_SPEC = dict(fields_of(ServiceSpec()))
_LONGEST = 64
"""Characters of a wrong value that its message repeats."""


def _param(path: str, kind: Kind, low: float | None = None, high: float | None = None, *, of: tuple[str, ...] = ()) -> Param:
    return Param(path, kind, "", minimum=low, maximum=high, choices=of)


PARAMS = {
    one.name: one
    for one in (
        _param("gateway.timeout", Kind.DURATION, 0.01, 60.0),
        _param("gateway.retries", Kind.COUNT, 0, 10),
        _param("gateway.retry_budget", Kind.SHARE),
        _param("gateway.shed", Kind.SHARE),
        _param("gateway.canary_weight", Kind.SHARE),
        _param("gateway.shadow_share", Kind.SHARE),
        _param("gateway.threshold", Kind.FACTOR, 0.0, 1.0),
        _param("fallback", Kind.CHOICE, of=tuple(Fallback)),
        _param("features.feed", Kind.CHOICE, of=("v1", "latest")),
        _param("features.lookup_timeout", Kind.DURATION, 0.001, 60.0),
        _param("autoscaler.enabled", Kind.SWITCH),
        _param("autoscaler.minimum", Kind.COUNT, 0, 64),
        _param("autoscaler.maximum", Kind.COUNT, 1, 64),
        _param("autoscaler.target", Kind.SHARE, 0.05, 1.0),
        _param("retraining.frozen", Kind.SWITCH),
        _param("retraining.every", Kind.FACTOR, 0, 8760),
        _param("retraining.drift", Kind.FACTOR, 0, 1000),
        _param("retraining.decay", Kind.FACTOR, 0, 1),
        _param("retraining.cooldown", Kind.FACTOR, 0, 8760),
        _param("retraining.days", Kind.COUNT, 1, 180),
        _param("retraining.gate", Kind.SWITCH),
        _param("retraining.margin", Kind.FACTOR, 0, 1),
        _param("retraining.approval", Kind.CHOICE, of=tuple(Approval)),
        _param("retraining.canary", Kind.SWITCH),
        _param("platform.partner", Kind.SHARE),
        _param("platform.batch", Kind.SHARE),
        _param("servers.artifacts", Kind.CHOICE, of=ARTIFACTS),
    )
}
"""Fields that are no plain texts."""
_FORMATS = {Kind.DURATION: format_duration, Kind.SHARE: format_share}

_DEPLOYMENTS = ("champion", "candidate", "shadow")
_ELSEWHERE = ("features.restarted", "retraining.restarted", "monitoring.restarted", "platform.cordoned")
_LIMITS = ("servers.memory", "servers.cpu")
CONFIGURED = tuple(path for path in _SPEC if path.partition(".")[0] not in _DEPLOYMENTS and path not in (*_ELSEWHERE, *_LIMITS))
"""Paths of the fields that are in ConfigMaps; `table` has the places of the others."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a ConfigMap: values by path, and by key what is wrong with the rest."""

    values: Mapping[str, Value]
    problems: Mapping[str, str]


def home(path: str) -> tuple[str, str]:
    """ConfigMap and key of a field."""
    part, _, name = path.partition(".")
    return (GATEWAY, name) if part == GATEWAY else (ML, path)


def read_map(name: str, data: Mapping[str, str]) -> Found:
    """The fields in the ConfigMap `gateway` or `ml`; a key that is missing is none of them."""
    paths = {key: path for path in CONFIGURED for where, key in [home(path)] if where == name}
    values: dict[str, Value] = {}
    problems = {}
    for key, text in data.items():
        if key not in paths:
            problems[key] = f"unknown key; {nearest(key, paths)}"
            continue
        try:
            values[paths[key]] = read_value(paths[key], text)
        except UsageError as error:
            problems[key] = str(error)
    return Found(values, problems)


def read_value(path: str, text: str) -> Value:
    """A field's value from its text.

    Raises:
        UsageError: it is none; the message says what would be.
        KeyError: there is no such field.
    """
    default, given = _SPEC[path], text.strip()
    if path == QUARANTINED:
        return _features(given)
    param = PARAMS.get(path)
    if param is None:
        return given
    if len(given) > _LONGEST:
        raise UsageError(f"{given[:_LONGEST]!r}... is too long")
    try:
        value = param.parse(_number(given) if param.kind in (Kind.DURATION, Kind.SHARE) else given, base_units=True)
    except ParamError as error:
        raise UsageError(str(error)) from None
    return type(default)(value)


def write_value(path: str, value: Value) -> str:
    """The text of a field's value, which reads as the same value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        kind = PARAMS[path].kind if path in PARAMS else Kind.FACTOR
        short = _FORMATS[kind](value) if kind in _FORMATS else f"{value:g}"
        return short if _reads(path, short) == value else repr(value)
    return str(value)


def _reads(path: str, text: str) -> Value | None:
    try:
        return read_value(path, text)
    except UsageError:
        return None


def _number(text: str) -> str | float:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _features(text: str) -> str:
    names = [name.strip() for name in names_in(text)]
    for name in names:
        if name not in ONLINE:
            raise UsageError(f"{name!r} is no online feature; {nearest(name, ONLINE)}")
    return listed(names)
