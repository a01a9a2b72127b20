"""Grafana on the cluster, where its image can be had: it looks at the drill's Prometheus, and everybody may look at it."""

from __future__ import annotations

import json

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap

from . import pods
from .dashboards import DATASOURCE, SERVICE, files
from .deployments import contained, deployment
from .names import DASHBOARDS_CONFIG, GRAFANA, GRAFANA_CONFIG, GRAFANA_PORT, PROMETHEUS, PROMETHEUS_PORT
from .setup import Setup

PROVISIONING, DASHBOARDS = "/etc/drillbox-grafana", "/etc/drillbox-dashboards"
DATA = "/var/lib/grafana"
_DATASOURCES, _PROVIDERS = "datasources.yaml", "dashboards.yaml"


def grafana_configs(setup: Setup) -> list[ConfigMap]:
    """Where it finds Prometheus, and the dashboards; none where there is no Grafana."""
    if not setup.images.grafana:
        return []
    source = {
        "name": "Prometheus",
        "type": DATASOURCE["type"],
        "uid": DATASOURCE["uid"],
        "access": "proxy",
        "url": f"http://{PROMETHEUS}:{PROMETHEUS_PORT}",
        "isDefault": True,
        "jsonData": {"timeInterval": "5s"},
    }
    provider = {"name": "drillbox", "type": "file", "allowUiUpdates": False, "options": {"path": DASHBOARDS}}
    data = {
        _DATASOURCES: json.dumps({"apiVersion": 1, "datasources": [source]}),
        _PROVIDERS: json.dumps({"apiVersion": 1, "providers": [provider]}),
    }
    return [
        ConfigMap(metadata=setup.meta(GRAFANA_CONFIG, GRAFANA), data=data),
        ConfigMap(metadata=setup.meta(DASHBOARDS_CONFIG, GRAFANA), data=files()),
    ]


def grafana(setup: Setup) -> list[Deployment]:
    """Grafana itself, or nothing."""
    if not setup.images.grafana:
        return []
    settings = {
        "GF_PATHS_PROVISIONING": PROVISIONING,
        "GF_PATHS_DATA": DATA,
        "GF_PATHS_LOGS": f"{DATA}/log",
        "GF_PATHS_PLUGINS": f"{DATA}/plugins",
        "GF_SERVER_HTTP_PORT": str(GRAFANA_PORT),
        "GF_LOG_MODE": "console",
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{DASHBOARDS}/{SERVICE.uid}.json",
    }
    container = contained(
        GRAFANA,
        setup.images.grafana,
        setup.images.pull,
        env=pods.plain(settings),
        ports=pods.ports(http=GRAFANA_PORT),
        readinessProbe=pods.ready("/api/health"),
        livenessProbe=pods.alive("/api/health"),
        startupProbe=pods.started("/api/health"),
        resources=pods.amounts("128Mi", "512Mi"),
        volumeMounts=[
            *pods.mounts(data=DATA, tmp="/tmp", dashboards=DASHBOARDS),  # noqa: S108 -- a folder of the pod's own
            *pods.mounted_files("config", f"{PROVISIONING}/datasources", _DATASOURCES),
            *pods.mounted_files("config", f"{PROVISIONING}/dashboards", _PROVIDERS),
        ],
    )
    volumes = [
        pods.scratch("data"),
        pods.scratch("tmp"),
        pods.mounted_config("config", GRAFANA_CONFIG),
        pods.mounted_config("dashboards", DASHBOARDS_CONFIG),
    ]
    return [deployment(setup, GRAFANA, GRAFANA, [container], volumes)]
