"""A field's text in a ConfigMap reads as the same value, and what is wrong in it has a message that helps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.service import Approval, Fallback, ServiceSpec, fields_of
from drillbox.stacks.deploy.kubernetes.fields import CONFIGURED, home, read_map, read_value, write_value


def test_every_field_at_its_default_survives() -> None:
    for path, value in fields_of(ServiceSpec()):
        if path in CONFIGURED and path not in {"autoscaler.maximum", "autoscaler.minimum"}:
            found = read_value(path, write_value(path, value))
            assert found == value
            assert type(found) is type(value)


@given(
    st.sampled_from(
        [
            ("gateway.timeout", 0.05, 60.0),
            ("gateway.shed", 0.0, 1.0),
            ("gateway.threshold", 0.0, 1.0),
            ("retraining.every", 0.0, 99.0),
        ]
    ),
    st.floats(0.0, 1.0),
)
@settings(max_examples=50)
def test_every_number_survives(field: tuple[str, float, float], place: float) -> None:
    path, low, high = field
    value = low + (high - low) * place
    assert read_value(path, write_value(path, value)) == value


def test_values_are_written_as_in_a_scenario() -> None:
    assert write_value("gateway.timeout", 5.0) == "5s"
    assert write_value("gateway.retry_budget", 0.2) == "20%"
    assert write_value("features.lookup_timeout", 0.05) == "50ms"
    assert write_value("retraining.frozen", True) == "true"
    assert write_value("fallback", Fallback.OVERFLOW) == "overflow"
    assert read_value("gateway.timeout", " 2.5 ") == 2.5
    assert read_value("retraining.approval", "hand") is Approval.HAND
    assert read_value("features.quarantined", "visib, temp") == "temp,visib"


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("gateway.timeout", "soon", "'soon' is not a duration: write a number and its unit"),
        ("gateway.timeout", "2m", "out of bounds"),
        ("gateway.timeout", "nan", "'nan' is not a duration"),
        ("gateway.retries", "2.5", "not a whole number"),
        ("gateway.shed", "130%", "is not a share"),
        ("gateway.shed", "x" * 1000, "too long"),
        ("fallback", "alway", "did you mean 'always'"),
        ("retraining.frozen", "maybe", "not a switch"),
        ("features.quarantined", "tmp", "'tmp' is no online feature; did you mean 'temp'"),
        ("features.feed", "", "is not a name"),
    ],
)
def test_a_wrong_text_is_named(path: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_value(path, text)


def test_a_map_gives_what_is_right_and_names_the_rest() -> None:
    found = read_map("gateway", {"timeout": "2s", "retries": "many", "timeuot": "3s"})
    assert found.values == {"gateway.timeout": 2.0}
    assert found.problems == {"retries": "'many' is not a number", "timeuot": "unknown key; did you mean 'timeout'?"}
    assert read_map("ml", {"fallback": "always", "features.quarantined": ""}).values == {
        "fallback": Fallback.ALWAYS,
        "features.quarantined": "",
    }
    assert home("gateway.shed") == ("gateway", "shed")
    assert home("autoscaler.target") == ("ml", "autoscaler.target")
