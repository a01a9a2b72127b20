"""Prometheus on the cluster finds the drill's pods and gives their series the names and labels that they have on all stacks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from objects_kit import of_kind, setup_of

from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import with_fields
from drillbox.stacks.deploy.kubernetes.deployments import pod_of
from drillbox.stacks.deploy.kubernetes.monitoring import discovery, prometheus_config
from drillbox.stacks.deploy.kubernetes.names import CHAMPION
from drillbox.stacks.deploy.kubernetes.objects import deployments, document, objects_of
from drillbox.stacks.deploy.kubernetes.setup import Images, Setup
from drillbox.stacks.local.prometheus import PrometheusServer
from drillbox.stacks.monitoring.rules import rules_text
from drillbox.stacks.services.controller.app import build
from drillbox.stacks.services.controller.pods import ServerPod

Labels = dict[str, str]


def targets_of(setup: Setup) -> list[Labels]:
    """What Prometheus' discovery of pods says of each port of each container: one pod of each Deployment."""
    found = []
    for one in deployments(setup):
        labels = one.spec.template.metadata.labels
        name = f"{one.metadata.name}-5d9f-x2x7q"
        known = {f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', key)}": value for key, value in labels.items()} | {
            "__meta_kubernetes_pod_name": name,
            "__meta_kubernetes_pod_phase": "Running",
        }
        for container in pod_of(one).containers:
            for port in container.ports:
                address = {
                    "__address__": f"10.0.0.7:{port.containerPort}",
                    "__meta_kubernetes_pod_container_port_name": port.name,
                }
                found.append(known | address)
    return found


def relabelled(labels: Labels, rules: list[dict[str, Any]]) -> Labels | None:
    """What relabelling makes of a target (Prometheus' documentation, `relabel_config`)."""
    labels = dict(labels)
    for rule in rules:
        source = ";".join(labels.get(name, "") for name in rule["source_labels"])
        match = re.fullmatch(rule.get("regex", "(.*)"), source)
        match rule.get("action", "replace"), match:
            case ("keep", None):
                return None
            case ("drop", found) if found:
                return None
            case ("replace", found) if found:
                labels[rule["target_label"]] = found.expand(rule.get("replacement", "$1").replace("$", "\\"))
    return labels


def scraped(setup: Setup, phase: str = "Running") -> dict[tuple[str, str], str]:
    """Address by job and instance."""
    rules = discovery(setup)["relabel_configs"]
    given = [one | {"__meta_kubernetes_pod_phase": phase} for one in targets_of(setup)]
    kept = [found for one in given if (found := relabelled(one, rules)) is not None]  # type: ignore[arg-type]  # JSON
    addresses = {(one["job"], one["instance"]): one["__address__"] for one in kept}
    assert len(addresses) == len(kept)
    return addresses


def test_jobs_and_instances_are_those_of_the_local_stack(drill: Setup) -> None:
    assert scraped(drill) == {
        ("gateway", "gateway"): "10.0.0.7:9464",
        ("platform", "platform"): "10.0.0.7:8081",
        ("feature-store", "feature-store"): "10.0.0.7:8080",
        ("pipeline", "pipeline"): "10.0.0.7:8080",
        ("model-server", "model-champion-5d9f-x2x7q"): "10.0.0.7:8080",
        ("model-server", "model-candidate-5d9f-x2x7q"): "10.0.0.7:8080",
        ("model-server", "model-shadow-5d9f-x2x7q"): "10.0.0.7:8080",
    }


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pods_that_are_over_are_no_targets(drill: Setup, phase: str) -> None:
    assert scraped(drill, phase) == {}


def test_prometheus_of_the_application_image_finds_the_same_targets_by_names_and_by_the_controller(
    slow_afternoon: Scenario,
) -> None:
    found: Any = discovery(setup_of(slow_afternoon, images=Images("app:1")))
    known = {(one["labels"]["job"], one["labels"]["instance"]): one["targets"] for one in found["static_configs"]}
    assert known == {
        ("gateway", "gateway"): ["gateway:9464"],
        ("platform", "platform"): ["gateway:8081"],
        ("feature-store", "feature-store"): ["feature-store:8080"],
        ("pipeline", "pipeline"): ["pipeline:8080"],
    }
    (asked,) = found["http_sd_configs"]
    assert asked["url"] == "http://gateway:8081/targets"
    pod = ServerPod("model-champion-5d9f-x2x7q", CHAMPION, "v7", "n", "10.0.0.7", False, False, True, "", 0, "", 0.0)
    controller: Any = SimpleNamespace(
        servers=[pod, replace(pod, name="without-an-address", ip="")], servers_port=8080, why_not_ready=lambda: ""
    )
    answer = TestClient(build(controller, "token")).get("/targets")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == [
        {"targets": ["10.0.0.7:8080"], "labels": {"job": "model-server", "instance": "model-champion-5d9f-x2x7q"}}
    ]


@pytest.mark.parametrize("images", [Images("app:1", discovery="kubernetes"), Images("app:1", "prom/prometheus:v3.5.0")])
def test_who_asks_the_api_has_a_role_and_a_token_for_that(slow_afternoon: Scenario, images: Images) -> None:
    setup = setup_of(slow_afternoon, images=images)
    docs = [document(one) for one in objects_of(setup)]
    role = of_kind(docs, "Role")["prometheus"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    pod = of_kind(docs, "Deployment")["prometheus"]["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("prometheus", True)
    assert "kubernetes_sd_configs" in discovery(setup)


@pytest.mark.parametrize("images", [Images("app:1"), Images("app:1", "prom/prometheus:v3.5.0", discovery="controller")])
def test_who_asks_the_controller_has_no_right_to_anything(slow_afternoon: Scenario, images: Images) -> None:
    setup = setup_of(slow_afternoon, images=images)
    docs = [document(one) for one in objects_of(setup)]
    assert "prometheus" not in of_kind(docs, "Role", "ServiceAccount")
    assert of_kind(docs, "Deployment")["prometheus"]["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    assert "http_sd_configs" in discovery(setup)


def test_an_image_of_prometheus_begins_with_its_entry_point(slow_afternoon: Scenario) -> None:
    def container(image: str) -> dict[str, Any]:
        docs = [document(one) for one in objects_of(setup_of(slow_afternoon, images=Images("app:1", image)))]
        found: dict[str, Any] = of_kind(docs, "Deployment")["prometheus"]["spec"]["template"]["spec"]["containers"][0]
        return found

    own, official = container(""), container("prom/prometheus:v3.5.0")
    assert (own.pop("image"), own.pop("command")) == ("app:1", ["prometheus"])
    assert official.pop("image") == "prom/prometheus:v3.5.0"
    for one in (own, official):
        one.pop("name")
    assert own == official


def test_only_pods_of_this_drill_are_asked_for(drill: Setup) -> None:
    (found,) = discovery(drill)["kubernetes_sd_configs"]  # type: ignore[misc]  # JSON
    assert found == {
        "role": "pod",
        "namespaces": {"names": ["drill-monday-3"]},
        "selectors": [{"role": "pod", "label": "drillbox.dev/drill=monday-3"}],
    }


def test_series_are_treated_as_on_the_local_stack(drill: Setup, tmp_path: Path) -> None:
    local = PrometheusServer(tmp_path, rules_text(drill.scenario), list, 0.0)
    local.write()
    there, here = (
        json.loads(text) for text in ((tmp_path / "prometheus.yml").read_text(), prometheus_config(drill).data["prometheus.yml"])
    )
    assert here["global"] == there["global"]
    for mine, theirs in zip(here["scrape_configs"], there["scrape_configs"], strict=True):
        same = ("job_name", "honor_labels", "sample_limit", "metric_relabel_configs")
        assert [mine.get(name) for name in same] == [theirs.get(name) for name in same]
    assert prometheus_config(drill).data["rules.yml"] == (tmp_path / "rules.yml").read_text()


def test_labels_that_the_desired_state_drops_are_dropped(slow_afternoon: Scenario) -> None:
    spec = with_fields(slow_afternoon.service, {"monitoring.dropped": "client_address,request_id"})
    config = json.loads(prometheus_config(setup_of(slow_afternoon, spec)).data["prometheus.yml"])
    drops = [one["regex"] for one in config["scrape_configs"][0]["metric_relabel_configs"] if one.get("action") == "labeldrop"]
    assert drops == ["job|instance|client_address|request_id"]


@pytest.mark.prometheus
@pytest.mark.parametrize("image", ["", "prom/prometheus:v3.5.0"])
def test_prometheus_takes_configuration_and_rules(slow_afternoon: Scenario, image: str, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool")
    given = dict(prometheus_config(setup_of(slow_afternoon, images=Images("app:1", image))).data)
    config = json.loads(given["prometheus.yml"])
    config["scrape_configs"][0].pop("kubernetes_sd_configs", None)  # Debian's promtool does not know of it
    given["prometheus.yml"] = json.dumps(config)
    for name, text in given.items():
        (tmp_path / name).write_text(text.replace("/etc/prometheus", str(tmp_path)))
    command = [promtool, "check", "config", tmp_path / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    groups = yaml.safe_load((tmp_path / "rules.yml").read_text())["groups"]
    assert f"SUCCESS: {sum(len(group['rules']) for group in groups)} rules found" in done.stdout
