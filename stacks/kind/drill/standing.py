"""What runs for a drill on a cluster, and how a person reaches it: written down by its host, looked up by anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ....sandbox.model.errors import StackError
from ....sandbox.model.housekeeping import Address, Part, Standing, Trial
from ...deploy.kubernetes.names import COMPONENT, GRAFANA, GRAFANA_PORT, MODEL_SERVER, PROMETHEUS, PROMETHEUS_PORT
from ...real.machine.files import put
from ...real.machine.ports import HOST
from ...real.machine.records import Identity, Records
from ...real.machine.standing import standing_of as on_this_machine
from ...real.machine.where import Where
from ..cluster.programs import KUBECTL, find, run
from ..settings import GRAFANA_IMAGE
from .place import Place
from .ways import forwarding

KUBECONFIG = "kubeconfig"
_PATIENCE = 10.0
_ANSWER = 3
"""Wall seconds that the cluster's API has to say what runs."""
_NO_GRAFANA = f"not there: set {GRAFANA_IMAGE} to Grafana's image (such as grafana/grafana:11.6.0) before the drill comes up"


def write_kubeconfig(folder: Path, kubectl: Path, place: Place) -> Path:
    """Write a kubeconfig of the drill's own, in which its namespace is the default; the user's own is only read.

    Raises:
        StackError: kubectl cannot read the one that the place names.
        UsageError: the folder cannot be written.
    """
    chosen = (f"--context={place.context}",) if place.context else ()
    asks = ("config", "view", "--raw", "--minify", "--flatten", "--output=json")
    found = json.loads(run([kubectl, *asks, f"--kubeconfig={place.kubeconfig}", *chosen], _PATIENCE))
    for one in found["contexts"]:
        one["context"]["namespace"] = place.namespace
    path = folder / KUBECONFIG
    put(path, json.dumps(found, indent=1), durable=False)  # JSON is YAML
    return path


def write_where(folder: Path, scenario: str, kubectl: Path, place: Place, port: int, trial: Trial, *, grafana: bool) -> None:
    """Write down where things are, once they are there.

    Args:
        folder: of the drill.
        scenario: id of what is played.
        kubectl: the program.
        place: of the drill.
        port: of loopback, behind which the gateway is.
        trial: a prediction to ask for.
        grafana: whether there is one.

    Raises:
        StackError: kubectl cannot read the kubeconfig.
        UsageError: the folder cannot be written.
    """
    kubeconfig = write_kubeconfig(folder, kubectl, place)

    def behind(name: str, remote: int) -> Address:
        return Address(name, f"drillbox open {name}", forwarding(kubectl, place, name, remote, "{port}"))

    addresses = (
        Address("gateway", f"http://{HOST}:{port}"),
        behind(PROMETHEUS, PROMETHEUS_PORT),
        behind(GRAFANA, GRAFANA_PORT) if grafana else Address(GRAFANA, _NO_GRAFANA),
        Address("kubectl", 'eval "$(drillbox env)"'),
    )
    Where(scenario, addresses, trial, {"KUBECONFIG": str(kubeconfig)}).write(folder)


def standing_of(folder: Path, host: int | None, scenario: str, since: datetime | None) -> Standing:
    """What runs of a drill.

    Args:
        folder: of the drill.
        host: the number of the process that plays it; None if that is dead.
        scenario: id of what is played; empty if only its host knows.
        since: when it began, with a time zone.
    """
    where = Where.of(folder)
    identity = Identity.of(host) if host is not None else None
    here = on_this_machine(folder, identity, Records(folder).read())
    kubeconfig = where.environment.get("KUBECONFIG", "")
    parts = (*here.parts, *(pods(Path(kubeconfig)) if kubeconfig else ()))
    begun = since or here.since
    return Standing(
        folder.name, host, scenario or where.scenario, begun, parts, where.addresses, where.trial, environment=where.environment
    )


def pods(kubeconfig: Path) -> list[Part]:
    """The pods of a drill, by name; none if its cluster does not answer at once."""
    try:
        asks = ("get", "pods", "--output=json", f"--request-timeout={_ANSWER}s")
        told = run([find(KUBECTL).path, f"--kubeconfig={kubeconfig}", *asks], _PATIENCE)
        return sorted(_parts(json.loads(told)), key=lambda part: part.name)
    except (StackError, ValueError):
        return []


def _parts(listed: Any) -> Iterator[Part]:
    for pod in listed["items"]:
        meta, began = pod["metadata"], pod.get("status", {}).get("startTime")
        replica = meta.get("labels", {}).get(COMPONENT) == MODEL_SERVER
        yield Part(meta["name"], _state(pod), datetime.fromisoformat(began) if began else None, replica=replica)


def _state(pod: Any) -> str:
    status = pod.get("status", {})
    phase = str(status.get("phase", "unknown")).lower()
    if pod["metadata"].get("deletionTimestamp"):
        return "leaving"
    if phase == "running" and not any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ())):
        return "not ready"
    return phase
