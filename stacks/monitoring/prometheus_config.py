"""The configuration of a Prometheus whose series have the very names and labels that the built-in monitor's have.

`job` and `instance` are taken off all but `up` and its like, and what nothing reads is dropped at the scrape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...sandbox.model.telemetry import SCRAPE_INTERVAL
from .api import ITSELF
from .rules import wanted_metrics
from .targets import SAMPLE_LIMIT, TIMEOUT

Json = dict[str, object]

_HEAD = "prometheus_tsdb_head_series"


def configuration(
    discovery: Mapping[str, object], itself: str, rules: str, interval: float = SCRAPE_INTERVAL, dropped: Iterable[str] = ()
) -> Json:
    """The configuration file, whose JSON is YAML as well.

    Args:
        discovery: fields of the scrape configuration that find the targets, with `job` and `instance` on each.
        itself: where it listens, as HOST:PORT.
        rules: path of the rule file.
        interval: seconds between scrapes, and between evaluations.
        dropped: labels that are dropped, beside those two.
    """
    every = milliseconds(interval)
    unnamed = {"action": "labeldrop", "regex": "|".join(("job", "instance", *dropped))}
    # Prometheus 3 writes whole bounds as 300.0; the rules say 300, as Envoy and Prometheus 2 do.
    bounds = {"source_labels": ["le"], "regex": r"(\d+)\.0", "target_label": "le", "replacement": "$1"}
    drill = {
        "job_name": "drill",
        "honor_labels": True,
        "sample_limit": SAMPLE_LIMIT,
        **discovery,
        "metric_relabel_configs": [_keep("|".join(sorted(wanted_metrics()))), bounds, unnamed],
    }
    own = {
        "job_name": ITSELF,
        "static_configs": [{"targets": [itself]}],
        "metric_relabel_configs": [_keep(_HEAD), unnamed],
    }
    timeout = milliseconds(min(TIMEOUT, interval))
    return {
        "global": {"scrape_interval": every, "scrape_timeout": timeout, "evaluation_interval": every},
        "rule_files": [rules],
        "scrape_configs": [drill, own],
    }


def milliseconds(seconds: float) -> str:
    """A duration as Prometheus writes it."""
    return f"{round(seconds * 1000)}ms"


def _keep(names: str) -> Json:
    return {"source_labels": ["__name__"], "regex": names, "action": "keep"}
