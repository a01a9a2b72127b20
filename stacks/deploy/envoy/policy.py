"""What operators and faults change at the gateway while it runs, as the files that Envoy watches.

    files(Policy(spec.gateway, {"model-champion": (Address("127.0.0.1", 8101),)}), version="7") -> {file name: content}

Every file is a discovery response. Envoy takes a file up when it is moved into place, never when it is written there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ....sandbox.model.service import Gateway
from ...control_plane.gateway_faults import Injected
from .names import (
    CANDIDATE,
    CHAMPION,
    LUCK,
    POLICY,
    POOLS,
    REPEAT,
    ROUTES,
    SHADOW,
    UNLIMITED,
    WHOLE,
    Address,
    Json,
    fraction,
    millionths,
    typed,
)

ROUTES_FILE, RUNTIME_FILE = "routes.json", "runtime.json"
LEAST_RETRIES = 3
"""Retries in flight that the budget always allows."""


@dataclass(frozen=True, slots=True)
class Policy:
    """All that can change: the operator's policy, the replicas of each pool that may get requests, and what is injected."""

    gateway: Gateway
    pools: Mapping[str, Sequence[Address]] = field(default_factory=dict)
    injected: Injected = field(default_factory=Injected)


def endpoints_file(pool: str) -> str:
    """The name of the file with a pool's endpoints."""
    return f"endpoints-{pool}.json"


def files(policy: Policy, version: str) -> dict[str, str]:
    """Content of all files by name."""
    responses = {
        ROUTES_FILE: _response(version, _routes(policy.gateway)),
        RUNTIME_FILE: _response(version, _runtime(policy)),
        **{endpoints_file(pool): _response(version, _endpoints(pool, policy.pools.get(pool, ()))) for pool in POOLS},
    }
    return {name: json.dumps(response, indent=1) for name, response in responses.items()}


def repeats_key(pool: str) -> str:
    """The runtime key of how many repeats of clients may be in flight to a pool."""
    return f"circuit_breakers.{pool}.high.max_requests"


def _response(version: str, *resources: Json) -> Json:
    return {"version_info": version, "resources": list(resources)}


def _routes(gateway: Gateway) -> Json:
    """Load shedding first; then the repeats of clients, which have a limit of their own and are not mirrored; then the rest."""
    everything: Json = {"prefix": "/v2/"}
    repeats = {**everything, "headers": [{"name": REPEAT, "present_match": True}]}
    mirrored = {
        "cluster": SHADOW,
        "runtime_fraction": {"default_value": fraction(gateway.shadow_share), "runtime_key": f"{POLICY}.unset"},
        "trace_sampled": False,
    }
    routes = []
    if gateway.shed > 0.0:
        shed = {"default_value": fraction(gateway.shed), "runtime_key": f"{POLICY}.unset"}
        refusal = {"status": 429, "body": {"inline_string": '{"error": "too many requests"}'}}
        routes.append({"name": "shed", "match": {**everything, "runtime_fraction": shed}, "direct_response": refusal})
    routes.append({"name": "repeats", "match": repeats, "route": {**_action(gateway), "priority": "HIGH"}})
    action = _action(gateway)
    if gateway.shadow_share > 0.0:
        action["request_mirror_policies"] = [mirrored]
    routes.append({"name": "models", "match": everything, "route": action})
    host = {"name": "models", "domains": ["*"], "routes": routes}
    return typed("config.route.v3.RouteConfiguration", name=ROUTES, virtual_hosts=[host])


def _action(gateway: Gateway) -> Json:
    """Where a request goes, how long it may take there, and how often it is tried again."""
    weight = millionths(gateway.canary_weight)
    # The candidate comes first: of the numbers that choose, those below its weight go to it.
    weighted = [{"name": CANDIDATE, "weight": weight}, {"name": CHAMPION, "weight": WHOLE - weight}]
    action: Json = {
        "weighted_clusters": {"clusters": weighted, "header_name": LUCK},
        "timeout": f"{gateway.timeout:.6f}s",
    }
    if gateway.retries > 0:
        action["retry_policy"] = {
            "retry_on": "reset,connect-failure,retriable-status-codes",
            "retriable_status_codes": [503],
            "num_retries": gateway.retries,
            "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
        }
    return action


def _endpoints(pool: str, addresses: Sequence[Address]) -> Json:
    members = [{"endpoint": {"address": address.json}} for address in addresses]
    groups = [{"lb_endpoints": members}] if members else []
    return typed("config.endpoint.v3.ClusterLoadAssignment", cluster_name=pool, endpoints=groups)


def _runtime(policy: Policy) -> Json:
    """The retry budget and the injected disturbance."""
    injected = policy.injected
    values: Json = {
        "fault.http.delay.fixed_delay_percent": fraction(injected.delayed),
        "fault.http.delay.fixed_duration_ms": max(1, round(injected.delay * 1000.0)),
        "fault.http.abort.abort_percent": fraction(injected.aborted),
        "fault.http.abort.http_status": injected.status,
    }
    for pool in POOLS:
        for priority in ("default", "high"):
            budget = f"circuit_breakers.{pool}.{priority}.retry_budget"
            values[f"{budget}.budget_percent"] = min(100.0, policy.gateway.retry_budget * 100.0)
            values[f"{budget}.min_retry_concurrency"] = LEAST_RETRIES
        if policy.gateway.retry_budget >= 1.0:
            values[repeats_key(pool)] = UNLIMITED
    return {"@type": "type.googleapis.com/envoy.service.runtime.v3.Runtime", "name": POLICY, "layer": values}
