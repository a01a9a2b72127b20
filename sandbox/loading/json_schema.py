"""The format of scenario and runbook files as JSON Schema (draft 2020-12), for editors that complete and check while one types.

A file that `validate` accepts is accepted; what needs a look at several keys at once only `validate` finds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ..model.actions import ACTIONS, COMPONENTS, NOTHING
from ..model.faults import FAULTS
from ..model.params import Kind, Param
from ..model.service import Fallback
from ..model.slis import SLIS
from .fields import SCHEMAS, Part
from .parts_drill import AnswerPart, BeatPart, ObjectivePart, RunbookFilePart, StepPart
from .parts_traffic import ShapePart
from .parts_world import WORLDS, ServicePart, WorldPart
from .profiles import FIXED
from .schema import ScenarioPart

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Object = dict[str, Json]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KINDS: dict[str, type[Part]] = {"scenario": ScenarioPart, "runbook": RunbookFilePart}
"""What there is a schema of, by name."""


def json_schema(kind: str = "scenario") -> Object:
    """The schema of a kind of file. `kind` is one of `KINDS`."""
    root = _generated(KINDS[kind])
    parts = _objects(root["$defs"])
    _know_names(parts)
    for part in (*parts.values(), root):
        _without_titles(part)
    root = {"$schema": DIALECT, "title": f"drillbox {kind}", **root}
    if kind == "scenario":
        _object(root["properties"])["profiles"] = _profiles(root, parts)
    root["$defs"] = dict(sorted(_object(root["$defs"]).items()))
    return root


def _generated(model: type[Part]) -> Object:
    """What pydantic makes of a model, as plain JSON."""
    schema: Json = json.loads(json.dumps(model.model_json_schema(by_alias=True)))
    return _object(schema)


def _know_names(parts: Mapping[str, Object]) -> None:
    """Put the catalogues where the models only have text."""
    choices_of: tuple[tuple[type[Part], str, Iterable[str]], ...] = (
        (AnswerPart, "cause", [*FAULTS, NOTHING]),
        (AnswerPart, "component", COMPONENTS),
        (ObjectivePart, "sli", [sli.name for sli in SLIS.values() if sli.objective]),
        (WorldPart, "name", WORLDS),
        (ServicePart, "fallback", [mode.value for mode in Fallback]),
    )
    for model, key, choices in choices_of:
        if model.__name__ in parts:
            _property(parts[model.__name__], key)["enum"] = list(choices)
    catalogues: tuple[tuple[type[Part], str, Mapping[str, tuple[str, tuple[Param, ...]]]], ...] = (
        (BeatPart, "fault", {fault.name: (fault.help, fault.params) for fault in FAULTS.values()}),
        (StepPart, "do", {action.name: (action.help, action.params) for action in ACTIONS.values()}),
    )
    for model, key, catalogue in catalogues:
        if model.__name__ in parts:
            _catalogue(parts[model.__name__], key, catalogue)
    if ShapePart.__name__ in parts:
        parts[ShapePart.__name__] |= {"minProperties": 1}


def _catalogue(part: Object, key: str, catalogue: Mapping[str, tuple[str, tuple[Param, ...]]]) -> None:
    """A key that names something of a catalogue, whose parameters then stand under `with`."""
    names: list[Json] = [{"const": name, "description": text} for name, (text, _) in catalogue.items()]
    _property(part, key)["oneOf"] = names
    part["allOf"] = [_params(key, name, params) for name, (_, params) in catalogue.items()]


def _params(key: str, name: str, params: Iterable[Param]) -> Json:
    properties: Object = {param.name: _param(param) for param in params}
    needed: list[Json] = [param.name for param in params if param.required]
    given: Object = {"properties": properties, "additionalProperties": False, "required": needed}
    then: Object = {"properties": {"with": given}}
    if needed:
        then["required"] = ["with"]
    return {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": then}


def _param(param: Param) -> Json:
    schema: Object = {"description": param.help, **_object(json.loads(json.dumps(SCHEMAS[param.kind])))}
    if param.choices:
        schema["enum"] = list(param.choices)
    if param.kind in (Kind.COUNT, Kind.FACTOR):
        bounds = {"minimum": param.minimum, "maximum": param.maximum}
        schema |= {name: value for name, value in bounds.items() if value is not None}
    if param.default is not None:
        schema["default"] = param.default if isinstance(param.default, bool | int) else param.format(param.default)
    return schema


def _profiles(root: Object, parts: dict[str, Object]) -> Object:
    """Profiles override parts of the file: in mappings all keys are optional, everything else is as in the file."""
    parts_of_profiles: dict[str, Object] = {}
    base = _object(root["properties"])
    keys = {key: _partial(value, parts, parts_of_profiles) for key, value in base.items() if key not in FIXED}
    _object(root["$defs"]).update(parts_of_profiles)
    each: Object = {"type": "object", "properties": keys, "additionalProperties": False}
    return {**_object(base["profiles"]), "patternProperties": {}, "additionalProperties": each}


def _partial(schema: Json, parts: Mapping[str, Object], found: dict[str, Object]) -> Json:
    """A schema without required keys, down to where a value is replaced as a whole."""
    if not isinstance(schema, dict):
        return schema
    changed = dict(schema)
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.rpartition("/")[2]
        changed["$ref"] = f"{reference}.part"
        if f"{name}.part" not in found:
            found[f"{name}.part"] = {}
            found[f"{name}.part"] = _object(_partial(parts[name], parts, found))
    if isinstance(options := schema.get("anyOf"), list):
        changed["anyOf"] = [_partial(option, parts, found) for option in options]
    if isinstance(properties := schema.get("properties"), dict):
        changed["properties"] = {key: _partial(value, parts, found) for key, value in properties.items()}
        changed.pop("required", None)
    for key in ("additionalProperties", "patternProperties"):  # mappings of names to parts
        if isinstance(inner := schema.get(key), dict):
            below = _partial(inner, parts, found)
            changed[key] = {k: _partial(v, parts, found) for k, v in inner.items()} if key == "patternProperties" else below
    return changed


def _without_titles(part: Object) -> None:
    """Pydantic repeats each name as a title."""
    part.pop("title", None)
    for value in _object(part.get("properties", {})).values():
        if isinstance(value, dict):
            value.pop("title", None)


def _property(part: Object, key: str) -> Object:
    return _object(_object(part["properties"])[key])


def _objects(value: Json) -> dict[str, Object]:
    return {name: _object(inner) for name, inner in _object(value).items()}


def _object(value: Json) -> Object:
    if not isinstance(value, dict):
        raise TypeError(f"a JSON object is needed here, not {value!r}")
    return value
