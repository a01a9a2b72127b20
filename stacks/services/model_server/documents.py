"""What the server says of itself: the answers of V2's other endpoints, and the form of a request to infer."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from .questions import OUTPUTS, WIDTHS
from .tensors import DATATYPES


class ServerMetadata(BaseModel):
    """Of the server."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """Whether the server is alive."""

    live: bool


class Ready(BaseModel):
    """Whether the server is ready."""

    ready: bool


class ModelReady(BaseModel):
    """Whether a model is ready."""

    name: str
    ready: bool


class TensorMetadata(BaseModel):
    """Of an input or output; -1 stands for any number of flights."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """Of a model."""

    model_config = ConfigDict(protected_namespaces=())

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


def model_metadata(name: str, version: str) -> ModelMetadata:
    """Of the model that is served. `online` and `features` need not be given."""
    inputs = [TensorMetadata(name=tensor, datatype="FP64", shape=[-1, width]) for tensor, width in WIDTHS.items()]
    outputs = [TensorMetadata(name=tensor, datatype=datatype, shape=[-1]) for tensor, datatype in OUTPUTS.items()]
    return ModelMetadata(name=name, versions=[version], platform="sklearn", inputs=inputs, outputs=outputs)


_PARAMETERS = {"type": "object"}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"enum": list(WIDTHS)},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
        "datatype": {"enum": list(DATATYPES)},
        "parameters": _PARAMETERS,
        "data": {"type": "array"},
    },
}
_OUTPUT = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"enum": list(OUTPUTS)}, "parameters": _PARAMETERS},
}
REQUEST: dict[str, object] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": "string", "maxLength": 200},
                    "parameters": _PARAMETERS,
                    "inputs": {"type": "array", "items": _TENSOR, "minItems": 1, "maxItems": len(WIDTHS)},
                    "outputs": {"type": "array", "items": _OUTPUT},
                },
            }
        }
    },
}
"""Of a request to infer, as OpenAPI has it."""

_ANSWERED = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"enum": list(OUTPUTS)},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"enum": sorted(set(OUTPUTS.values()))},
        "parameters": _PARAMETERS,
        "data": {"type": "array"},
    },
}
RESPONSE: dict[str, object] = {
    "description": "the answer",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["model_name", "model_version", "outputs"],
                "properties": {
                    "id": {"type": "string"},
                    "model_name": {"type": "string"},
                    "model_version": {"type": "string"},
                    "parameters": _PARAMETERS,
                    "outputs": {"type": "array", "items": _ANSWERED},
                },
            }
        },
        "application/octet-stream": {},
    },
}
"""Of an answer."""
