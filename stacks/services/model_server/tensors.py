"""Tensors of the Open Inference Protocol V2: from JSON or from its binary extension to NumPy, and back.

See https://github.com/kserve/open-inference-protocol and Triton's `binary_tensor_data` extension.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....sandbox.model.errors import nearest

Floats = NDArray[np.float64]

DATATYPES = {
    "FP64": "<f8",
    "FP32": "<f4",
    "INT64": "<i8",
    "INT32": "<i4",
    "INT16": "<i2",
    "INT8": "|i1",
    "UINT64": "<u8",
    "UINT32": "<u4",
    "UINT16": "<u2",
    "UINT8": "|u1",
}
"""Datatypes of V2 that hold numbers, as NumPy's. BOOL, BYTES, FP16 and BF16 are no numbers of a flight."""

_FLOATING = ("FP64", "FP32")
_NUMBERS = {int, float}
_DIMENSIONS = 8


class RequestError(Exception):
    """A request that cannot be answered: the client erred.

    Args:
        status: 4xx.
        text: what is wrong, for the client.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input as it was described, not yet read."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    data: object  # of JSON, or None
    size: int | None  # bytes of binary data


def describe(raw: object, place: int) -> Tensor:
    """One of a request's inputs.

    Raises:
        RequestError: it is none.
    """
    if not isinstance(raw, dict):
        raise RequestError(400, f"inputs[{place}] is {_kind(raw)}, not an object")
    name, shape, datatype = raw.get("name"), raw.get("shape"), raw.get("datatype")
    if not isinstance(name, str):
        raise RequestError(400, f"inputs[{place}].name is {_kind(name)}, not a string")
    if not isinstance(shape, list) or len(shape) > _DIMENSIONS or not all(type(one) is int and one >= 0 for one in shape):
        raise RequestError(400, f"input {clip(name)}: shape is no list of sizes, such as [1, 6]")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise RequestError(400, f"input {clip(name)}: datatype {clip(datatype)} is not taken: {_which(datatype)}")
    data, parameters = raw.get("data"), raw.get("parameters", {})
    if not isinstance(parameters, dict):
        raise RequestError(400, f"input {clip(name)}: parameters is {_kind(parameters)}, not an object")
    size = parameters.get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise RequestError(400, f"input {clip(name)}: binary_data_size is not a number of bytes")
    if "shared_memory_region" in parameters:
        raise RequestError(400, f"input {clip(name)}: shared memory is not offered; send the data in the request")
    if (data is None) == (size is None):
        raise RequestError(400, f"input {clip(name)}: give either data or the parameter binary_data_size")
    return Tensor(name, tuple(shape), datatype, data, size)


def from_json(tensor: Tensor) -> Floats:
    """The values in the request's JSON, flat or nested, as float64 of the tensor's shape.

    Raises:
        RequestError: they do not fit shape or datatype.
    """
    flat = tensor.data
    if not isinstance(flat, list):
        raise RequestError(400, f"input {clip(tensor.name)}: data is {_kind(flat)}, not a list")
    depth = 1
    while flat and isinstance(flat[0], list):
        depth += 1
        if depth > max(1, len(tensor.shape)) or not all(isinstance(part, list) for part in flat):
            raise RequestError(400, f"input {clip(tensor.name)}: the lists in data are not those of the shape")
        flat = [value for part in flat for value in part]
    return _shaped(tensor, _typed(tensor, flat))


def from_bytes(tensor: Tensor, data: memoryview) -> Floats:
    """The values of binary data, as float64 of the tensor's shape.

    Raises:
        RequestError: they do not fit shape or datatype.
    """
    dtype = np.dtype(DATATYPES[tensor.datatype])
    if len(data) != math.prod(tensor.shape) * dtype.itemsize:
        wanted = f"{list(tensor.shape)} of {tensor.datatype} has {math.prod(tensor.shape) * dtype.itemsize}"
        raise RequestError(400, f"input {clip(tensor.name)}: {len(data)} bytes of binary data, but {wanted}")
    return _shaped(tensor, np.frombuffer(data, dtype).astype(np.float64))


def to_json(values: NDArray[np.float64] | NDArray[np.bool_], datatype: str, name: str) -> dict[str, object]:
    """An output in JSON."""
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": values.tolist()}


def _typed(tensor: Tensor, flat: list[object]) -> Floats:
    kinds = set(map(type, flat))
    allowed = _NUMBERS if tensor.datatype in _FLOATING else {int}
    if not kinds <= allowed:
        wrong = next(value for value in flat if type(value) not in allowed)
        raise RequestError(400, f"input {clip(tensor.name)}: {clip(wrong)} is no {tensor.datatype}")
    if tensor.datatype == "FP64":
        return _converted(tensor, flat, np.dtype(np.float64))
    return _converted(tensor, flat, np.dtype(DATATYPES[tensor.datatype])).astype(np.float64)


def _converted(tensor: Tensor, flat: list[object], dtype: np.dtype[np.generic]) -> Floats:
    try:
        with np.errstate(over="ignore"):  # too large a float becomes infinite, and is refused as that
            found: Floats = np.array(flat, dtype)
    except (OverflowError, ValueError):
        raise RequestError(400, f"input {clip(tensor.name)}: a value is beyond {tensor.datatype}") from None
    return found


def _shaped(tensor: Tensor, flat: Floats) -> Floats:
    if flat.size != math.prod(tensor.shape):
        raise RequestError(400, f"input {clip(tensor.name)}: {flat.size} values do not make the shape {list(tensor.shape)}")
    return flat.reshape(tensor.shape)


def _which(datatype: object) -> str:
    return nearest(datatype.upper() if isinstance(datatype, str) else "", DATATYPES)


def clip(value: object, most: int = 60) -> str:
    """A value of the client's in a message: printable, and short."""
    text = repr(value) if isinstance(value, str | int | float | bool | None) else _kind(value)
    text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= most else f"{text[: most - 1]}..."


def _kind(value: object) -> str:
    names: Iterable[tuple[type, str]] = (
        (bool, "a boolean"), (dict, "an object"), (list, "a list"), (str, "a string"), (int, "a number"), (float, "a number"),
    )  # fmt: skip
    return next((name for kind, name in names if isinstance(value, kind)), "missing")
