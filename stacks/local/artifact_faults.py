"""A version whose file is damaged: a copy of it, in the drill's own folder. The store that all drills share stays as it is."""

from __future__ import annotations

import shutil

from ...sandbox.learning import store
from ...sandbox.model.params import Params
from ..control_plane.faults import Mechanism
from ..real.machine.files import folder, unwritable
from .service import Service


class BadArtifact:
    """Servers of the version that is released find half a file.

    Args:
        service: whose model servers they are.
        release: rolls the version out.
    """

    def __init__(self, service: Service, release: Mechanism) -> None:
        self._service, self._release = service, release

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """As `Mechanism`."""
        programs, version = self._service.programs, str(params["version"])
        if version in programs.models:  # else the pipeline says which there are
            model = programs.artifact(version)
            home = programs.places.folder / "damaged" / version
            place = home / store.models_dir().name / model
            try:
                shutil.copytree(store.place(model), folder(place), dirs_exist_ok=True)
                file = place / store.MODEL
                file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
            except OSError as error:
                raise unwritable(place, error) from error
            programs.stores[version] = home
        self._release.begin(beat, fault, params)

    def end(self, beat: str) -> None:
        """As `Mechanism`: the release stays until somebody takes it back."""
        self._release.end(beat)
