"""What a busy machine does not deliver at once is sent again; what a service itself says counts the first time."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.kind.drill.patience import PATIENCE, PAUSE, Patient
from drillbox.stacks.real.controls import Controls

URL = "http://localhost/api/v1/namespaces/n/services/pipeline:8080/proxy/control"
NOBODY = httpx.Response(503, json={"kind": "Status", "message": "no endpoints available for service"})
FULL = httpx.Response(503, json={"error": "too many predictions wait to be read"})
DONE = httpx.Response(200, json={"items": []})
LATE = httpx.ReadTimeout("late")


class Cluster(httpx.BaseTransport):
    """Answers from a list, the last one for ever, and keeps what it was asked."""

    def __init__(self, answers: Sequence[httpx.Response | Exception]) -> None:
        self._answers = list(answers)
        self.bodies: list[bytes] = []
        self.now = 0.0
        self.hope = True

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.read())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content, headers={"Content-Type": "application/json"})

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def controls(self) -> Controls:
        way = Patient(self, lambda: self.now, self.sleep)
        way.worth_it = lambda: self.hope
        return Controls("secret", way)


@pytest.mark.parametrize("trouble", [NOBODY, LATE, httpx.ConnectError("refused"), httpx.RemoteProtocolError("cut off")])
def test_an_order_arrives_in_the_end(trouble: httpx.Response | Exception) -> None:
    cluster = Cluster([trouble, trouble, DONE])
    assert cluster.controls().put(URL, {"fallback": "off"}) == {"items": []}
    assert cluster.bodies == [b'{"fallback":"off"}'] * 3
    assert cluster.now == 2 * PAUSE


@pytest.mark.parametrize(("trouble", "told"), [(NOBODY, "503: .*no endpoints"), (LATE, "no answer: late")])
def test_patience_ends(trouble: httpx.Response | Exception, told: str) -> None:
    cluster = Cluster([trouble])
    with pytest.raises(StackError, match=told):
        cluster.controls().get(URL)
    assert PATIENCE - PAUSE <= cluster.now <= PATIENCE


def test_what_the_service_says_counts_at_once() -> None:
    cluster = Cluster([FULL, DONE])
    with pytest.raises(StackError, match="too many predictions"):
        cluster.controls().get(URL)
    assert cluster.now == 0.0


def test_nobody_waits_for_what_has_ended() -> None:
    cluster = Cluster([NOBODY])
    cluster.hope = False
    with pytest.raises(StackError, match="no endpoints"):
        cluster.controls().get(URL)
    assert cluster.now == 0.0


def test_health_is_that_of_now() -> None:
    cluster = Cluster([LATE])
    controls = cluster.controls()
    assert not controls.ready("http://localhost/pipeline")
    assert not controls.alive("http://localhost/pipeline", 0.1)
    assert (cluster.now, len(cluster.bodies)) == (0.0, 2)
