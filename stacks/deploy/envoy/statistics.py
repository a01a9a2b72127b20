"""The gateway's own measurements, under the names of the monitor's catalogue.

Envoy has no histogram of latency by response class, but an access logger that emits statistics: one logger for each class, chosen
by a filter on the response code, adds to `envoy_gateway_rq_time` with the label `response_code_class`. Envoy measures in whole
milliseconds, rounded down, and counts a value below a bound only; with bounds that are whole milliseconds of two digits nothing
is lost: the bucket of 300 has exactly the answers that took less than 300 ms.

The retries of all clusters get the gateway's name by Envoy's extraction of tags, which can cut parts out of a name.

Statistics of a logger come into being with the first request that it logs, too late for a rate to see that request. A request to
`/prime` on the listener of metrics, before the first scrape, makes all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....sandbox.model.slis import LATENCY_BUCKETS
from .names import Json, typed

PREFIX = "gateway"
CLASSES = ("2xx", "4xx", "5xx", "0")
"""0: the client hung up."""

FLUSH = 0.2
"""Seconds between merges of the histograms: a scrape sees what is older than that."""

_CODES = {"2xx": (200, 399), "4xx": (400, 499), "5xx": (500, 599), "0": (0, 199)}
_FLAGS = {"rq_no_healthy_upstream": "UH", "rq_retry_overflow": "UO"}
"""Counters of requests that the gateway itself ended: no ready replica; a retry or client's repeat beyond the retry budget."""

_KEPT = (f"{PREFIX}.", "http.gateway.downstream_rq_active", "http.gateway.rds.", "runtime.", "server.live")
_OF_POOLS = (
    r"cluster\.model-[a-z]+\.gateway\.(upstream_rq_(active|active_overflow|total|timeout|retry|retry_overflow|pending_active)"
    r"|upstream_cx_active|membership_(healthy|total)|version_text|update_(success|rejected))"
)
"""What is worth a scrape: Envoy has a thousand series by default."""


def access_loggers() -> list[Json]:
    """Loggers of the gateway's listener: each request counts in the histogram of its class."""
    loggers = [_logger(_code(*_CODES[kind]), histograms=[_histogram(kind)]) for kind in CLASSES]
    loggers += [_logger(_flag(flag), counters=[_counter(name)]) for name, flag in _FLAGS.items()]
    loggers.append(_logger(_code(429, 429), counters=[_counter("rq_shed")]))
    return loggers


def priming_loggers() -> list[Json]:
    """Loggers that make every statistic exist with one request to `/prime`."""
    path = {"header_filter": {"header": {"name": ":path", "string_match": {"exact": "/prime"}}}}
    histograms, counters = [_histogram(kind) for kind in CLASSES], [_counter(name) for name in (*_FLAGS, "rq_shed")]
    return [_logger(path, histograms=histograms, counters=counters)]


def stats_config() -> Json:
    """Buckets, the names of the clusters' retries, and which statistics are kept at all."""
    return {
        "stats_tags": [
            {"tag_name": "scope", "regex": r"^((cluster)\.)[^.]+\.gateway\.upstream_rq_retry$"},
            {"tag_name": "side", "regex": r"^cluster\.[^.]+\.gateway\.((upstream)_)rq_retry$"},
        ],
        "histogram_bucket_settings": [{"match": {"prefix": f"{PREFIX}.rq_time"}, "buckets": list(_bounds())}],
        "stats_matcher": {
            "inclusion_list": {
                "patterns": [*({"prefix": prefix} for prefix in _KEPT), {"safe_regex": {"regex": _OF_POOLS}}],
            }
        },
    }


def stat_name(cluster: str) -> str:
    """The name of a cluster in statistics; its second part is cut out of the names of retries."""
    return f"{cluster}.{PREFIX}"


def _bounds() -> Iterator[float]:
    for bound in LATENCY_BUCKETS:
        milliseconds = round(bound * 1000.0)
        if abs(milliseconds - bound * 1000.0) > 1e-9 or len(str(milliseconds).rstrip("0")) > 2:
            raise ValueError(f"Envoy cannot count exactly below {bound * 1000.0:g} ms")
        yield float(milliseconds)


def _logger(chosen: Json, **stats: list[Json]) -> Json:
    config = typed("extensions.access_loggers.stats.v3.Config", stats_scope={"prefix": PREFIX}, **stats)
    return {"name": "envoy.access_loggers.stats", "filter": chosen, "typed_config": config}


def _histogram(kind: str) -> Json:
    tags = [{"name": "response_code_class", "value_format": kind}]
    return {"stat": {"name": "rq_time", "tags": tags}, "unit": "Milliseconds", "value_format": "%DURATION%"}


def _counter(name: str) -> Json:
    return {"stat": {"name": name, "tags": [{"name": "scope", "value_format": "gateway"}]}, "value_fixed": 1}


def _code(low: int, high: int) -> Json:
    return _all(_compare("GE", low), _compare("LE", high))


def _compare(operation: str, value: int) -> Json:
    # The runtime key is required; nobody sets it.
    return {"status_code_filter": {"comparison": {"op": operation, "value": {"default_value": value, "runtime_key": "unset"}}}}


def _flag(flag: str) -> Json:
    return {"response_flag_filter": {"flags": [flag]}}


def _all(*filters: Json) -> Json:
    return {"and_filter": {"filters": list(filters)}}
