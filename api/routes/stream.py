"""Many topics in one stream: `GET /v1/stream?topics=run:{id},runs,health`."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from api.authentication import Authentication
from api.dependencies import AuthenticationDep, requires
from api.sse import EventStream, topics_response
from windlass.core.callers import Caller
from windlass.core.multiplex import Multiplex, Multiplexer
from windlass.core.permissions import Permission

router = APIRouter(prefix="/v1", tags=["stream"])


async def get_multiplexer(request: Request) -> Multiplexer:
    """What opens streams of many topics."""
    multiplexer: Multiplexer = request.state.multiplexer
    return multiplexer


MultiplexerDep = Annotated[Multiplexer, Depends(get_multiplexer)]
StreamReader = Annotated[Caller, Depends(requires(Permission.RUNS_READ))]
Topics = Annotated[str, Query(description="up to 32 topics by commas: `run:{id}`, `run:{id}@{seq}`, `runs`, `health`")]
After = Annotated[str, Query(description="go on after this cursor, the `id` of an earlier event")]
LastEventId = Annotated[str, Header(description="the same, as a browser sends it")]


@router.get("/stream", response_class=EventStream, responses={204: {"description": "All has ended."}})
async def stream(
    topics: Topics,
    caller: StreamReader,
    multiplexer: MultiplexerDep,
    authentication: AuthenticationDep,
    after: After = "",
    last_event_id: LastEventId = "",
) -> Response:
    """Follow logs from a common cursor, and states: whole on connect, then what changes."""
    multiplex = await multiplexer.open(caller, topics.split(","), last_event_id or after)
    return topics_response(multiplex, partial(may_follow, authentication, multiplexer, caller, multiplex))


async def may_follow(known: Authentication, multiplexer: Multiplexer, caller: Caller, multiplex: Multiplex) -> bool:
    """Whether whoever reads topics live may go on; what has become somebody else's ends."""
    await multiplexer.readmit(caller, multiplex)
    return await known.still(caller)
