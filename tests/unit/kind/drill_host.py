"""The host of a drill, for tests: brings a drill up with an engine, a kind and an API in small, and waits at a step to be killed.

python drill_host.py BASE STATE BIN KUBECONFIG STEP
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import FakeEngine

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.stacks.kind import bring_up
from drillbox.stacks.kind.drill import ground


def main(base: Path, state: Path, step: str) -> None:
    """Bring it up, as far as that goes."""

    unwanted: list[str] = []

    def progress(told: str, _done: float) -> None:
        if unwanted or told.startswith(step.removeprefix("!")):
            if step.startswith("!"):
                unwanted.append(told)
                raise KeyboardInterrupt
            sys.stdout.write("there\n")
            sys.stdout.flush()
            time.sleep(1000)

    engine = FakeEngine(state)
    scenario = load_scenario(Library.packaged().find("slow-afternoon"), "short")
    models = {name: SimpleNamespace(id="model-of-a-test") for name in scenario.deployable}
    with (
        mock.patch.object(ground, "connect", return_value=engine),
        mock.patch.object(bring_up, "models_of", return_value=models),
        mock.patch.object(bring_up, "wait_until_ready", side_effect=lambda *_: progress("pods", 0.0)),
    ):
        bring_up.bring_up(scenario, 1, base, progress)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
