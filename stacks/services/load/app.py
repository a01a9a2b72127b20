"""What the load generator answers: health, metrics, its ledger, and its controls."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel

from ..common.http import DENIED, Error, Start, guard, new_app
from .service import Generator
from .settings import ClientsOrder, SpikeOrder


class Sums(BaseModel):
    """The ledger: decided requests that were scheduled at t >= 0; `in_flight` are those of any time that are not decided."""

    t: float
    failed: int
    slow: int
    ok: int
    prediction_cost: float
    in_flight: int
    finished: bool


def build(generator: Generator) -> FastAPI:
    """The application."""
    app = new_app("load generator", generator.why_unready, generator)
    allowed = [Depends(guard(generator.settings.token))]

    @app.get("/ledger")
    async def ledger() -> Sums:
        """The outcome so far."""
        counts, sender = generator.ledger.counts(), generator.sender
        return Sums(
            t=sender.now(),
            failed=counts.failed,
            slow=counts.slow,
            ok=counts.ok,
            prediction_cost=counts.prediction_cost,
            in_flight=generator.ledger.in_flight,
            finished=generator.plan.finished,
        )

    @app.put("/control/start", dependencies=allowed, responses={**DENIED, 409: {"model": Error}})
    async def start(order: Start) -> None:
        """The drill begins at that time; the same order may come again."""
        try:
            generator.start_by(order)
        except ValueError as error:
            raise HTTPException(409, str(error)) from None

    @app.put("/control/spikes/{name}", dependencies=allowed, responses=DENIED)
    async def begin_spike(name: str, order: SpikeOrder) -> None:
        """More clients; put again, they stay as many."""
        generator.begin_spike(name, order)

    @app.delete("/control/spikes/{name}", dependencies=allowed, responses={**DENIED, 404: {"model": Error}})
    async def end_spike(name: str, at: Annotated[float | None, Query(allow_inf_nan=False)] = None) -> None:
        """They go, now or at a drill time."""
        try:
            generator.end_spike(name, at)
        except KeyError:
            raise HTTPException(404, f"there is no spike {name!r}") from None

    @app.put("/control/clients", dependencies=allowed, responses=DENIED)
    async def set_clients(order: ClientsOrder) -> None:
        """Clients behave like this."""
        generator.set_clients(order)

    @app.delete("/control/clients", dependencies=allowed, responses=DENIED)
    async def usual_clients() -> None:
        """Clients behave as usual."""
        generator.set_clients(None)

    @app.put("/control/finish", dependencies=allowed, responses=DENIED)
    async def finish(limit: Annotated[float, Query(ge=0.0, le=3600.0, allow_inf_nan=False)] = 60.0) -> Sums:
        """No new requests; the ledger when all in flight are decided, at the latest after so many seconds."""
        await generator.drain(limit)
        return await ledger()

    return app
