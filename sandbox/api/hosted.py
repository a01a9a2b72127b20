"""What the routes serve: a session, who plays it, and who is there."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ..model.events import Role
from ..session import Phase, Session
from . import wire
from .driver import Driver


@dataclass(slots=True)
class Hosted:
    """One session. `driver` plays it; without one, control goes to the session alone. `token` is a facilitator's."""

    session: Session
    driver: Driver | None = None
    token: str = ""
    connected: int = 0  # clients of the stream
    requests: int = 0  # of all kinds, so far

    def role(self, authorization: str) -> Role:
        """Facilitator by token; operator without one.

        Raises:
            HTTPException: the token is wrong.
        """
        if not authorization:
            return Role.OPERATOR
        given = authorization.removeprefix(wire.BEARER).encode()
        if not self.token or not secrets.compare_digest(given, self.token.encode()):
            raise HTTPException(403, "the token is not the facilitator's")
        return Role.FACILITATOR

    def refuse_after_the_end(self) -> None:
        """Nothing can be changed any more.

        Raises:
            HTTPException: the drill is over.
        """
        if self.session.snapshot().phase is Phase.ENDED:
            raise HTTPException(409, "the drill is over: nothing can be changed any more")


def hosted_of(connection: HTTPConnection) -> Hosted:
    """What the application of a request serves."""
    found = connection.app.state.hosted
    if not isinstance(found, Hosted):
        raise TypeError("the application serves no session")
    return found


async def _asked(connection: HTTPConnection) -> Hosted:
    hosted = hosted_of(connection)
    hosted.requests += 1
    return hosted


Served = Annotated[Hosted, Depends(_asked)]


async def _caller(hosted: Served, authorization: Annotated[str, Header(max_length=wire.LONGEST)] = "") -> Role:
    return hosted.role(authorization)


Caller = Annotated[Role, Depends(_caller)]
