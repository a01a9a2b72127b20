"""A replica that does as it is told, and a gateway in front of some of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from drillbox.stacks.deploy.envoy.bootstrap import Listen, Probe
from drillbox.stacks.deploy.envoy.gateway import Envoy
from drillbox.stacks.deploy.envoy.names import Address
from drillbox.stacks.deploy.envoy.policy import Policy
from drillbox.stacks.deploy.envoy.program import explain

INFER = "/v2/models/flights/infer"
ANSWER = (
    b'{"model_name":"flights","model_version":"v1","outputs":[{"name":"score","shape":[1],"datatype":"FP64","data":[0.25]},'
    b'{"name":"late","shape":[1],"datatype":"BOOL","data":[false]}],"parameters":{"source":"model"}}'
)


def free_address() -> Address:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", taken.getsockname()[1])


def until(done: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


class Replica:
    """Answers inference requests. `x-do` says how: `hold` until released, `sleep:S`, `status:CODE`, `break` the connection."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.ready = True
        self.told: list[dict[str, object]] = []  # what came as settings
        self.failing: list[str] = []  # what to do with the next requests, whatever they ask for
        self.seen: list[dict[str, str]] = []  # headers of inference requests
        self._loop = asyncio.new_event_loop()
        self.release = asyncio.Event()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, host, port))
        self.address = Address(host, self._server.sockets[0].getsockname()[1])
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if lines[0].split()[1] == "/readyz":
                    code = 200 if self.ready else 503
                elif lines[0].split()[1] == "/control/settings":
                    self.told.append(json.loads(body))
                    code = 200
                else:
                    self.seen.append(headers)
                    code = await self._do(self.failing.pop(0) if self.failing else headers.get("x-do", ""))
                if not code:
                    break
                writer.write(b"HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n" % (code, len(ANSWER)) + ANSWER)
                await writer.drain()
        writer.close()

    async def _do(self, what: str) -> int:
        verb, _, value = what.partition(":")
        if verb == "hold":
            await self.release.wait()
        elif verb == "sleep":
            await asyncio.sleep(float(value))
        return int(value) if verb == "status" else 0 if verb == "break" else 200

    def let_go(self) -> None:
        self._loop.call_soon_threadsafe(self.release.set)

    def hold_again(self) -> None:
        self.release.clear()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # those of connections that were just accepted, too
            for task in others:
                task.cancel()
            await asyncio.wait(others)
            await asyncio.sleep(0)


class Running:
    """A gateway that runs, and a client of it."""

    def __init__(self, folder: Path, listen: Listen | None = None) -> None:
        self.listen = listen or Listen(free_address(), free_address(), free_address())
        self.envoy = Envoy(folder, self.listen, Probe(interval=0.05, timeout=0.5))
        self.log = folder.parent / "envoy.log"
        self.asked: list[httpx.Request] = []
        self.client = httpx.Client(
            base_url=f"http://{self.listen.requests}",
            trust_env=False,
            timeout=10.0,
            event_hooks={"request": [self.asked.append]},
        )

    @contextlib.contextmanager
    def up(self, policy: Policy) -> Iterator[Running]:
        self.envoy.write(policy)
        with self.log.open("w") as log:
            process = subprocess.Popen(self.envoy.command(), stderr=log, stdout=log)
        try:
            try:
                self.envoy.wait_ready(20.0, lambda: process.poll() is None)
            except Exception as error:
                raise explain(self.log.read_text()) from error
            yield self
        finally:
            process.terminate()
            process.wait(10.0)
            self.envoy.close()
            self.client.close()

    def put(self, policy: Policy) -> None:
        """The policy is in force, and all replicas that are ready get requests."""
        self.envoy.write(policy)
        self.envoy.wait_applied(10.0)
        expected = {pool: len(addresses) for pool, addresses in policy.pools.items()}
        until(lambda: self.envoy.healthy() == {**dict.fromkeys(self.envoy.healthy(), 0), **expected})

    def ask(self, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(INFER, content=b"{}", headers=named).status_code

    def metrics(self) -> dict[str, float]:
        """All series as scraped, by name and labels."""
        text = httpx.get(f"http://{self.listen.metrics}/metrics", trust_env=False).text
        return {name: float(value) for name, value in re.findall(r"^(envoy\S*) (\S+)$", text, re.MULTILINE)}

    def count(self, kind: str, le: str = "+Inf") -> float:
        return self.metrics()[f'envoy_gateway_rq_time_bucket{{response_code_class="{kind}",le="{le}"}}']

    def counts(self) -> dict[str, float]:
        """Requests by class, once all that were sent are counted; one more of each made the series exist."""
        counted: dict[str, float] = {}

        def complete() -> bool:
            counted.update({kind: self.count(kind) - 1.0 for kind in ("2xx", "4xx", "5xx", "0")})
            return sum(counted.values()) == len(self.asked)

        until(complete)
        return counted

    def total(self, name: str) -> float:
        """Sum of all series of a metric."""
        return sum(value for series, value in self.metrics().items() if series.partition("{")[0] == name)
