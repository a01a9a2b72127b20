"""Dashboards ask only for what is there: queries are in Prometheus' grammar, of metrics that are scraped, by labels that they have."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import promql_parser
import pytest
from objects_kit import setup_of
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, MatrixSelector, ParenExpr, VectorSelector

from drillbox.sandbox.model.features import ONLINE
from drillbox.sandbox.model.scenario import Prices, Scenario
from drillbox.sandbox.model.telemetry import Series
from drillbox.sandbox.monitor.objectives import rule_group
from drillbox.sandbox.monitor.thresholds import threshold_alerts
from drillbox.sandbox.world.data import FEATURES
from drillbox.stacks.control_plane.model_metrics import ModelMetrics
from drillbox.stacks.deploy.kubernetes.dashboards import DASHBOARDS, MODEL, MONEY, SERVICE, Query, files
from drillbox.stacks.deploy.kubernetes.grafana import grafana, grafana_configs
from drillbox.stacks.deploy.kubernetes.setup import Images, Setup
from drillbox.stacks.monitoring.exporter import PlatformMetrics, PodState
from drillbox.stacks.monitoring.rules import OWN, wanted_metrics

EXPOSITIONS = Path(__file__).parents[2] / "local" / "expositions"
"""Of a real Envoy and real services."""
QUERIES = [
    pytest.param(query, id=f"{dashboard.uid}: {panel.title} ({query.legend})")
    for dashboard in DASHBOARDS
    for panel in dashboard.panels
    for query in panel.queries
]


def selectors(one: Expr) -> list[VectorSelector]:
    """What an expression reads."""
    match one:
        case VectorSelector():
            return [one]
        case MatrixSelector():
            return [one.vector_selector]
        case AggregateExpr() | ParenExpr():
            return selectors(one.expr)
        case BinaryExpr():
            return selectors(one.lhs) + selectors(one.rhs)
        case Call():
            return [each for arg in one.args for each in selectors(arg)]
    return []


class Platform:
    """A cluster with one replica that has everything."""

    def wanted(self) -> dict[str, int]:
        return {"model-champion": 1}

    def pods(self) -> list[PodState]:
        return [PodState("model-champion-1", "model-champion", "v1", "node-1", True, True, limit=64.0)]

    def nodes(self) -> dict[str, bool]:
        return {"node-1": True}

    def replica_seconds(self) -> float:
        return 60.0

    def training_seconds(self) -> float:
        return 0.0

    def prices(self) -> Prices:
        return Prices(0.1, 0.1, 0.1, 0.1, 1.0)

    def budget(self) -> float:
        return 2.0


def of_the_pipeline() -> set[Series]:
    """What it exports once everything is known."""
    features = {name: SimpleNamespace(psi=0.1, ks=0.1, null_excess=0.0, outside=0.0) for name in ONLINE}
    quality = SimpleNamespace(auc=0.7, average_precision=0.4, brier=0.1, calibration_error=0.0, calibration_in_the_large=0.0)
    health = SimpleNamespace(
        maturity=SimpleNamespace(matured=1, pending=1, overdue=0),
        quality=quality,
        drift=SimpleNamespace(prediction_psi=0.1, features=features),
    )
    monitor: Any = SimpleNamespace(
        judged=(1.0, 0.0), now=0.0, version=SimpleNamespace(train_until=dt.datetime(2013, 1, 1)), called_late=0.1,
        health=health, reference=SimpleNamespace(usual=[1.0] * len(FEATURES)),
    )  # fmt: skip
    loop: Any = SimpleNamespace(age=1.0, runs=(), rows_ratio=1.0)
    return set(ModelMetrics(monitor, loop).samples()[0])


@pytest.fixture(scope="module")
def exported() -> set[Series]:
    """All series of a drill: as Envoy and services wrote them, and from the code of the others."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PlatformMetrics(Platform()))
    written = [(EXPOSITIONS / f"{name}.txt").read_text() for name in ("envoy", "feature_store", "model_server")]
    families = [one for text in (*written, generate_latest(registry).decode()) for one in text_string_to_metric_families(text)]
    of_services = {Series.of(sample.name, **sample.labels) for family in families for sample in family.samples}
    scraped = {Series.of(name, job="gateway", instance="gateway") for name in OWN}
    return of_services | of_the_pipeline() | scraped


@pytest.fixture(scope="module")
def labels_of(exported: set[Series], slow_afternoon: Scenario) -> dict[str, set[str]]:
    """The labels of all that a dashboard can read."""
    found: dict[str, set[str]] = {"ALERTS": {"alertname", "alertstate", "severity"}}
    for series in exported:
        found.setdefault(series.name, set()).update(name for name, _ in series.labels)
    for rule in rule_group(slow_afternoon.objectives, threshold_alerts()).recording:
        found.setdefault(rule.record, set()).update(name for name, _ in rule.labels)
    return found


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_what_is_scraped_and_recorded_by_labels_that_it_has(query: Query, labels_of: dict[str, set[str]]) -> None:
    expr = promql_parser.parse(query.expr)
    read = selectors(expr)
    assert read
    for one in read:
        assert one.name in labels_of
        assert one.name in wanted_metrics() | OWN | {"ALERTS"} or ":" in one.name, "Prometheus drops it at the scrape"
        assert {matcher.name for matcher in one.matchers.matchers} <= labels_of[one.name]
    known = set.union(*(labels_of[one.name] for one in read))
    by = {name for group in re.findall(r"by \(([^)]*)\)", query.expr) for name in re.split(r",\s*", group)}
    named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
    assert by <= known
    assert named <= (by or known)
    assert not by or by - named <= {"deployment", "severity"}, "series that nobody can tell apart"


def test_the_labels_are_those_that_values_have(exported: set[Series]) -> None:
    classes = {one.label("response_code_class") for one in exported if one.name == "envoy_gateway_rq_time_count"}
    assert "2xx" in classes
    assert {one.label("code") for one in exported if one.name == "model_server_requests_total"} >= {"200"}
    assert {one.label("item") for one in exported if one.name == "service_cost_dollars_total"} == {"replicas", "training"}


def test_there_is_a_dashboard_for_service_model_and_money_and_titles_are_their_own() -> None:
    assert DASHBOARDS == (SERVICE, MODEL, MONEY)
    for dashboard in DASHBOARDS:
        titles = [panel.title for panel in dashboard.panels]
        assert len(set(titles)) == len(titles)


def test_panels_lie_beside_and_below_each_other_and_ids_are_unique() -> None:
    for name, text in files().items():
        page = json.loads(text)
        assert name == f"{page['uid']}.json"
        places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in page["panels"]]
        assert len(set(places)) == len(places)
        assert all(x + 8 <= 24 for x, _ in places)
        assert len({one["id"] for one in page["panels"]}) == len(places)
        for panel in page["panels"]:
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


def test_grafana_finds_prometheus_and_all_dashboards(drill: Setup) -> None:
    config, boards = grafana_configs(drill)
    (source,) = json.loads(config.data["datasources.yaml"])["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    pages = [json.loads(text) for text in boards.data.values()]
    assert len(pages) == len(DASHBOARDS)
    assert {target["datasource"]["uid"] for page in pages for one in page["panels"] for target in one["targets"]} == {
        source["uid"]
    }
    (deployment,) = grafana(drill)
    (container,) = deployment.spec.template.spec.containers
    mounts = {mount.mountPath: mount.name for mount in container.volumeMounts}
    settings = {one.name: one.value for one in container.env}
    (provider,) = json.loads(config.data["dashboards.yaml"])["providers"]
    assert mounts[provider["options"]["path"]] == "dashboards"
    assert f"{settings['GF_PATHS_PROVISIONING']}/datasources/datasources.yaml" in mounts
    home = settings["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.removeprefix(provider["options"]["path"] + "/") in boards.data


def test_without_an_image_there_is_no_grafana(slow_afternoon: Scenario) -> None:
    setup = setup_of(slow_afternoon, images=Images("app:1"))
    assert grafana_configs(setup) == grafana(setup) == []
