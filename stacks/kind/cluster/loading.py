"""Brings an image from the engine onto the nodes of a cluster: compressed once, and written into all at the same time.

`kind load` does the same, uncompressed, by way of a file on this machine's disk, which stays there if it is killed, and does not
tell how far it is.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from ....sandbox.model.errors import StackError, UsageError
from ....sandbox.model.stack import Progress
from .archives import Archives, pieces
from .engine import Engine, NodeContainer
from .packing import pack
from .programs import DOCKER, ProgramError, find, kill_group, run

STEP, PACKING = "loading the image", "packing the image"
ANSWER, LOAD = 60.0, 900.0
"""Wall seconds that a node has to say which images it has, and to take one in."""
_LOOK, _PAUSE = 0.2, 2.0
_CTR = ("ctr", "--namespace=k8s.io", "images")
_UNPACKED = 2 / 3
"""Share of the time after which a node has got all of an image, and unpacks the rest."""
Way = Callable[[Iterable[bytes], Callable[[bytes], object]], object]
"""Reads an archive, and writes what nodes get."""


class Loader:
    """Loads images.

    Args:
        engine: that has them, and on which the nodes run.
        environment: where `docker` is found.
        archives: where images are kept as nodes take them in; None: they are packed each time.
    """

    def __init__(self, engine: Engine, environment: Mapping[str, str] = os.environ, archives: Archives | None = None) -> None:
        self._engine, self._environment, self._archives = engine, environment, archives
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let a load that goes on in another thread end."""
        self._stopped.set()

    def pack(self, reference: str, progress: Progress) -> None:
        """Have an image packed, where that is kept.

        Raises:
            StackError: it cannot be read, or is not wanted any more.
        """
        with suppress(OSError, tarfile.TarError):  # it will be loaded as it is
            self._packed(reference, progress)

    def load(self, reference: str, nodes: Sequence[NodeContainer], progress: Progress) -> None:
        """Bring an image onto those nodes that do not have it.

        Raises:
            StackError: that fails, for example as a disk is full.
        """
        docker = str(find(DOCKER, self._environment).path)
        wanted = self._without(docker, nodes, reference)
        if not wanted:
            progress(STEP, 1.0)
            return
        try:
            self._give_packed(docker, reference, wanted, progress)
        except (StackError, OSError, tarfile.TarError):
            if self._stopped.is_set():
                raise
            # They may be too old for compressed layers, or what was kept is damaged: once more as it is.
            self._give(docker, wanted, self._heard(reference, self._engine.save(reference), progress), _as_it_is, progress)
            if self._archives is not None:
                self._archives.drop(reference, self._id(reference))
        progress(STEP, 1.0)

    # ------------------------------------------------------------------------------------------------------------- own work

    def _give_packed(self, docker: str, reference: str, nodes: Sequence[NodeContainer], progress: Progress) -> None:
        """From the archive that is kept, or packed on the way."""
        path = self._packed(reference, progress)
        progress(STEP, 0.0)
        if path is None:
            self._give(docker, nodes, self._heard(reference, self._engine.save(reference), progress), pack, progress)
        else:
            size = path.stat().st_size
            self._give(docker, nodes, self._heard(reference, pieces(path), progress, size=size), _as_it_is, progress)

    def _packed(self, reference: str, progress: Progress) -> Path | None:
        """The archive that is kept of an image, made if it is not there; None if none can be kept."""
        if self._archives is None:
            return None
        image = self._id(reference)
        path = self._archives.find(reference, image)
        if path is None:
            archive = self._heard(reference, self._engine.save(reference), progress, PACKING, 1.0)
            try:
                path = self._archives.keep(reference, image, archive)
            except UsageError:  # there is no room for it
                self._archives = None
            progress(PACKING, 1.0)
        return path

    def _id(self, reference: str) -> str:
        return str((self._engine.image(reference) or {}).get("Id") or "")

    def _heard(  # of a pipe each
        self,
        reference: str,
        archive: Iterable[bytes],
        progress: Progress,
        step: str = STEP,
        share: float = _UNPACKED,
        size: float = 0.0,
    ) -> Iterator[bytes]:
        """The pieces of an image's archive of `size` bytes, or about those of the image, whose reading is a share of a step."""
        size = size or float((self._engine.image(reference) or {}).get("Size") or 0)
        sent = 0
        for piece in archive:
            yield piece
            if self._stopped.is_set():
                raise StackError(f"{step}: it is not wanted any more")
            sent += len(piece)
            progress(step, min(1.0, sent / size if size else 0.0) * share)

    def _give(self, docker: str, nodes: Sequence[NodeContainer], archive: Iterator[bytes], how: Way, progress: Progress) -> None:
        with ExitStack() as ends:
            sinks = [ends.enter_context(self._taking(docker, node)) for node in nodes]

            def write(piece: bytes) -> None:
                for sink in sinks:
                    sink.write(piece)

            how(archive, write)
            for sink in sinks:
                sink.close()
            for place, sink in enumerate(sinks):
                sink.finish(partial(progress, STEP, _UNPACKED + (1.0 - _UNPACKED) * place / len(sinks)))

    def _without(self, docker: str, nodes: Sequence[NodeContainer], reference: str) -> list[NodeContainer]:
        """Those that do not have it."""
        return [node for node in nodes if not self._has(docker, node, reference)]

    def _has(self, docker: str, node: NodeContainer, reference: str) -> bool:
        argv = [docker, "exec", node.name, *_CTR, "ls", "--quiet"]
        try:
            there = run(argv, ANSWER, environment=self._environment).split()
        except ProgramError as error:
            raise StackError(f"{STEP}: the node {node.name} does not say what it has: {error}") from error
        return any(name == reference or name.endswith(f"/{reference}") for name in there)

    @contextmanager
    def _taking(self, docker: str, node: NodeContainer) -> Iterator[Sink]:
        """A node that takes an image in; whatever becomes of it, its process ends here."""
        argv = [docker, "exec", "--interactive", node.name, *_CTR, "import", "--all-platforms", "--digests", "-"]
        with tempfile.TemporaryFile() as told:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=told, stderr=told, env=dict(self._environment), start_new_session=True
            )
            into = process.stdin or told  # it is a pipe, always
            late = threading.Timer(LOAD, kill_group, (process.pid,))  # who writes waits for as long as nobody reads
            late.daemon = True
            late.start()
            try:
                yield Sink(node.name, process, into, told, self._stopped.is_set)
            finally:
                late.cancel()
                kill_group(process.pid)
                process.wait()
                with suppress(OSError):
                    into.close()


def _as_it_is(archive: Iterable[bytes], write: Callable[[bytes], object]) -> None:
    for piece in archive:
        write(piece)


class Early:
    """Loads an image into a cluster while that is made; what it does not manage is loaded afterwards.

    Args:
        engine: for the thread that loads.
        cluster: its name.
        count: of its nodes.
        environment: where `docker` is found.
        archives: see `Loader`.

    Attributes:
        begin: set once it may begin: what nodes do with an image is what the control plane lacks while it starts.
        there: set once the cluster is made: nodes that do not answer by then are not waited for.
    """

    def __init__(
        self,
        engine: Engine,
        cluster: str,
        count: int,
        environment: Mapping[str, str] = os.environ,
        archives: Archives | None = None,
    ) -> None:
        self._engine, self._cluster, self._count = engine, cluster, count
        self._loader = Loader(engine, environment, archives)
        self._stopped = threading.Event()
        self.begin, self.there = threading.Event(), threading.Event()

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped.set()
        self.begin.set()
        self.there.set()
        self._loader.stop()

    def pack(self, reference: str, progress: Progress) -> None:
        """See `Loader`; what fails is told once it has to be done."""
        with suppress(StackError):
            self._loader.pack(reference, progress)

    def load(self, reference: str, progress: Progress) -> None:
        """Wait for the nodes, and load."""
        while not self._stopped.is_set():
            self.begin.wait()
            if self._stopped.is_set():
                return
            with suppress(StackError):  # they begin to answer one after the other, and may be made anew
                nodes = self._engine.nodes(self._cluster)
                if len(nodes) == self._count and all(node.state == "running" for node in nodes):
                    self._loader.load(reference, nodes, progress)
                    return
            if self.there.wait(_PAUSE):
                return


class Sink:
    """One node's import.

    Args:
        node: its name.
        process: that takes the image in.
        into: its standard input.
        told: what it prints.
        stopped: whether nobody waits for it any more.
    """

    def __init__(
        self, node: str, process: subprocess.Popen[bytes], into: IO[bytes], told: IO[bytes], stopped: Callable[[], bool]
    ) -> None:
        self._node, self._process, self._into, self._told, self._stopped = node, process, into, told, stopped
        self._deadline = time.monotonic() + LOAD

    def write(self, chunk: bytes) -> None:
        """Give it a part of the image.

        Raises:
            StackError: it takes no more.
        """
        try:
            self._into.write(chunk)
        except OSError:
            raise self._failure() from None

    def close(self) -> None:
        """That was all."""
        with suppress(OSError):
            self._into.close()

    def finish(self, meanwhile: Callable[[], None]) -> None:
        """Wait until it has unpacked everything; `meanwhile` is called again and again.

        Raises:
            StackError: it failed, or takes too long.
        """
        while (code := self._ended()) is None:
            if self._stopped():
                raise StackError(f"{STEP}: it is not wanted any more")
            meanwhile()
            if time.monotonic() >= self._deadline:
                raise self._failure()
        if code != 0:
            raise self._failure()

    def _ended(self) -> int | None:
        """Its exit code, if it ends soon."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(_LOOK)
        return None

    def _failure(self) -> StackError:
        if time.monotonic() >= self._deadline:
            return StackError(f"{STEP}: the node {self._node} did not take it in within {LOAD:g} s")
        self._ended()
        self._told.seek(0)
        lines = self._told.read().decode(errors="replace").strip().splitlines()
        return StackError(f"{STEP}: the node {self._node} does not take it in: {lines[-1] if lines else 'it tells nothing'}")
