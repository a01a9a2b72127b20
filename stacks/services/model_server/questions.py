"""What a V2 request asks the model `flights`: a matrix of flights, with or without their online features.

Inputs, by name, `n` flights in each, codes as in the data (`FlightData`):

- `flight` [n, 6]: carrier, origin, dest, hour, weekday, distance (miles);
- `online` [n, 8], may be left out: the weather at the origin. Without it the server looks it up in the feature store;
- or `features` [n, 14]: both in one, as the model takes them.

A missing value of the weather is NaN, which only binary data can say. The request's parameter `flight_row` (a number, or a list
of n) names the rows of the data, for the prediction log.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ....sandbox.model.errors import nearest
from ....sandbox.model.features import ONLINE
from ....sandbox.world.data import FEATURES, FLIGHT_FEATURES
from ..common.jsons import dumps, loads
from .tensors import Floats, RequestError, Tensor, clip, describe, from_bytes, from_json

WIDTHS = {"flight": len(FLIGHT_FEATURES), "online": len(ONLINE), "features": len(FEATURES)}
OUTPUTS = {"score": "FP64", "late": "BOOL"}
"""The probability of being late, and whether it reaches the version's threshold."""

ROWS = 1024
"""Flights in one request, at most."""

_FLIGHT = WIDTHS["flight"]
_LEAST = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True, slots=True)
class Question:
    """A valid request."""

    matrix: Floats  # [n, len(FEATURES)]; the online part is NaN where it was not given
    online: bool  # whether it was
    id: str = ""
    rows: tuple[int, ...] = ()  # of the data, if it says so
    outputs: tuple[tuple[str, bool], ...] = ()  # names wanted, and whether as binary data
    parameters: dict[str, object] = field(default_factory=dict)


class Reader:
    """Reads requests.

    Args:
        most: [6] the largest value of each flight feature that the model knows.
    """

    def __init__(self, most: Floats) -> None:
        self._most = most

    def read(self, body: bytes, header: int | None) -> Question:
        """The question in a request's body.

        Args:
            body: of the request.
            header: bytes of JSON before binary data (`Inference-Header-Content-Length`); None: all of it.

        Raises:
            RequestError: it is none.
        """
        if header is not None and header > len(body):
            raise RequestError(400, f"Inference-Header-Content-Length is {header}, but the request has {len(body)} bytes")
        raw, rest = _document(body[:header]), memoryview(body)[header:] if header is not None else memoryview(b"")
        tensors = self._tensors(raw, rest)
        matrix, online = _matrix(tensors)
        self._check(matrix, online=online)
        parameters = _object(raw, "parameters")
        return Question(matrix, online, _id(raw), _rows(parameters, len(matrix)), _outputs(raw, parameters), parameters)

    def _tensors(self, raw: dict[str, object], rest: memoryview) -> dict[str, Floats]:
        inputs = raw.get("inputs")
        if not isinstance(inputs, list) or not inputs:
            raise RequestError(400, "inputs is no list of tensors: the model takes 'flight' [n, 6]; /v2/models says more")
        if len(inputs) > len(WIDTHS):
            raise RequestError(400, f"{len(inputs)} inputs, but the model knows {', '.join(WIDTHS)}")
        found: dict[str, Floats] = {}
        for place, one in enumerate(inputs):
            tensor = describe(one, place)
            _check_shape(tensor)
            if tensor.name in found:
                raise RequestError(400, f"input {clip(tensor.name)} is there twice")
            if tensor.size is None:
                found[tensor.name] = from_json(tensor)
            else:
                found[tensor.name] = from_bytes(tensor, rest[: tensor.size])
                rest = rest[tensor.size :]
        if len(rest):
            raise RequestError(400, f"{len(rest)} bytes after the last tensor belong to none")
        return found

    def _check(self, matrix: Floats, *, online: bool) -> None:
        flights = matrix[:, :_FLIGHT]
        with np.errstate(invalid="ignore"):
            good = (flights >= _LEAST) & (flights <= self._most) & (flights == np.floor(flights))
        if not good.all():
            row, column = np.argwhere(~good)[0]
            limit = f"a whole number from {_LEAST[column]:g} to {self._most[column]:g}"
            raise RequestError(400, f"{FEATURES[column]} of flight {row} is {flights[row, column]:g}: it is {limit}")
        if online and np.isinf(matrix).any():
            row, column = np.argwhere(np.isinf(matrix))[0]
            raise RequestError(400, f"{FEATURES[column]} of flight {row} is infinite")


def request_body(flights: Floats, online: Floats | None = None, *, request_id: str = "", rows: Sequence[int] = ()) -> bytes:
    """A request in JSON, as a client sends it.

    Args:
        flights: [n, 6] flight features.
        online: [n, 8] online features without NaN; None: the server looks them up.
        request_id: comes back with the answer.
        rows: of the data, for the prediction log.
    """
    inputs = [_input("flight", flights)] + ([] if online is None else [_input("online", online)])
    body: dict[str, object] = {"inputs": inputs}
    if request_id:
        body["id"] = request_id
    if rows:
        body["parameters"] = {"flight_row": [int(row) for row in rows]}
    return dumps(body)


def _input(name: str, values: Floats) -> dict[str, object]:
    return {"name": name, "shape": list(values.shape), "datatype": "FP64", "data": values.ravel().tolist()}


def limits(carriers: int, origins: int, dests: int) -> NDArray[np.float64]:
    """[6] the largest value of each flight feature, from the numbers of names."""
    return np.array([carriers - 1, origins - 1, dests - 1, 23, 6, 65535], np.float64)


def _document(text: bytes) -> dict[str, object]:
    try:
        raw = loads(text)
    except ValueError as error:
        raise RequestError(400, f"the request is no JSON: {clip(str(error), 160)}") from None
    if not isinstance(raw, dict):
        raise RequestError(400, "the request is no JSON object with inputs")
    return raw


def _check_shape(tensor: Tensor) -> None:
    width = WIDTHS.get(tensor.name)
    if width is None:
        raise RequestError(400, f"the model has no input {clip(tensor.name)}: {nearest(tensor.name, WIDTHS)}")
    if len(tensor.shape) != 2 or tensor.shape[1] != width:
        raise RequestError(400, f"input {tensor.name}: shape {list(tensor.shape)} is not [n, {width}]")
    if not 1 <= tensor.shape[0] <= ROWS:
        raise RequestError(400, f"input {tensor.name}: {tensor.shape[0]} flights; a request has 1 to {ROWS}")


def _matrix(tensors: dict[str, Floats]) -> tuple[Floats, bool]:
    features = tensors.get("features")
    if features is not None:
        if len(tensors) > 1:
            raise RequestError(400, "input features holds all columns: leave flight and online out")
        return features, True
    flight, online = tensors.get("flight"), tensors.get("online")
    if flight is None:
        raise RequestError(400, "input flight is missing")
    matrix = np.full((len(flight), len(FEATURES)), math.nan)
    matrix[:, :_FLIGHT] = flight
    if online is not None:
        if len(online) != len(flight):
            raise RequestError(400, f"input online has {len(online)} flights, flight has {len(flight)}")
        matrix[:, _FLIGHT:] = online
    return matrix, online is not None


def _object(raw: dict[str, object], name: str) -> dict[str, object]:
    found = raw.get(name, {})
    if not isinstance(found, dict):
        raise RequestError(400, f"{name} is no object")
    return found


def _id(raw: dict[str, object]) -> str:
    found = raw.get("id", "")
    if not isinstance(found, str) or len(found) > 200:
        raise RequestError(400, "id is no string of at most 200 characters")
    return found


def _rows(parameters: dict[str, object], count: int) -> tuple[int, ...]:
    found = parameters.get("flight_row")
    if found is None:
        return ()
    rows = found if isinstance(found, list) else [found]
    if len(rows) != count or not all(type(row) is int and 0 <= row < 1 << 31 for row in rows):
        raise RequestError(400, f"the parameter flight_row is no row number for each of the {count} flights")
    return tuple(rows)


def _outputs(raw: dict[str, object], parameters: dict[str, object]) -> tuple[tuple[str, bool], ...]:
    every = _flag(parameters, "binary_data_output")
    wanted = raw.get("outputs")
    if wanted is None:
        return tuple((name, every) for name in OUTPUTS)
    if not isinstance(wanted, list):
        raise RequestError(400, "outputs is no list")
    found: dict[str, bool] = {}
    for place, one in enumerate(wanted):
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise RequestError(400, f"outputs[{place}] is no object with a name")
        name = str(one["name"])
        if name not in OUTPUTS:
            raise RequestError(400, f"the model has no output {clip(name)}: {nearest(name, OUTPUTS)}")
        own = _object(one, "parameters")
        if "classification" in own or "shared_memory_region" in own:
            raise RequestError(400, f"output {name}: classification and shared memory are not offered")
        found[name] = _flag(own, "binary_data") if "binary_data" in own else every
    return tuple(found.items()) or tuple((name, every) for name in OUTPUTS)


def _flag(parameters: dict[str, object], name: str) -> bool:
    found = parameters.get(name, False)
    if not isinstance(found, bool):
        raise RequestError(400, f"the parameter {name} is neither true nor false")
    return found
