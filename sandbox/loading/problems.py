"""What pydantic finds, as problems with place and a message of our own."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..model.errors import Place, Problem, nearest
from ..model.expr import ExpressionError
from ..model.units import UnitError, format_duration, format_share, parse_duration, parse_rate
from .document import Keys, dotted
from .fields import Finding, LocatedError, Part
from .profiles import Variant
from .schema import ScenarioPart

MAX_PROBLEMS = 50
MAX_MESSAGE = 300

_NAME = "write it in small letters and digits, joined by hyphens, such as monday-rush"
_PATTERNS = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": _NAME,
    r"^([a-z0-9]+(-[a-z0-9]+)*/)?[a-z0-9]+(-[a-z0-9]+)*$": _NAME,
    r"^\S[^\n]*$": "must be one line of text that is not empty",
}
_NEEDED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
}


def of_validation(error: ValidationError, variant: Variant, root: type[Part] = ScenarioPart) -> list[Problem]:
    """Problems of a failed validation against the model `root`, in the order of pydantic."""
    return [problem for detail in error.errors(include_url=False) for problem in _problems(detail, variant, root)]


def of_findings(findings: Iterable[Finding], variant: Variant) -> list[Problem]:
    """Problems of checks across parts; their paths begin at the root."""
    return [_at(variant, path, message) for path, message in findings]


def in_order(base: Iterable[Problem], profiles: Iterable[Problem]) -> list[Problem]:
    """In the file's order, without what a profile only inherits from the base; a very long list is cut off with a count."""
    unique = list(dict.fromkeys(base))
    places = {problem.place for problem in unique}
    unique += [problem for problem in dict.fromkeys(profiles) if problem.place not in places]
    unique.sort(key=lambda problem: (problem.place.line or 0, problem.place.column or 0))
    if len(unique) <= MAX_PROBLEMS:
        return unique
    rest = Problem(Place(unique[0].place.file), f"and {len(unique) - MAX_PROBLEMS} more problems")
    return [*unique[:MAX_PROBLEMS], rest]


def _problems(detail: ErrorDetails, variant: Variant, root: type[Part]) -> Iterator[Problem]:
    path: Keys = tuple(part for part in detail["loc"] if part != "[key]")
    kind, ctx = detail["type"], detail.get("ctx", {})
    raw = detail["input"] if detail["loc"][-1:] == ("[key]",) else variant.written(path, detail["input"])
    error = ctx.get("error")
    if kind == "value_error" and isinstance(error, LocatedError):
        for below, message in error.problems:
            yield _at(variant, (*path, *below), message, of_key=len(below) > 1 and message.startswith("unknown parameter"))
    elif kind == "value_error" and isinstance(error, Exception):
        yield _in_expression(_at(variant, path, str(error)), error, raw, variant)
    elif kind == "missing":
        yield _at(variant, path, f"is missing{_description(root, path)}")
    elif kind == "extra_forbidden":
        yield _at(
            variant,
            path,
            f"unknown key {str(path[-1])[:60]!r}; {nearest(str(path[-1])[:60], _keys_at(root, path[:-1]))}",
            of_key=True,
        )
    else:
        yield _at(variant, path, _message(kind, raw, ctx, detail["msg"]), of_key=detail["loc"][-1:] == ("[key]",))


def _message(kind: str, raw: object, ctx: dict[str, object], fallback: str) -> str:
    shown = _shown(raw)
    if kind in _NEEDED:
        return f"{shown} is not {_NEEDED[kind]}"
    if kind == "string_pattern_mismatch":
        return f"{shown}: {_PATTERNS.get(str(ctx.get('pattern')), fallback)}"
    if kind == "literal_error":
        options = [word.strip("'") for word in str(ctx["expected"]).replace(" or ", ", ").split(", ")]
        return f"unknown value {shown}; {nearest(str(raw)[:60], options)}"
    if kind == "too_short":
        return "is empty; at least one entry is needed"
    if kind == "too_long":
        return f"has {ctx['actual_length']} entries; at most {ctx['max_length']} are allowed"
    if kind == "string_too_short":
        return "is empty"
    if kind == "string_too_long":
        return f"is longer than {ctx['max_length']} characters"
    for name, words in (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most")):
        if name in ctx:
            return f"{shown} is out of bounds: it must be {words} {_limit(ctx[name], raw)}"
    return fallback[:1].lower() + fallback[1:]


def _limit(limit: object, raw: object) -> str:
    """A bound in the unit in which the value was given."""
    if not isinstance(limit, (int, float)):
        return str(limit)
    if isinstance(raw, str):
        if "%" in raw:
            return format_share(limit)
        for parse, write in ((parse_duration, format_duration), (parse_rate, "{:g}/s".format)):
            try:
                parse(raw)
            except UnitError:
                continue
            return write(limit)
    return f"{limit:g}"


def _shown(raw: object) -> str:
    if raw is None:
        return "nothing"
    if isinstance(raw, (dict, list)):
        return "a mapping" if isinstance(raw, dict) else "a list"
    if isinstance(raw, bool):
        return str(raw).lower()
    text = repr(raw)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _at(variant: Variant, path: Keys, message: str, of_key: bool = False) -> Problem:
    line, column = variant.position(path, of_key or isinstance(variant.written(path, None), (dict, list)))
    if len(message) > MAX_MESSAGE:
        message = f"{message[:MAX_MESSAGE]}…"
    return Problem(Place(variant.document.file, line, column, dotted(variant.original(path))), message)


def _in_expression(problem: Problem, error: Exception, raw: object, variant: Variant) -> Problem:
    """Moves the place to the column of an expression's error, where the expression stands on one line as it is."""
    cause = error.__cause__
    place = problem.place
    if not isinstance(cause, ExpressionError) or not isinstance(raw, str) or place.line is None or place.column is None:
        return problem
    line = variant.document.lines[place.line - 1] if place.line <= len(variant.document.lines) else ""
    start = line.find(raw, place.column - 1, place.column + len(raw))
    if start < 0:
        return problem
    return Problem(Place(place.file, place.line, start + cause.column, place.key), str(cause))


def _description(root: type[Part], path: Keys) -> str:
    """What a missing key is for."""
    part = _part_at(root, path[:-1])
    for name, info in (part.model_fields if part else {}).items():
        if path[-1] in (name, info.alias) and info.description:
            return f": {info.description[:1].lower()}{info.description[1:].rstrip('.')}"
    return ""


def _keys_at(root: type[Part], path: Keys) -> list[str]:
    part = _part_at(root, path)
    return [info.alias or name for name, info in part.model_fields.items()] if part else []


def _part_at(root: type[Part], path: Keys) -> type[Part] | None:
    """The model of the part of the file at `path`."""
    current: object = root
    for key in path:
        if isinstance(current, type) and issubclass(current, Part):
            fields = {info.alias or name: info.annotation for name, info in current.model_fields.items()}
            current = _unwrapped(fields.get(str(key)))
        else:
            current = _unwrapped(next(iter(typing.get_args(current)[-1:]), None))
    return current if isinstance(current, type) and issubclass(current, Part) else None


def _unwrapped(annotation: object) -> object:
    """The type inside `X | None`."""
    inner = [item for item in typing.get_args(annotation) if item is not type(None)]
    return inner[0] if len(inner) == 1 and type(None) in typing.get_args(annotation) else annotation
