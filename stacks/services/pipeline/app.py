"""The HTTP interface of the pipeline: health, metrics, views, and controls.

Handlers that wait for the control plane run in threads, so that health and metrics never do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request, Response
from pydantic import Field

from ....sandbox.model.errors import UsageError, nearest
from ....sandbox.model.faults import FAULTS, Fault
from ....sandbox.model.params import ParamError, Value, parse_params
from ....sandbox.model.views import VIEWS
from ..common.http import DENIED, Error, add_start, guard, new_app, whole_body
from ..common.jsons import dumps
from .documents import Fields, Items, Pod, Shown, State, Trouble, item_document, table_document
from .exporter import PipelineMetrics
from .inbox import FullError
from .room import ControlRoom
from .service import PipelineService

FAMILIES = ("labels", "retraining", "autoscaler", "cost", "release", "config")
"""Families of faults that act through the control plane."""
OWN = {name: fault for name, fault in FAULTS.items() if name.partition(".")[0] in FAMILIES}
"""The faults that begin here."""
SHOWN = tuple(name for name in VIEWS if name != "replicas")
"""Views that the control plane has."""

BATCH = 4 * 1024 * 1024
"""Bytes of predictions in a request, at most."""

Beat = Annotated[str, Path(max_length=200)]
Opened = Callable[[], ControlRoom]


def build(service: PipelineService, token: str) -> FastAPI:
    """The application."""
    metrics = PipelineMetrics(
        lambda: service.room.standing if service.room else None,
        lambda: service.lag,
        lambda: service.room.unreadable if service.room else 0,
    )
    app = new_app("drillbox pipeline", service.why_not_ready, metrics)

    def opened() -> ControlRoom:
        if service.room is None:
            raise HTTPException(503, service.why_not_ready())
        return service.room

    def start(origin: float) -> None:
        try:
            service.start(origin)
        except UsageError as error:
            raise HTTPException(422, str(error)) from None

    add_start(app, token, start)
    _views(app, opened, service)
    _observing(app, opened, token)
    _reading(app, opened, service, token)
    _faults(app, opened, token)
    _predictions(app, service, token)
    return app


def _views(app: FastAPI, opened: Opened, service: PipelineService) -> None:
    answers: dict[int | str, dict[str, object]] = {code: {"model": Error} for code in (404, 422, 503)}

    @app.get("/views/{view}", responses=answers, response_model=Shown)
    def look(view: str, subject: Annotated[str, Query(max_length=200)] = "") -> Response:
        """What an on-call can look into."""
        room = opened()
        if view not in SHOWN:
            raise HTTPException(404, f"unknown view {view!r}; {nearest(view, SHOWN)}")
        if view == "freshness":
            try:
                room.freshness = service.store.read()
            except UsageError as error:
                raise HTTPException(503, str(error)) from None
        try:
            return _json(table_document(room.look(view, subject)))
        except UsageError as error:
            raise HTTPException(422, str(error)) from None


def _observing(app: FastAPI, opened: Opened, token: str) -> None:
    own = [Depends(guard(token))]
    answers: dict[int | str, dict[str, object]] = {**DENIED, 503: {"model": Error}}

    @app.put("/control/spec", responses=answers, dependencies=own, status_code=204)
    def spec(fields: Fields) -> None:
        """Fields of the desired state as they are, whoever changed them."""
        try:
            opened().tell_spec(fields)
        except UsageError as error:
            raise HTTPException(422, str(error)) from None

    @app.put("/control/pods", responses=answers, dependencies=own, status_code=204)
    def pods(replicas: Annotated[list[Pod], Field(max_length=1000)]) -> None:
        """All replicas that there are."""
        names = [one.name for one in replicas]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise HTTPException(422, f"there are two replicas {twice!r}: each is told of once")
        opened().tell_replicas([one.report() for one in replicas])


def _reading(app: FastAPI, opened: Opened, service: PipelineService, token: str) -> None:
    own = [Depends(guard(token))]
    answers: dict[int | str, dict[str, object]] = {**DENIED, 503: {"model": Error}}

    @app.get("/control/outbox", responses=answers, dependencies=own, response_model=Items)
    def outbox(after: Annotated[int, Query(ge=-1, le=2**53)] = -1) -> Response:
        """What the pipeline has said after an item that has been dealt with."""
        room = opened()
        with room.lock:
            items = room.outbox.read(after)
        return _json({"items": [item_document(item) for item in items]})

    @app.get("/control/state", responses=answers, dependencies=own)
    async def state() -> State:
        """Where the control plane stands."""
        standing = opened().standing
        return State(training_seconds=standing.training_seconds, runs=standing.runs, stage=standing.stage, in_step=service.lag)


def _faults(app: FastAPI, opened: Opened, token: str) -> None:
    own = [Depends(guard(token))]
    answers: dict[int | str, dict[str, object]] = {**DENIED, 503: {"model": Error}}

    @app.put("/control/beats/{beat}", responses=answers, dependencies=own, status_code=204)
    def begin(beat: Beat, trouble: Trouble) -> None:
        """A fault begins; put again, it stays."""
        fault = OWN.get(trouble.fault)
        if fault is None:
            raise HTTPException(422, f"{trouble.fault!r} is not of the control plane: {nearest(trouble.fault, OWN)}")
        try:
            opened().begin(beat, fault.name, _params(fault, trouble.params))
        except UsageError as error:
            raise HTTPException(422, str(error)) from None

    @app.delete("/control/beats/{beat}", responses=answers, dependencies=own, status_code=204)
    def end(beat: Beat) -> None:
        """A fault ends by itself; it may have ended before."""
        opened().end(beat)


def _predictions(app: FastAPI, service: PipelineService, token: str) -> None:
    own = [Depends(guard(token))]
    form = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}
    answers: dict[int | str, dict[str, object]] = {**DENIED, **{code: {"model": Error} for code in (408, 413, 503)}}

    @app.post("/predictions", responses=answers, dependencies=own, status_code=204, openapi_extra=form)
    async def predictions(request: Request) -> None:
        """Lines of a prediction log (JSON Lines), of any model server; lines that are none are counted."""
        content = await whole_body(request, BATCH)
        try:
            service.inbox.put(content)
        except FullError:
            raise HTTPException(503, "too many predictions wait to be read", {"Retry-After": "2"}) from None


def _params(fault: Fault, given: Fields) -> dict[str, Value]:
    try:
        return parse_params(fault.params, given, base_units=True)
    except ParamError as error:
        raise HTTPException(422, f"{error.param}: {error}") from None


def _json(document: object) -> Response:
    return Response(dumps(document), media_type="application/json")
