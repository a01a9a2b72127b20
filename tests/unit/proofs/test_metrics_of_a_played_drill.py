"""`drillbox play --metrics-port` without a terminal: the drill is paced, and serves its metrics meanwhile."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from pathlib import Path


def _command(port: int, out: Path) -> list[str]:
    drill = ["slow-afternoon", "--profile", "short", "--speed", "100x", "--out", str(out)]
    return [sys.executable, "-m", "drillbox", "play", *drill, "--metrics-port", str(port)]


def test_a_paced_drill_serves_its_metrics(warm_data: None, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(_command(port, tmp_path), **streams) as process:
        try:
            said, text = [], ""
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if not text and line.startswith("[00:"):  # the drill's clock runs: it is scraped since the warm-up
                    with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10.0) as answer:
                        text = answer.read().decode()
            assert process.wait(30.0) == 0, said
        finally:
            process.kill()
    assert f"metrics: http://127.0.0.1:{port}/metrics\n" in said
    assert 'model_server_ready{deployment="model-champion",pod="model-champion-1"} 1.0\n' in text
    assert any(line.startswith("PASSED") for line in said)


def test_a_taken_port_is_said_before_anything_is_played(warm_data: None, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            _command(port, tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    assert f"port {port} is in use: choose another one" in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
