"""Faults of the model servers' containers on a cluster: stopped, ended by their settings, leaking, or with a damaged model.

A process is stopped from its node by the kernel's own signal, which a container's first process cannot refuse. What settings and
answers do to a process, the controller of the gateway tells it: also to those that start later, and again after each restart.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from lightkube.resources.apps_v1 import Deployment

from ....sandbox.learning import store
from ....sandbox.model.errors import StackError
from ....sandbox.model.params import Params
from ....sandbox.model.platform_faults import MEMORY_LEAK
from ....sandbox.model.scenario import Scenario
from ...control_plane.faults import CONFIG, Mechanism
from ...control_plane.luck import Draw
from ...deploy.kubernetes.names import CHAMPION, MODEL_SERVER
from ...deploy.kubernetes.seen import MissingError, Patch
from ...real.service import RealService
from ...services.controller.pods import ServerPod
from ..cluster.node_hands import Reach, stopped

if TYPE_CHECKING:
    from ..drill.service import KindService

SLIM = "-slim"
"""Ends the tag of an image that nobody has built."""
Tell = Callable[[dict[str, object]], None]
"""Gives the controller what model servers suffer from now on."""
MOST = MEMORY_LEAK.params[0].maximum or 0.0


class Hang:
    """The processes of some of the champion's ready replicas stop, and go on at the end if they are there still.

    Args:
        nodes: the reach to them.
        seed: of the drill.
        ready: gives the champion's ready replicas.
    """

    def __init__(self, nodes: Reach, seed: int, ready: Callable[[], Sequence[ServerPod]]) -> None:
        self._hands, self._undo, self._ready = nodes.hands, nodes.undo, ready
        self._draw = Draw(seed, "faults/hangs")
        self._stopped: dict[str, list[ServerPod]] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        chosen = self._draw.of(self._ready(), int(params["count"]))
        for one in chosen:
            self._undo.note(beat, *stopped(one.node, one.life))
        self._stopped[beat] = [one for one in chosen if self._stop(one)]

    def end(self, beat: str) -> None:
        """As `Mechanism`: what another fault has stopped as well stays so."""
        over = self._stopped.pop(beat)
        still = {one.life for others in self._stopped.values() for one in others}
        try:
            for one in over:
                if one.life not in still:
                    self._hands.carry_on(stopped(one.node, one.life)[1])
        except StackError:  # its node is lost by now: what is pending in the log is undone once that is back
            return
        self._undo.done(beat)

    def _stop(self, one: ServerPod) -> bool:
        """Whether it could be: on a node that is lost nothing runs anyway."""
        try:
            return self._hands.stop_process(one.node, one.life)
        except StackError:
            return False


class Suffering:
    """What model servers are told beside the desired state: leaks, and settings with which no process lives long.

    Args:
        service: whose model servers they are.
        tell: tells the controller.
    """

    def __init__(self, service: RealService, tell: Tell) -> None:
        self._service, self._tell = service, tell
        self._leaks: dict[str, float] = {}
        self._deadly: dict[str, float] = {}
        self.imageless: set[str] = set()
        """Settings that name an image which nobody has."""
        self._large = leaks(service.scenario)

    def leak(self, beat: str, params: Params) -> None:
        """Answers leave memory behind."""
        self._leaks[beat] = float(params["leak"])
        self.told()

    def seal(self, beat: str) -> None:
        """No longer; what has leaked stays."""
        self._leaks.pop(beat, None)
        self.told()

    def push_deadly(self, _beat: str, params: Params) -> None:
        """A push of settings ends processes until somebody takes it back."""
        settings = self.pushed()
        self._deadly[settings] = float(params["after"])
        self.told()
        self._service.push({"servers.settings": settings}, CONFIG, "larger thread pools")

    def push_imageless(self, _beat: str, _params: Params) -> None:
        """A push of settings comes with an image that nobody has."""
        settings = self.pushed()
        self.imageless.add(settings)
        self._service.push({"servers.settings": settings}, CONFIG, "a smaller image")

    def pushed(self) -> str:
        """A name for settings that nobody has pushed yet."""
        return f"revision-{len(self._deadly) + len(self.imageless) + 2}"

    def told(self) -> None:
        """Let the controller know the present state."""
        leak = min(sum(self._leaks.values()), MOST)
        self._tell({"large": self._large, "leak": leak, "deadly": dict(self._deadly)})


class Image:
    """The image of the champion follows the settings: one that cannot be pulled while such settings are in force.

    Whoever gives the Deployment another image meanwhile, by `kubectl rollout undo` or `set image`, is left alone.

    Args:
        service: whose champion it is.
        imageless: settings that name an image which nobody has.
    """

    def __init__(self, service: KindService, imageless: Collection[str]) -> None:
        self._service, self._imageless = service, imageless
        self._before = ""  # the image, while another is set
        service.chores.append(self.look)

    def look(self, _now: float) -> None:
        """Bring the Deployment to the image of the present settings."""
        wanted = self._service.spec.servers.settings in self._imageless
        if wanted == bool(self._before):
            return
        try:
            now = str(self._service.seen().container(CHAMPION, MODEL_SERVER).image or "")
        except MissingError:
            return  # somebody has deleted the Deployment
        if wanted:
            self._before = now
            self._set(f"{now}{SLIM}")
        else:
            if now == f"{self._before}{SLIM}":
                self._set(self._before)
            self._before = ""

    def _set(self, image: str) -> None:
        containers = [{"name": MODEL_SERVER, "image": image}]
        self._service.patch(Patch(Deployment, CHAMPION, {"spec": {"template": {"spec": {"containers": containers}}}}))


def leaks(scenario: Scenario) -> bool:
    """Whether memory will matter: then processes have from the beginning as much of it as those of the simulation."""
    return any(beat.fault == MEMORY_LEAK.name for beat in scenario.timeline)


class BadArtifact:
    """Servers of the version that is released find a model whose file is damaged, from the registry as any other.

    Args:
        model_of: the model behind a version; empty if there is no such version.
        upload: puts an archive into the registry, under the id that it is given.
        lead: lets the catalogue lead a version to that id.
        release: rolls the version out.
    """

    def __init__(
        self,
        model_of: Callable[[str], str],
        upload: Callable[[str, bytes], None],
        lead: Callable[[str, str], None],
        release: Mechanism,
    ) -> None:
        self._model_of, self._upload, self._lead, self._release = model_of, upload, lead, release

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """As `Mechanism`."""
        version = str(params["version"])
        if model := self._model_of(version):  # else the pipeline says which there are
            name = rebuilt(model)
            self._upload(name, damaged(model, name))
            self._lead(version, name)
        self._release.begin(beat, fault, params)

    def end(self, beat: str) -> None:
        """As `Mechanism`: the release stays until somebody takes it back."""
        self._release.end(beat)


def rebuilt(model: str) -> str:
    """The id of a model that was packed anew: of the same form, and nothing tells what is wrong with it."""
    head = model.rpartition("-")[0] or model
    return f"{head}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"


def damaged(model: str, name: str) -> bytes:
    """The archive of a stored model as a registry takes it, under another id, whose content is cut in half.

    Raises:
        UsageError: the model is not in the store of this machine, or cannot be read.
        StackError: likewise.
    """
    folder = store.place(model)
    try:
        facts = json.loads((folder / store.META).read_text(encoding="utf-8"))
        content = _halved((folder / store.MODEL).read_bytes())
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise StackError(f"model {model} cannot be read: {error}") from error
    facts |= {"id": name, "sha256": hashlib.sha256(content).hexdigest()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry, data in ((store.META, json.dumps(facts).encode()), (store.MODEL, content)):
            info = tarfile.TarInfo(entry)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)


def _halved(content: bytes) -> bytes:
    """A skops file whose parts end in the middle: a whole archive, so that nobody notices before it is loaded."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            part = before.read(entry)
            after.writestr(entry, part[: len(part) // 2])
    return made.getvalue()
