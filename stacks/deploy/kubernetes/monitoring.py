"""Prometheus on the cluster: it finds the drill's pods, and evaluates the scenario's rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap

from ....sandbox.model.telemetry import SCRAPE_INTERVAL
from ...monitoring.prometheus_config import Json, configuration, milliseconds
from ...monitoring.rules import rules_text
from . import pods
from .deployments import contained, deployment
from .names import (
    COMPONENT,
    CONTROLLER_PORT,
    DRILL,
    FEATURES,
    GATEWAY,
    METRICS_PORT,
    MODEL_SERVER,
    PIPELINE,
    PORT,
    PROMETHEUS,
    PROMETHEUS_CONFIG,
    PROMETHEUS_PORT,
)
from .setup import Setup

FOLDER, DATA = "/etc/prometheus", "/prometheus"
CONFIG_FILE, RULES_FILE = "prometheus.yml", "rules.yml"

_LABEL = "__meta_kubernetes_pod_label_{}"
_PORT, _POD, _PHASE = (f"__meta_kubernetes_pod_{name}" for name in ("container_port_name", "name", "phase"))


def prometheus_config(setup: Setup) -> ConfigMap:
    """Its configuration and rules."""
    rules = f"{FOLDER}/{RULES_FILE}"
    config = configuration(discovery(setup), f"localhost:{PROMETHEUS_PORT}", rules, dropped=_dropped(setup))
    data = {CONFIG_FILE: json.dumps(config, indent=1) + "\n", RULES_FILE: rules_text(setup.scenario)}
    return ConfigMap(metadata=setup.meta(PROMETHEUS_CONFIG, PROMETHEUS), data=data)


def discovery(setup: Setup) -> Json:
    """How it finds the targets that the built-in monitor has, under the same names.

    The `instance` of a model server is its pod; all others are one of their kind, and their `instance` is their `job`. A pod that
    does not answer stays a target for as long as it is there.

    Debian's Prometheus, which is in the application's image where nothing else is wanted, is built without the discovery by the
    Kubernetes API: it asks the controller, which watches the pods.
    """
    return by_kubernetes(setup) if setup.images.asks_kubernetes else by_controller()


def by_controller() -> Json:
    """The services by their names, and model servers from the controller."""
    fixed = {GATEWAY: f"{GATEWAY}:{METRICS_PORT}", "platform": f"{GATEWAY}:{CONTROLLER_PORT}"}
    fixed |= {name: f"{name}:{PORT}" for name in (FEATURES, PIPELINE)}
    targets = [{"targets": [address], "labels": {"job": job, "instance": job}} for job, address in fixed.items()]
    servers = {"url": f"http://{GATEWAY}:{CONTROLLER_PORT}/targets", "refresh_interval": milliseconds(SCRAPE_INTERVAL)}
    return {"static_configs": targets, "http_sd_configs": [servers]}


def by_kubernetes(setup: Setup) -> Json:
    """All pods of the drill, from the Kubernetes API."""
    selector = {"role": "pod", "label": f"{DRILL}={setup.label}"}
    found = {"role": "pod", "namespaces": {"names": [setup.where]}, "selectors": [selector]}
    what = [_LABEL.format(re.sub(r"[^a-zA-Z0-9_]", "_", COMPONENT)), _PORT]
    jobs = {
        f"({MODEL_SERVER}|{FEATURES}|{PIPELINE});http": "$1",
        f"({GATEWAY});metrics": "$1",
        f"{GATEWAY};control": "platform",
    }
    return {
        "kubernetes_sd_configs": [found],
        "relabel_configs": [
            {"source_labels": what, "regex": "|".join(jobs), "action": "keep"},
            {"source_labels": [_PHASE], "regex": "Succeeded|Failed", "action": "drop"},
            *({"source_labels": what, "regex": regex, "target_label": "job", "replacement": job} for regex, job in jobs.items()),
            {"source_labels": ["job"], "target_label": "instance"},
            {"source_labels": ["job", _POD], "regex": f"{MODEL_SERVER};(.+)", "target_label": "instance", "replacement": "$1"},
        ],
    }


def prometheus(setup: Setup) -> Deployment:
    """Prometheus itself."""
    images = setup.images
    container = contained(
        PROMETHEUS,
        images.prometheus or images.application,
        images.pull,
        command=None if images.prometheus else ["prometheus"],  # images of its own begin with it, wherever it is in them
        args=[
            f"--config.file={FOLDER}/{CONFIG_FILE}",
            f"--storage.tsdb.path={DATA}",
            f"--web.listen-address=:{PROMETHEUS_PORT}",
            "--web.enable-lifecycle",
            "--log.level=warn",
            "--log.format=json",
        ],
        env=pods.plain({"GOMAXPROCS": "1"}),
        ports=pods.ports(http=PROMETHEUS_PORT),
        readinessProbe=pods.ready("/-/ready"),
        livenessProbe=pods.alive("/-/healthy"),
        startupProbe=pods.started("/-/healthy"),
        resources=pods.amounts("96Mi", "512Mi"),
        volumeMounts=pods.mounts(config=FOLDER, data=DATA),
    )
    volumes = [pods.mounted_config("config", PROMETHEUS_CONFIG), pods.scratch("data", "1Gi")]
    return deployment(setup, PROMETHEUS, PROMETHEUS, [container], volumes, account=PROMETHEUS if images.asks_kubernetes else "")


def with_dropped(text: str, labels: Iterable[str]) -> str:
    """A configuration with which these labels are dropped, and those that always are.

    Raises:
        ValueError: it is none of ours any more.
    """
    config = _read(text)
    _labeldrop(config)["regex"] = "|".join((*_ALWAYS, *labels))
    return json.dumps(config, indent=1) + "\n"


def drops(text: str) -> tuple[str, ...]:
    """The labels that a configuration drops beside those that always are.

    Raises:
        ValueError: it is none of ours any more.
    """
    return tuple(name for name in str(_labeldrop(_read(text))["regex"]).split("|") if name not in _ALWAYS)


_ALWAYS = ("job", "instance")


def _read(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{CONFIG_FILE} is no YAML: {error}") from None


def _labeldrop(config: Any) -> dict[str, object]:
    """The rule of the drill's targets that drops labels."""
    try:
        for job in config["scrape_configs"]:
            for rule in job.get("metric_relabel_configs", ()):
                if job["job_name"] == "drill" and rule.get("action") == "labeldrop":
                    found: dict[str, object] = rule
                    return found
    except (KeyError, TypeError, AttributeError):
        pass
    raise ValueError(f"{CONFIG_FILE} has no rule that drops labels of the job drill")


def _dropped(setup: Setup) -> list[str]:
    return [name for name in setup.spec.monitoring.dropped.split(",") if name]
