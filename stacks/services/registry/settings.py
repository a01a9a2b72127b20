"""Settings of the registry service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ..common.artifacts import MOST
from ..common.settings import Settings


class RegistrySettings(Settings):
    """The environment of the registry service."""

    folder: Path = Field(alias="REGISTRY_FOLDER", description="folder of the archives, on a volume that stays")
    most: int = Field(MOST, alias="REGISTRY_LIMIT", ge=1024, le=MOST, description="bytes of an archive, at most")
    room: int = Field(1 << 30, alias="REGISTRY_ROOM", ge=1024, le=1 << 40, description="bytes of all archives together, at most")
