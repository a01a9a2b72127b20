"""Threads that read the API's answers at once do no harm: how that is done is known before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from drillbox.stacks.kind.cluster.decoding import CLASSES

READERS = """
import contextlib, sys, threading
import msgspec
from drillbox.stacks.kind.cluster.decoding import CLASSES, learn

OBJECT = b'''{"metadata": {"name": "x", "labels": {"a": "b"}},
    "spec": {"template": {"spec": {"containers": [{"name": "c"}]}}, "containers": [{"name": "c"}]}}'''
sys.setswitchinterval(1e-6)
start = threading.Barrier(len(CLASSES))

def read(one):
    start.wait()
    learn()
    with contextlib.suppress(msgspec.ValidationError):
        msgspec.json.decode(OBJECT, type=one)

threads = [threading.Thread(target=read, args=(one,)) for one in CLASSES]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(threads))
"""


@pytest.mark.parametrize("attempt", range(3))
def test_all_threads_come_to_their_ends(attempt: int) -> None:
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", READERS], capture_output=True, text=True, check=False)
    assert (attempt, done.returncode, done.stderr, done.stdout) == (attempt, 0, "", f"{len(CLASSES)}\n")


def test_it_is_known_of_all_that_is_watched_and_applied() -> None:
    names = {one.__name__ for one in CLASSES}
    assert {"Deployment", "Pod", "Node", "ConfigMap", "Job", "Namespace", "WatchEvent"} <= names
