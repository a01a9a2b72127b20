"""The answer to a V2 request: JSON, with binary data behind it where that was asked for."""

from __future__ import annotations

import numpy as np

from ..common.jsons import dumps
from .questions import OUTPUTS, Question
from .tensors import Floats, to_json

HEADER = b"inference-header-content-length"
_JSON, _BINARY = b"application/json", b"application/octet-stream"
Headers = list[tuple[bytes, bytes]]


class Writer:
    """Writes answers.

    Args:
        model, version: as clients know them.
    """

    def __init__(self, model: str, version: str) -> None:
        self._model = model
        self._version = version

    def write(self, question: Question, scores: Floats, threshold: float, source: str) -> tuple[Headers, bytes]:
        """Headers and body.

        Args:
            question: that was asked.
            scores: [n] probability of late.
            threshold: from which a score means late.
            source: `model` or `rules`.
        """
        outputs: list[dict[str, object]] = []
        binary = b""
        for name, as_bytes in question.outputs:
            values = scores if name == "score" else scores >= threshold
            if as_bytes:
                content = values.astype("<f8" if name == "score" else np.bool_).tobytes()
                size = {"binary_data_size": len(content)}
                outputs.append({"name": name, "datatype": OUTPUTS[name], "shape": [len(values)], "parameters": size})
                binary += content
            else:
                outputs.append(to_json(values, OUTPUTS[name], name))
        answer: dict[str, object] = {"model_name": self._model, "model_version": self._version, "outputs": outputs}
        answer["parameters"] = {"source": source}
        if question.id:
            answer["id"] = question.id
        text = dumps(answer)
        if not binary:
            return [(b"content-type", _JSON)], text
        return [(b"content-type", _BINARY), (HEADER, b"%d" % len(text))], text + binary
