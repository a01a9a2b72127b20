"""The HTTP interface of the feature store: look-ups, health, metrics, and controls."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query, Response
from prometheus_client import Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict, Field

from ....sandbox.model.errors import nearest
from ....sandbox.model.faults import FAULTS, Fault
from ....sandbox.model.params import ParamError, Value, parse_params
from ..common.http import DENIED, Error, add_start, guard, new_app
from ..common.jsons import dumps
from .online import OnlineStore, RefusedError, Values
from .settings import StoreSettings


class Features(BaseModel):
    """The online features of an airport; null is a value that is missing."""

    origin: str
    features: dict[str, float | None]
    event_time: dt.datetime | None
    age_seconds: float


class Trouble(BaseModel):
    """A fault of the catalogue and its parameters."""

    model_config = ConfigDict(extra="forbid", strict=True)

    fault: str
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)


class Spec(BaseModel):
    """Fields of the desired state that are the pipeline's."""

    model_config = ConfigDict(extra="forbid", strict=True)

    feed: str | None = Field(None, min_length=1, max_length=100)
    restarted: str | None = Field(None, min_length=1, max_length=100)


class State(BaseModel):
    """What is in force."""

    feed: str
    restarted: str


class StoreMetrics(Collector):
    """Reads the store when it is scraped."""

    def __init__(self, store: Callable[[], OnlineStore | None]) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """All families."""
        store = self._store()
        if store is None:
            return
        ages = Metric("feature_store_age_seconds", "Calendar seconds since the source's values were to be known.", "gauge")
        for source, age in store.ages().items():
            ages.add_sample(ages.name, {"source": source}, age)
        lookups = Metric("feature_store_lookups", "Look-ups.", "counter")
        for result, count in sorted(store.results.items()):
            lookups.add_sample("feature_store_lookups_total", {"result": result}, float(count))
        filled = Metric("feature_store_materialisations", "Hours that were put into the store.", "counter")
        filled.add_sample("feature_store_materialisations_total", {}, float(store.filled))
        yield from (ages, lookups, filled)


def build(
    settings: StoreSettings,
    store: Callable[[], OnlineStore | None],
    why_not_ready: Callable[[], str],
    start: Callable[[float], None],
) -> FastAPI:
    """The application.

    Args:
        settings: for the controls' token.
        store: once it is open.
        why_not_ready: empty if it is ready.
        start: is given CLOCK_MONOTONIC at t = 0 of the drill.
    """
    app = new_app("drillbox feature store", why_not_ready, StoreMetrics(store))

    def opened() -> OnlineStore:
        found = store()
        if found is None:
            raise HTTPException(503, why_not_ready())
        return found

    _serving(app, opened)
    _controls(app, opened, settings.token)
    add_start(app, settings.token, start)
    return app


def _serving(app: FastAPI, opened: Callable[[], OnlineStore]) -> None:
    missing: dict[int | str, dict[str, object]] = {code: {"model": Error} for code in (404, 422, 503)}

    @app.get("/v1/features", responses=missing, response_model=Features)
    async def features(origin: Annotated[str, Query(max_length=100)]) -> Response:
        """The latest values of an airport."""
        store = opened()
        if store.delay > 0.0:
            await asyncio.sleep(store.delay)
        try:
            found = store.look_up(origin)
        except KeyError:
            raise HTTPException(404, f"there is no such airport: {nearest(origin, store.origins)}") from None
        except RefusedError:
            raise HTTPException(503, "the store does not answer") from None
        return Response(_document(found), media_type="application/json")


def _document(found: Values) -> bytes:
    return dumps(
        {
            "origin": found.origin,
            "features": found.features,
            "event_time": found.event_time.isoformat() if found.event_time else None,
            "age_seconds": found.age,
        }
    )


def _controls(app: FastAPI, opened: Callable[[], OnlineStore], token: str) -> None:
    own = [Depends(guard(token))]
    answers: dict[int | str, dict[str, object]] = {**DENIED, 404: {"model": Error}, 503: {"model": Error}}

    @app.get("/control/settings", responses=answers, dependencies=own)
    async def current() -> State:
        """What is in force."""
        store = opened()
        return State(feed=store.feed, restarted=store.restarted)

    @app.post("/control/settings", responses=answers, dependencies=own)
    async def change(spec: Spec) -> State:
        """Change fields of the desired state; what is not named stays."""
        store = opened()
        if spec.feed is not None:
            store.read_feed(spec.feed)
        if spec.restarted is not None:
            store.restart(spec.restarted)
        return State(feed=store.feed, restarted=store.restarted)

    @app.put("/control/beats/{beat}", responses=answers, dependencies=own, status_code=204)
    async def begin(beat: str, trouble: Trouble) -> None:
        """A beat begins; put again, it stays."""
        store = opened()
        fault = FAULTS.get(trouble.fault)
        mine = {name: one for name, one in FAULTS.items() if name.startswith("features.")}
        if fault is None or fault.name not in mine:
            raise HTTPException(422, f"{trouble.fault!r} is not of this store: {nearest(trouble.fault, mine)}")
        store.begin(beat, fault.name, _params(fault, trouble.params))

    @app.delete("/control/beats/{beat}", responses=answers, dependencies=own, status_code=204)
    async def end(beat: str) -> None:
        """A beat ends; it may have ended before."""
        opened().end(beat)


def _params(fault: Fault, given: dict[str, str | int | float | bool]) -> dict[str, Value]:
    try:
        return parse_params(fault.params, given, base_units=True)
    except ParamError as error:
        raise HTTPException(422, str(error)) from None
