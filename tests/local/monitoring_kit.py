"""A producer of metrics over real HTTP that gives what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from drillbox.stacks.monitoring.targets import Target

EXPOSITIONS = Path(__file__).parent / "expositions"
"""As scraped from the real producers, before and after the first requests."""
PATIENCE = 60.0
PROMETHEUS = "Prometheus"


class Producer:
    """Serves `text`. `hold()` lets requests hang until `let_go()`, or until it is closed."""

    def __init__(self, text: str = "", name: str = "one", job: str = "model-server") -> None:
        self.text, self.code = text, 200
        self.asked: list[str] = []  # who asked, by the user agent, in order
        self._free = threading.Event()
        self._free.set()
        self._changed = threading.Condition()
        producer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                body, code = producer._answer(self.headers.get("user-agent", "").partition("/")[0])
                self.send_response(code)
                self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_what: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_what: object) -> None:
                """A client that hung up is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        port = self._server.server_address[1]
        self.target = Target(name, job, f"http://127.0.0.1:{port}/metrics")

    def _answer(self, agent: str) -> tuple[bytes, int]:
        self._free.wait(PATIENCE)
        with self._changed:
            answer = self.text.encode(), self.code
            self.asked.append(agent)
            self._changed.notify_all()
        return answer

    def put(self, text: str, code: int = 200) -> None:
        """Serve this from now on."""
        with self._changed:
            self.text, self.code = text, code

    def wait_for(self, agent: str, times: int = 1) -> None:
        """Wait until somebody has been given the metrics so many times more."""
        with self._changed:
            wanted = self.asked.count(agent) + times
            assert self._changed.wait_for(lambda: self.asked.count(agent) >= wanted, PATIENCE), f"{agent} did not scrape in time"

    def hold(self) -> None:
        self._free.clear()

    def let_go(self) -> None:
        self._free.set()

    def close(self) -> None:
        self.let_go()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


Make = Callable[..., Producer]
