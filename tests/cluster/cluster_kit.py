"""The cluster that tests share."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from drillbox.stacks.kind.programs import KUBECTL, find


@dataclass(frozen=True)
class Standing:
    """The cluster that stands for all tests that need none of their own.

    Attributes:
        name: of the cluster; `DRILLBOX_KIND_CLUSTER` says so, too.
        home: state folder that it is in; `DRILLBOX_HOME`, unless a test has one of its own.
        kubeconfig: of the cluster.
        image: the application image, which is on its nodes.
    """

    name: str
    home: Path
    kubeconfig: Path
    image: str

    def kubectl(self, *arguments: str, namespace: str = "", patience: float = 180.0) -> str:
        """What kubectl prints.

        Raises:
            subprocess.CalledProcessError: it fails.
        """
        where = [f"--namespace={namespace}"] if namespace else []
        command = [find(KUBECTL).path, f"--kubeconfig={self.kubeconfig}", *where, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=patience).stdout
