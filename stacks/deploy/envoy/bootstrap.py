"""The part of Envoy's configuration that stays: listeners, filters, clusters, and where the files are that change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from .names import POLICY, POOLS, ROUTES, UNLIMITED, Address, Json, fraction, typed
from .policy import LEAST_RETRIES, ROUTES_FILE, RUNTIME_FILE, endpoints_file
from .statistics import FLUSH, PREFIX, access_loggers, priming_loggers, stat_name, stats_config

LARGEST = 1 << 20
"""Bytes of a request's body; a larger one gets 413."""

UPSTREAM_IDLE = 4.0
"""Seconds until the gateway closes an idle connection to a model server: sooner than the server (uvicorn: 5), so that no
request meets a connection that is just being closed."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How the gateway looks whether a replica is ready, in seconds; so many looks without any answer in a row make it unready.

    An answer other than 200 makes it unready at once.
    """

    interval: float = 1.0
    timeout: float = 2.0
    failures: int = 3


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the gateway listens: `requests` for clients, `metrics` for scrapes and probes, `admin` on loopback only."""

    requests: Address
    metrics: Address
    admin: Address


def bootstrap(listen: Listen, folder: PurePath, probe: Probe | None = None) -> Json:
    """The bootstrap configuration.

    Args:
        listen: addresses, each of its own.
        folder: where the files of `policy` are, as Envoy sees it.
        probe: of replicas.
    """
    return {
        "node": {"id": "gateway", "cluster": "gateway"},
        "admin": {"address": listen.admin.json},
        "stats_flush_interval": f"{FLUSH}s",
        "stats_config": stats_config(),
        "layered_runtime": {
            "layers": [
                {"name": POLICY, "rtds_layer": {"name": POLICY, "rtds_config": _watched(folder, RUNTIME_FILE)}},
                {"name": "admin", "admin_layer": {}},
            ]
        },
        "application_log_config": {
            "log_format": {
                "json_format": {"time": "%Y-%m-%dT%T.%eZ", "severity": "%l", "component": "gateway", "text": "%j"},
            }
        },
        "static_resources": {
            "listeners": [_gateway(listen.requests, folder), _metrics(listen.metrics)],
            "clusters": [*(_pool(pool, folder, probe or Probe()) for pool in POOLS), _admin(listen.admin)],
        },
    }


def _watched(folder: PurePath, name: str) -> Json:
    place = {"path": str(folder / name), "watched_directory": {"path": str(folder)}}
    return {"path_config_source": place, "resource_api_version": "V3"}


def _listener(name: str, address: Address, **fields: object) -> Json:
    """A listener for HTTP/1.1 that shares its port with nobody."""
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        codec_type="HTTP1",
        stat_prefix=name,
        use_remote_address=True,
        preserve_external_request_id=True,
        stream_idle_timeout="60s",
        common_http_protocol_options={"idle_timeout": "300s"},
        **fields,
    )
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": name, "address": address.json, "enable_reuse_port": False, "filter_chains": [chain]}


def _gateway(address: Address, folder: PurePath) -> Json:
    nothing = fraction(0.0)
    disturb = typed(
        "extensions.filters.http.fault.v3.HTTPFault",
        delay={"fixed_delay": "0.001s", "percentage": nothing},
        abort={"http_status": 503, "percentage": nothing},
    )
    filters = [
        {"name": "envoy.filters.http.fault", "typed_config": disturb},
        {
            "name": "envoy.filters.http.buffer",
            "typed_config": typed("extensions.filters.http.buffer.v3.Buffer", max_request_bytes=LARGEST),
        },
        _router(),
    ]
    routes = {"route_config_name": ROUTES, "config_source": _watched(folder, ROUTES_FILE)}
    return _listener(
        PREFIX, address, rds=routes, http_filters=filters, access_log=access_loggers(), local_reply_config=_own_answers()
    )


def _own_answers() -> Json:
    """By itself Envoy writes into an injected error that it was injected: whoever is on call is not told."""
    injected = {"response_flag_filter": {"flags": ["FI"]}}
    return {"mappers": [{"filter": injected, "body": {"inline_string": '{"error": "the gateway failed"}'}}]}


def _metrics(address: Address) -> Json:
    """What scrapers and probes may see of the admin interface, and `/prime`."""
    routes = [
        {"match": {"path": "/metrics"}, "route": {"cluster": "admin", "prefix_rewrite": "/stats/prometheus"}},
        {"match": {"path": "/readyz"}, "route": {"cluster": "admin", "prefix_rewrite": "/ready"}},
        {"match": {"path": "/healthz"}, "direct_response": {"status": 200}},
        {"match": {"path": "/prime"}, "direct_response": {"status": 200}},
    ]
    config = {"name": "metrics", "virtual_hosts": [{"name": "metrics", "domains": ["*"], "routes": routes}]}
    return _listener("metrics", address, route_config=config, http_filters=[_router()], access_log=priming_loggers())


def _router() -> Json:
    return {"name": "envoy.filters.http.router", "typed_config": typed("extensions.filters.http.router.v3.Router")}


def _pool(pool: str, folder: PurePath, probe: Probe) -> Json:
    """A cluster of model servers: power of two choices among those that are ready, as in the simulation; no panic mode."""
    limits = {"max_connections": UNLIMITED, "max_pending_requests": UNLIMITED, "max_requests": UNLIMITED}
    budget = {"budget_percent": {"value": 100.0}, "min_retry_concurrency": LEAST_RETRIES}
    health = {
        "timeout": f"{probe.timeout}s",
        "interval": f"{probe.interval}s",
        "no_traffic_interval": f"{probe.interval}s",
        "unhealthy_threshold": probe.failures,
        "healthy_threshold": 1,
        "http_health_check": {"path": "/readyz"},
    }
    options = typed(
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http_protocol_options": {}},
        common_http_protocol_options={"idle_timeout": f"{UPSTREAM_IDLE}s"},
    )
    return {
        "name": pool,
        "alt_stat_name": stat_name(pool),
        "type": "EDS",
        "eds_cluster_config": {"eds_config": _watched(folder, endpoints_file(pool)), "service_name": pool},
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        # By default a change of health reaches requests up to a second late.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0.0}, "update_merge_window": "0s"},
        "circuit_breakers": {
            "thresholds": [{"priority": name, **limits, "retry_budget": budget} for name in ("DEFAULT", "HIGH")],
        },
        "health_checks": [health],
        "ignore_health_on_host_removal": True,
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }


def _admin(address: Address) -> Json:
    member = {"endpoint": {"address": address.json}}
    return {
        "name": "admin",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "admin", "endpoints": [{"lb_endpoints": [member]}]},
    }
