"""What the API's description says holds, whatever is sent: no 5xx, no hang, and errors as they are described."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from drillbox.sandbox.api.app import create_app
from drillbox.sandbox.api.hosted import Hosted
from drillbox.sandbox.operators import Idle
from drillbox.sandbox.session import DrillSession

EXCLUDED = [
    ignored_auth,  # without a token one is an operator: nothing is refused for lack of it
    positive_data_acceptance,  # whether an expression can be read, no schema can say
]


def described(session: DrillSession) -> BaseSchema:
    return schemathesis.openapi.from_asgi("/v1/openapi.json", create_app(Hosted(session, token=secrets.token_urlsafe(8))))


@pytest.fixture(scope="module")
def live(new_session: Callable[..., DrillSession]) -> BaseSchema:
    session = new_session("monday-rush")
    for _ in range(60):
        session.advance()
    return described(session)


@pytest.fixture(scope="module")
def over(new_session: Callable[..., DrillSession]) -> BaseSchema:
    session = new_session("monday-rush")
    session.run(Idle())
    return described(session)


running = schemathesis.pytest.from_fixture("live").exclude(path=["/v1/abort", "/v1/down"])
ended = schemathesis.pytest.from_fixture("over")


@running.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_running_drill_answers_anything(case: schemathesis.Case) -> None:
    case.call_and_validate(excluded_checks=EXCLUDED)


@ended.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_drill_that_is_over_answers_anything(case: schemathesis.Case) -> None:
    case.call_and_validate(excluded_checks=EXCLUDED)
