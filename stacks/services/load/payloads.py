"""The bytes of a request and the meaning of its answer, in the Open Inference Protocol V2. Bytes are made once per example."""

from __future__ import annotations

from dataclasses import dataclass

from ....sandbox.world.data import FLIGHT_FEATURES
from ....sandbox.world.draws import Examples
from ...deploy.envoy.names import LUCK, REPEAT
from ..common.jsons import loads
from ..model_server.questions import request_body


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an answer says."""

    late: bool
    score: float
    source: str  # model or rules
    version: str


class Payloads:
    """Requests for the examples of a drill."""

    def __init__(self, examples: Examples, host: str, model: str) -> None:
        """`host` as in the header, `model` as in the path."""
        self._examples = examples
        self._flights = examples.features[:, : len(FLIGHT_FEATURES)]
        self._head = (
            f"POST /v2/models/{model}/infer HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{LUCK}: "
        ).encode()
        self._made: dict[int, bytes] = {}

    def request(self, index: int, example: int, route: int, attempt: int) -> tuple[bytes, ...]:
        """The parts of a request.

        Args:
            index: of the logical request.
            example: that it asks for.
            route: the number that chooses between champion and candidate.
            attempt: from 0; repeats are marked as such.
        """
        tail = self._made.get(example) or self._make(example)
        repeat = f"{REPEAT}: {attempt}\r\n" if attempt else ""
        return self._head, f"{route}\r\nx-request-id: {index}\r\n{repeat}".encode(), tail

    def _make(self, example: int) -> bytes:
        row = int(self._examples.rows[example])
        body = request_body(self._flights[example : example + 1], rows=(row,))
        tail = self._made[example] = b"content-length: %d\r\n\r\n%b" % (len(body), body)
        return tail


def prediction(body: bytes) -> Prediction:
    """The prediction in an answer.

    Raises:
        ValueError: it is no answer of the model `flights`.
    """
    try:
        answer = loads(body)
        outputs = {one["name"]: one["data"][0] for one in answer["outputs"]}  # type: ignore[index]  # checked by trying
        late, score = outputs["late"], outputs["score"]
        source = answer.get("parameters", {}).get("source", "")  # type: ignore[attr-defined]  # as above
        version = answer.get("model_version", "")  # type: ignore[attr-defined]  # as above
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"not an answer of the model: {error!r}") from error
    if not isinstance(late, bool) or not isinstance(score, (int, float)):
        raise ValueError("not an answer of the model: late or score has a wrong type")
    return Prediction(late, float(score), str(source), str(version))
