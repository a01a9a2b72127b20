"""Envoy as the gateway: its files, and changes while it runs.

    envoy = Envoy(folder, Listen(requests, metrics, admin))
    envoy.write(Policy(spec.gateway, pools))
    process = subprocess.Popen(envoy.command(), stderr=log)   # whoever supervises processes starts it
    envoy.wait_ready(10.0)                                    # it listens, and all its statistics exist
    envoy.write(Policy(changed, pools))
    envoy.wait_applied(5.0)

Whoever supervises calls `limit_repeats()` several times a second, and `restarted()` when the process is another one.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from ....sandbox.model.errors import StackError, UsageError
from ....sandbox.model.service import Gateway
from .bootstrap import Listen, Probe, bootstrap
from .names import POOLS, ROUTES, UNLIMITED, Address
from .policy import LEAST_RETRIES, ROUTES_FILE, RUNTIME_FILE, Policy, endpoints_file, files, repeats_key
from .program import usable_envoy
from .statistics import stat_name

BOOTSTRAP = "bootstrap.json"
"""The file that Envoy starts with; it is written last."""

_POLL = 0.02
_ACTIVE = re.compile(r"^cluster\.([^.]+)\.gateway\.upstream_rq_active: (\d+)$", re.MULTILINE)
_OWN_VERSION = re.compile(r'"version_info": "(\d+)"')
_VERSION = re.compile(r'^(\S+)\.version_text: "(\d+)"$', re.MULTILINE)


def command(program: Path, folder: Path) -> list[str]:
    """How Envoy is started on the files in a folder; it logs JSON lines to standard error."""
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
    return [str(program), "-c", str(folder / BOOTSTRAP), *options]


class Envoy:
    """One gateway: its files, and its admin interface once it runs."""

    def __init__(self, folder: Path, listen: Listen, probe: Probe | None = None) -> None:
        """`folder` belongs to this gateway; it is created."""
        self.folder, self.listen = folder.absolute(), listen
        self._probe = probe
        self._written: dict[str, str] = {}  # content by file name, without its version
        self._versions: dict[str, int] = {}
        self._repeats: dict[str, int] = {}
        self._policy: Policy | None = None
        self._client = httpx.Client(base_url=f"http://{listen.admin.near}", timeout=2.0, trust_env=False)

    def adopt(self) -> None:
        """Go on from the files that an earlier supervisor of the same gateway has left in the folder."""
        for name in files(Policy(Gateway()), "@"):
            try:
                content = (self.folder / name).read_text()
            except OSError:
                continue
            found = _OWN_VERSION.search(content)
            if found:
                self._versions[name] = int(found[1])
                self._written[name] = content.replace(found[0], '"version_info": "@"', 1)

    def restarted(self) -> None:
        """Its process is another one: what was set through its admin interface is lost."""
        self._repeats = {}

    def command(self) -> list[str]:
        """How to start it, after the first `write`; it logs JSON lines to standard error.

        Raises:
            StackError: there is no Envoy, or too old a one.
        """
        return command(usable_envoy(), self.folder)

    def write(self, policy: Policy) -> None:
        """Put a policy into force: files that differ are written, and Envoy takes them up within milliseconds.

        Raises:
            UsageError: the folder cannot be written.
        """
        self._policy = policy
        for name, content in files(policy, "@").items():
            if self._written.get(name) != content:
                version = self._versions.get(name, 0) + 1
                self._put(name, content.replace('"version_info": "@"', f'"version_info": "{version}"', 1))
                self._written[name], self._versions[name] = content, version
        if BOOTSTRAP not in self._written:
            self._written[BOOTSTRAP] = content = json.dumps(bootstrap(self.listen, self.folder, self._probe), indent=1)
            self._put(BOOTSTRAP, content)

    def wait_ready(self, timeout: float, alive: Callable[[], bool] = lambda: True) -> None:
        """Wait until it answers, and make its statistics exist, so that the first scrape has all of them.

        Args:
            timeout: seconds.
            alive: whether its process still runs.

        Raises:
            StackError: it does not answer in time, or has ended.
        """
        self._until(timeout, alive, self.answers, "does not answer")
        prime = f"http://{self.listen.metrics.near}/prime"
        self._until(timeout, alive, lambda: self._client.get(prime).status_code == httpx.codes.OK, "does not listen")

    def wait_applied(self, timeout: float, alive: Callable[[], bool] = lambda: True) -> None:
        """Wait until what was written last is in force.

        Raises:
            StackError: it is not in time, or the process has ended.
        """
        self._until(timeout, alive, self._applied, "did not take up its configuration")

    def answers(self) -> bool:
        """Whether it runs, and has all of its configuration."""
        try:
            return self._client.get("/ready").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def healthy(self) -> dict[str, int]:
        """How many replicas of each pool get requests: known to the gateway, and ready by its probes.

        Raises:
            StackError: it does not answer.
        """
        members = dict.fromkeys(POOLS, 0)
        for cluster in self._json("/clusters?format=json").get("cluster_statuses", []):
            if cluster["name"] in members:
                states = [host["health_status"] for host in cluster.get("host_statuses", [])]
                members[cluster["name"]] = sum(set(state) == {"eds_health_status"} for state in states)
        return members

    def probes(self) -> dict[str, bool]:
        """By the address of each replica that the gateway knows, whether its probes pass.

        Raises:
            StackError: it does not answer.
        """
        found = {}
        for cluster in self._json("/clusters?format=json").get("cluster_statuses", []):
            for host in cluster.get("host_statuses", []) if cluster["name"] in POOLS else ():
                where = host["address"]["socket_address"]
                address = Address(where["address"], where["port_value"])
                found[str(address)] = not host["health_status"].get("failed_active_health_check", False)
        return found

    def limit_repeats(self) -> dict[str, int]:
        """Apply the retry budget to the repeats of clients: how many may be in flight to each pool follows from what is.

        Envoy's own budget knows its own retries only (docs/decisions/0005); the limit is set through its admin interface.

        Returns:
            The limit of each pool; none while the budget is unlimited.

        Raises:
            StackError: it does not answer.
        """
        budget = 1.0 if self._policy is None else self._policy.gateway.retry_budget
        if budget >= 1.0:
            if self._repeats:
                self._modify(dict.fromkeys(self._repeats, ""))
                self._repeats = {}
            return {}
        active = {pool: int(number) for pool, number in _ACTIVE.findall(self._get("/stats?filter=upstream_rq_active$"))}
        limits = {pool: max(LEAST_RETRIES, int(budget * active.get(pool, 0))) for pool in POOLS}
        changed = {pool: limit for pool, limit in limits.items() if self._repeats.get(pool) != limit}
        if changed:
            self._modify({pool: str(min(limit, UNLIMITED)) for pool, limit in changed.items()})
        self._repeats = limits
        return limits

    def close(self) -> None:
        """Let go of connections; the process is its supervisor's."""
        self._client.close()

    # ------------------------------------------------------------------------------------------------------------- own work

    def _modify(self, limits: dict[str, str]) -> None:
        query = {repeats_key(pool): limit for pool, limit in limits.items()}
        try:
            self._client.post("/runtime_modify", params=query).raise_for_status()
        except httpx.HTTPError as error:
            raise StackError(f"gateway: the admin interface at {self.listen.admin} does not answer: {error}") from error

    def _applied(self) -> bool:
        told = dict(_VERSION.findall(self._get("/stats?filter=version_text$")))
        names = {ROUTES_FILE: f"http.gateway.rds.{ROUTES}", RUNTIME_FILE: "runtime"}
        names |= {endpoints_file(pool): f"cluster.{stat_name(pool)}" for pool in POOLS}
        return all(told.get(names[name]) == str(version) for name, version in self._versions.items())

    def _json(self, path: str) -> Any:
        return json.loads(self._get(path))

    def _get(self, path: str) -> str:
        try:
            return self._client.get(path).raise_for_status().text
        except httpx.HTTPError as error:
            raise StackError(f"gateway: the admin interface at {self.listen.admin} does not answer: {error}") from error

    def _until(self, timeout: float, alive: Callable[[], bool], done: Callable[[], bool], trouble: str) -> None:
        deadline = time.monotonic() + timeout
        while alive():
            try:
                if done():
                    return
            except (httpx.HTTPError, StackError):
                pass
            if time.monotonic() > deadline:
                raise StackError(f"gateway: Envoy {trouble} within {timeout:g} s")
            time.sleep(_POLL)
        raise StackError("gateway: Envoy has ended")

    def _put(self, name: str, content: str) -> None:
        """Move a new version of a file into place."""
        beside = self.folder / f".{name}.new"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            beside.write_text(content)
            os.replace(beside, self.folder / name)  # noqa: PTH105  # the watch is on the folder: a move into place is one event
        except OSError as error:
            raise UsageError(f"gateway: cannot write {self.folder / name}: {error.strerror}") from error
