"""The HTTP interface of the registry service: archives, health, metrics, and controls.

Archives can be had from `/origin` and from `/mirror`, by which the desired state names the places that models come from: the
fault that lets the artifact store refuse downloads leaves its mirror alone. Without either it is the origin.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Path, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict, Field

from ....sandbox.model.errors import nearest
from ....sandbox.model.platform import ARTIFACTS, MIRROR
from ....sandbox.model.platform_faults import ARTIFACTS_REFUSING
from ..common.artifacts import MEDIA_TYPE, NAME, ArtifactError, is_damaged, unpack
from ..common.http import DENIED, Error, guard, new_app, whole_body
from .archives import Archives, Entry, FullError, OtherContentError
from .settings import RegistrySettings

AT_ONCE = 4
"""Uploads that are taken in at the same time; others wait."""

Name = Annotated[str, Path(pattern=rf"^{NAME.pattern}$")]
Beat = Annotated[str, Path(max_length=200)]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD = {"requestBody": {"required": True, "content": {MEDIA_TYPE: _BINARY}}}
_PUT_ERRORS: dict[int | str, dict[str, object]] = {
    201: {"description": "there was none of that id"},
    **DENIED,
    **{code: {"model": Error} for code in (408, 409, 413, 507)},
}
_GET_ERRORS: dict[int | str, dict[str, object]] = {
    200: {"content": {MEDIA_TYPE: _BINARY}},
    206: {"content": {MEDIA_TYPE: _BINARY}, "description": "a part of it"},
    **{code: {"model": Error} for code in (404, 422, 503)},
}


class Stored(BaseModel):
    """An archive."""

    id: str
    size: int
    digest: str
    stored: dt.datetime


class Listing(BaseModel):
    """All archives, in the order in which they came."""

    models: list[Stored]


class Trouble(BaseModel):
    """A fault of the catalogue; it has no parameters."""

    model_config = ConfigDict(extra="forbid", strict=True)

    fault: str
    params: dict[str, str | int | float | bool] = Field(default_factory=dict, max_length=0)


class Registry(Collector):
    """State of the service, and what is counted of it."""

    def __init__(self, settings: RegistrySettings, archives: Archives) -> None:
        self.settings = settings
        self.archives = archives
        self.refusals: set[str] = set()
        """Beats in which downloads are refused."""
        self.downloads: Counter[str] = Counter({"ok": 0, "missing": 0, "refused": 0})
        self.uploads: Counter[str] = Counter({"new": 0, "known": 0, "refused": 0})
        self.stopping = False

    def why_not_ready(self) -> str:
        """Why it does not serve; empty if it does."""
        return "the registry is terminating" if self.stopping else ""

    def collect(self) -> Iterator[Metric]:
        """All families."""
        models = Metric("registry_models", "Archives that are stored.", "gauge")
        models.add_sample("registry_models", {}, float(len(self.archives.entries())))
        size = Metric("registry_bytes", "Bytes of all archives.", "gauge")
        size.add_sample("registry_bytes", {}, float(self.archives.size))
        downloads = Metric("registry_downloads", "Downloads, by what became of them.", "counter")
        uploads = Metric("registry_uploads", "Uploads, by what became of them.", "counter")
        for family, counts in ((downloads, self.downloads), (uploads, self.uploads)):
            for result, count in sorted(counts.items()):
                family.add_sample(f"{family.name}_total", {"result": result}, float(count))
        yield from (models, size, downloads, uploads)


def build(registry: Registry) -> FastAPI:
    """The application."""
    app = new_app("drillbox registry", registry.why_not_ready, registry)
    for prefix in ("", *(f"/{place}" for place in ARTIFACTS)):
        _downloads(app, registry, prefix, mirror=prefix == f"/{MIRROR}")
    _uploads(app, registry)
    _controls(app, registry)
    return app


def _downloads(app: FastAPI, registry: Registry, prefix: str, *, mirror: bool) -> None:
    def find(name: str) -> Entry:
        entry = registry.archives.find(name)
        if entry is None:
            raise HTTPException(404, f"there is no such model: {nearest(name, registry.archives.entries())}")
        return entry

    def headers(entry: Entry) -> dict[str, str]:
        return {"Content-Digest": entry.digest, "ETag": f'"{entry.digest[9:-1]}"', "Content-Type": MEDIA_TYPE}

    @app.get(f"{prefix}/v1/models")
    async def listing() -> Listing:
        """All archives."""
        found = registry.archives.entries().items()
        return Listing(models=[Stored(id=name, size=one.size, digest=one.digest, stored=one.stored) for name, one in found])

    @app.get(f"{prefix}/v1/models/{{name}}", responses=_GET_ERRORS, response_class=Response)
    async def download(name: Name) -> Response:
        """The archive of a model."""
        if registry.refusals and not mirror:
            registry.downloads["refused"] += 1
            raise HTTPException(503, "downloads are refused", {"Retry-After": "5"})
        try:
            entry = find(name)
        except HTTPException:
            registry.downloads["missing"] += 1
            raise
        registry.downloads["ok"] += 1
        return FileResponse(entry.path, headers=headers(entry))

    @app.head(f"{prefix}/v1/models/{{name}}", responses=_GET_ERRORS, response_class=Response)
    async def look(name: Name) -> Response:
        """Whether there is such a model."""
        entry = find(name)
        return Response(headers=headers(entry) | {"Content-Length": str(entry.size)})


def _uploads(app: FastAPI, registry: Registry) -> None:
    own = [Depends(guard(registry.settings.token))]
    turn = asyncio.Semaphore(AT_ONCE)

    def add(name: str, content: bytes) -> bool:
        unpack(content, name)
        return registry.archives.add(name, content)

    async def take(name: str, request: Request, known: str) -> bool:
        async with turn:
            content = await whole_body(request, registry.settings.most)
            if is_damaged(content, known):
                raise HTTPException(400, "the content is not that of Content-Digest")
            try:
                return await asyncio.to_thread(add, name, content)
            except ArtifactError as error:
                raise HTTPException(422, str(error)) from None
            except OtherContentError:
                raise HTTPException(409, f"there is a model {name} with other content: what is stored does not change") from None
            except FullError:
                raise HTTPException(507, f"no room: REGISTRY_ROOM is {registry.settings.room:,} bytes") from None
            except OSError as error:
                raise HTTPException(507, f"it cannot be written: {error.strerror}") from None

    @app.put("/v1/models/{name}", responses=_PUT_ERRORS, dependencies=own, openapi_extra=_UPLOAD, response_model=Stored)
    async def upload(name: Name, request: Request, content_digest: Annotated[str, Header(max_length=500)] = "") -> Response:
        """Store the archive of a model. It does not change any more; the same may come again."""
        try:
            new = await take(name, request, content_digest)
        except HTTPException:
            registry.uploads["refused"] += 1
            raise
        registry.uploads["new" if new else "known"] += 1
        entry = registry.archives.entries()[name]
        stored = Stored(id=name, size=entry.size, digest=entry.digest, stored=entry.stored)
        return JSONResponse(stored.model_dump(mode="json"), 201 if new else 200)


def _controls(app: FastAPI, registry: Registry) -> None:
    own = [Depends(guard(registry.settings.token))]

    @app.put("/control/beats/{beat}", responses=DENIED, dependencies=own, status_code=204)
    async def begin(beat: Beat, trouble: Trouble) -> None:
        """Downloads are refused from now on, but for those from the mirror."""
        if trouble.fault != ARTIFACTS_REFUSING.name:
            known = [ARTIFACTS_REFUSING.name]
            raise HTTPException(422, f"{trouble.fault!r} is not of the registry: {nearest(trouble.fault, known)}")
        registry.refusals.add(beat)

    @app.delete("/control/beats/{beat}", responses=DENIED, dependencies=own, status_code=204)
    async def end(beat: Beat) -> None:
        """It ends; it may have ended before."""
        registry.refusals.discard(beat)
