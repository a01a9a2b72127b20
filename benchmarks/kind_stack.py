"""What the kind stack takes: until it answers, beside a bare cluster of the same configuration, and how much memory.

First `kind create cluster` by itself, three nodes, node image at hand; it is removed. Then `drillbox up --stack kind` from
nothing until a prediction is answered: cluster, application image (which has been built before) onto all nodes, objects,
models, monitoring. The caches are those of `DRILLBOX_HOME`: the first run in a new one trains the models, too. Memory is what
the control groups of all nodes count, without the file cache that can be given back, and what this machine's processes of the
drill use. Last `drillbox down` until nothing is left. Needs a container engine, kind and kubectl, and takes some minutes.

An ext4 without a journal makes files slowly for five minutes after many were removed, as those of a cluster are: wait before
another run.

`--check` exits with 1 if it takes more than twice a bare cluster, or 3 GiB.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from time import perf_counter

from _lines import Line, run

from drillbox.sandbox.paths import home
from drillbox.stacks.kind.cluster.engine import Engine, connect
from drillbox.stacks.kind.cluster.images import Builder
from drillbox.stacks.kind.cluster.making import Wanted
from drillbox.stacks.kind.cluster.programs import KIND, find, with_docker
from drillbox.stacks.kind.settings import CLUSTER, Settings

FACTOR, MEMORY = 2.0, 3072.0
"""Times a bare cluster; MiB."""
NAME = "drillbox-bench"
_MIB = 2.0**20


def bare(folder: Path, wanted: Wanted) -> float:
    """Seconds that kind takes for a cluster, which is removed again."""
    kind, environment, kubeconfig = find(KIND).path, with_docker(), folder / "bare"
    try:
        began = perf_counter()
        command = [kind, *wanted.creation(kubeconfig), "--quiet"]
        subprocess.run(command, input=wanted.configuration(), text=True, env=environment, check=True)
        return perf_counter() - began
    finally:
        removal = [kind, "delete", "cluster", "--name", wanted.name, "--kubeconfig", kubeconfig, "--quiet"]
        subprocess.run(removal, env=environment, check=True)


def memory(engine: Engine) -> float:
    """MiB that the nodes use."""
    total = 0.0
    for node in engine.nodes(NAME):
        counted = engine.client.api.stats(node.id, stream=False)["memory_stats"]
        details = counted["stats"]  # of cgroup v1, whose other figures are without children, or of v2
        total += counted["usage"] - details.get("total_inactive_file", details.get("inactive_file", 0))
    return total / _MIB


def beside(folder: str) -> float:
    """MiB that this machine's processes of the drill use: its host, and kubectl; the pages that they share counted once."""
    total = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"DRILLBOX_HOME={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                shared = re.search(r"^Pss: +(\d+) kB$", (process / "smaps_rollup").read_text(), re.MULTILINE)
                total += float(shared[1]) / 1024.0 if shared else 0.0
    return total


def measure() -> Sequence[Line]:
    """All of them."""
    settings = Settings.read()
    with closing(connect()) as engine, tempfile.TemporaryDirectory() as folder:
        image = Builder(engine, settings).ensure(lambda _step, _done: None)
        alone = bare(Path(folder), Wanted(NAME, settings.workers, settings.node_image))
        for name in ("cache", "models"):
            (home() / name).mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).symlink_to(home() / name, target_is_directory=True)
        environment = {**os.environ, "DRILLBOX_HOME": folder, CLUSTER: NAME}
        drillbox = [sys.executable, "-m", "drillbox"]
        try:
            began = perf_counter()
            subprocess.run([*drillbox, "up", "--stack", "kind"], env=environment, stdout=subprocess.DEVNULL, check=True)
            up = perf_counter() - began
            used, own = memory(engine), beside(folder)
        finally:
            began = perf_counter()
            subprocess.run([*drillbox, "down", "--stack", "kind"], env=environment, stdout=subprocess.DEVNULL, check=True)
            down = perf_counter() - began
    return (
        Line("kind stack: a bare cluster of the same configuration", alone, "s"),
        Line("kind stack: drillbox up, until a prediction is answered", up, "s"),
        Line("kind stack: ... as times a bare cluster", up / alone, "", FACTOR, least=False),
        Line("kind stack: memory of all nodes, 3 replicas", used, "MiB"),
        Line("kind stack: memory of the drill's host and kubectl", own, "MiB"),
        Line("kind stack: memory in all", used + own, "MiB", MEMORY, least=False),
        Line("kind stack: application image", image.size, "MiB"),
        Line("kind stack: drillbox down, until nothing is left", down, "s"),
    )


if __name__ == "__main__":
    run(measure, __doc__)
