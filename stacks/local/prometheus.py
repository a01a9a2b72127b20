"""A Prometheus of the drill's own, where the program is on the PATH: its files, how to start it, its alerts.

    server = PrometheusServer(folder, rules_text(scenario), targets, origin)
    server.write()
    start("prometheus", server.argv(), server.environment())   # whoever supervises processes starts it
    server.wait_ready(20.0, alive)
    server.write()                                              # the targets have changed: it takes them up within seconds
    server.alerts(now)

Its series have the very names and labels that the built-in monitor's have: `job` and `instance` are taken off all but `up` and
its like, and what nothing reads is dropped at the scrape.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from ...sandbox.model.errors import StackError, UsageError
from ...sandbox.model.telemetry import SCRAPE_INTERVAL, AlertState
from ..monitoring.api import PrometheusApi
from ..monitoring.prometheus_config import configuration, milliseconds
from ..monitoring.targets import Target, Targets
from ..real.machine.installed import PROMETHEUS_SETTING, find_prometheus
from ..real.machine.ports import HOST, check_port, free_port

_POLL = 0.02


class PrometheusServer:
    """One Prometheus: its files, and its interface once it runs.

    Args:
        folder: belongs to it; it is created.
        rules: the text of the rule file.
        targets: gives the targets that there are now.
        origin: of CLOCK_MONOTONIC at t = 0.
        program: the one that `find_prometheus` gives if not given.
        port: on loopback; a free one if not given.
        interval: seconds between scrapes, and between evaluations.
    """

    def __init__(
        self,
        folder: Path,
        rules: str,
        targets: Targets,
        origin: float,
        program: Path | None = None,
        port: int = 0,
        interval: float = SCRAPE_INTERVAL,
    ) -> None:
        self.folder = folder.absolute()
        self.port = port or free_port()
        self._program = program
        self._rules, self._targets, self._interval = rules, targets, interval
        self._written: dict[str, str] = {}
        self.api = PrometheusApi(f"http://{HOST}:{self.port}", origin)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.api.url

    def write(self) -> None:
        """Write its files; those that are as they were stay untouched. Later calls are for targets that changed.

        Raises:
            UsageError: the folder cannot be written.
        """
        self._put("rules.yml", self._rules)
        self._put("targets.json", json.dumps([_discovered(target) for target in self._targets()], indent=1))
        self._put("prometheus.yml", json.dumps(self._config(), indent=1))  # JSON is YAML

    def argv(self) -> list[str]:
        """How to start it, after the first `write`; it logs JSON lines to standard error.

        Raises:
            StackError: there is no Prometheus, or its port is taken.
        """
        check_port(self.port, "prometheus")
        program = self._program or find_prometheus()
        if program is None:
            raise StackError(f"there is no prometheus on the PATH, or {PROMETHEUS_SETTING} is off")
        return [
            str(program),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
            "--log.level=warn",
            "--log.format=json",
        ]

    def environment(self) -> dict[str, str]:
        """Variables for its process: it shall not take more than one core from the service."""
        return {"GOMAXPROCS": "1"}

    def wait_ready(self, timeout: float, alive: Callable[[], bool] = lambda: True) -> str:
        """Wait until it answers and has loaded the rules.

        Args:
            timeout: seconds.
            alive: whether its process still runs.

        Returns:
            Its version.

        Raises:
            StackError: it does not answer in time, or has ended.
        """
        deadline = time.monotonic() + timeout
        while not (alive() and self.api.ready()):  # somebody else may answer on a port that was taken
            if not alive():
                raise StackError("Prometheus ended before it was ready; its log says why")
            if time.monotonic() > deadline:
                raise StackError(f"Prometheus at {self.api.url} was not ready within {timeout:g} s")
            time.sleep(_POLL)
        return self.api.version()

    def alerts(self, now: float) -> tuple[AlertState, ...]:
        """The alerts that are pending or firing; see `PrometheusApi.alerts`."""
        return self.api.alerts(now)

    def close(self) -> None:
        """Let go of connections; the process is its supervisor's."""
        self.api.close()

    # ------------------------------------------------------------------------------------------------------------- own work

    def _config(self) -> dict[str, object]:
        files = {"files": [str(self.folder / "targets.json")], "refresh_interval": milliseconds(self._interval)}
        itself, rules = f"{HOST}:{self.port}", str(self.folder / "rules.yml")
        return configuration({"file_sd_configs": [files]}, itself, rules, self._interval)

    def _put(self, name: str, content: str) -> None:
        """Replace a file at once; a reader sees all of the old one or all of the new one."""
        if self._written.get(name) == content:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh = self.folder / f".{name}.new"
            fresh.write_text(content)
            fresh.replace(self.folder / name)
        except OSError as error:
            raise UsageError(f"monitoring: cannot write {self.folder / name}: {error.strerror}") from error
        self._written[name] = content


def _discovered(target: Target) -> dict[str, object]:
    """A target in the format of Prometheus's `file_sd_config`."""
    url = urlsplit(target.url)
    own = {"job": target.job, "instance": target.name, "__scheme__": url.scheme, "__metrics_path__": url.path or "/metrics"}
    return {"targets": [url.netloc], "labels": {**dict(target.labels), **own}}
