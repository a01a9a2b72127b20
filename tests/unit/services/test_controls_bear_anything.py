"""Whatever comes to the services' interfaces, controls with their token included: never a 5xx that is not told, never a dead server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from serving_kit import TOKEN

from drillbox.sandbox.model.scenario import Clients, Prices, Traffic, WorldConfig
from drillbox.stacks.services.load.config import dump_world

NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens."""
WORLD = WorldConfig(
    "flights",
    dt.datetime(2013, 4, 1, 12),
    60.0,
    Traffic(5.0),
    Prices(failed=0.5, slow=0.05, missed=0.2, false_alarm=0.1, replica_hour=1.0),
    Clients(timeout=0.5),
)
SERVICES = {
    "feature_store": {"DRILL_START": "2013-04-01T12:00"},
    "load": {"LOAD_TARGET": NOWHERE, "LOAD_WORLD": dump_world(WORLD), "LOAD_WARMUP": "0", "LOAD_DURATION": "60"},
    "model_server": {},
}
EXAMPLES = 6


@pytest.mark.parametrize("module", SERVICES)
def test_a_service_bears_whatever_comes_to_its_controls(module: str, start: Callable[..., Any]) -> None:
    service = start(module, **SERVICES[module]).ready()
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    for operation in (found.ok() for found in schema.get_all_operations()):
        if operation.path.startswith("/control") or module != "model_server":  # the rest of it: test_model_server_speaks_v2
            for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
                bear(operation, mode)
    assert service.process.poll() is None
    assert service.client.get("/healthz").status_code == 200
    assert service.client.get("/readyz").status_code == 200
    assert not [line["text"] for line in service.lines if line["severity"] == "error"]


@pytest.mark.parametrize("module", SERVICES)
def test_a_huge_order_is_refused_and_the_service_lives(module: str, start: Callable[..., Any]) -> None:
    service = start(module, **SERVICES[module]).ready()
    path = "/control/clients" if module == "load" else "/control/settings"
    method = "PUT" if module == "load" else "POST"
    bearer = {"Authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    for body in (b"[" * 1_000_000, b'{"x": "' + b"x" * 5_000_000 + b'"}', b"\xff" * 1000, b'{"a":' * 50_000):
        assert 400 <= service.client.request(method, path, content=body, headers=bearer).status_code < 500
        assert 400 <= service.client.request(method, path, content=body).status_code < 500
    assert service.client.get("/readyz").status_code == 200


def bear(operation: Any, mode: schemathesis.GenerationMode) -> None:
    """Ask for anything that fits an operation's schema, or does not, with the token and without."""
    from hypothesis import given
    from hypothesis.errors import Unsatisfiable

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        # Which names and values there are is beyond what a schema says.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])
        if case.path.startswith("/control"):  # the token makes good what is wrong with the headers
            headers = {"Authorization": f"Bearer {TOKEN}"}
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance, negative_data_rejection])

    try:
        check()
    except Unsatisfiable:  # nothing to get wrong in an operation without parameters
        assert mode == schemathesis.GenerationMode.NEGATIVE


def test_a_number_that_is_none_is_refused(start: Callable[..., Any]) -> None:
    service = start("load", **SERVICES["load"]).ready()
    for method, path in (
        ("PUT", "finish?limit=nan"),
        ("PUT", "finish?limit=inf"),
        ("PUT", "finish?limit=-1"),
        ("DELETE", "spikes/x?at=nan"),
    ):
        refused = service.control({}, f"/control/{path}", method)
        assert refused.status_code == 422, path
        assert refused.json()["error"].startswith(f"query.{path.partition('?')[2].partition('=')[0]}: ")
