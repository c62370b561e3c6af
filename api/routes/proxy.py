"""`/-/{service}/…`: the own routes of a service's program, and Kodosumi's answers at its flows."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response, WebSocket
from fastapi.responses import JSONResponse

from api.crossing import ROOT
from api.dependencies import AuthenticationDep, EngineDep, RequestUuid, requires
from api.engine import Engine
from api.middleware.bodies import LIMIT_BYTES, check_json
from api.routes.agents import AgentReader
from api.routes.compat.kodosumi import flows
from api.routes.runs import RunStarter
from api.uploads import read_file
from windlass.core.agents import Agent
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.identity import Authentication
from windlass.core.permissions import Permission

router = APIRouter(prefix=ROOT.rstrip("/"), tags=["services"], include_in_schema=False)


@router.api_route("/{path:path}", methods=["GET", "HEAD", "OPTIONS"])
async def read(
    path: str, request: Request, caller: AgentReader, engine: EngineDep, known: AuthenticationDep
) -> Response:
    """What the program says at this address; at a flow's, its form."""
    agent = None if request.method == "OPTIONS" else await _flow(engine, caller, path)
    if agent is not None:
        return JSONResponse(flows.shown(agent))
    return await engine.proxy.forward(request, caller, root_of(path), lambda: known.still(caller))


@router.api_route("/{path:path}", methods=["POST", "PUT", "PATCH", "DELETE"])
async def write(
    path: str,
    request: Request,
    caller: RunStarter,
    engine: EngineDep,
    known: AuthenticationDep,
    new: RequestUuid,
) -> Response:
    """Send something to the program; a POST at a flow's address starts a run, as `POST /v1/runs` does."""
    agent = await _flow(engine, caller, path) if request.method == "POST" else None
    if agent is None:
        return await engine.proxy.forward(request, caller, root_of(path), lambda: known.still(caller))
    body = await read_file(request, LIMIT_BYTES, "A form")
    check_json("json", body)
    return await flows.started(engine, caller, agent, flows.Posted.read(request, body, new))


@router.websocket("/{path:path}")
async def connect(
    path: str, websocket: WebSocket, caller: Annotated[Caller, Depends(requires(Permission.RUNS_START))]
) -> None:
    """A WebSocket of the program's; what refuses it does so before it opens."""
    engine: Engine = websocket.state.engine
    known: Authentication = websocket.state.authentication
    await engine.proxy.connect(websocket, caller, root_of(path), lambda: known.still(caller))


def root_of(path: str) -> str:
    """The root of the service that an address names."""
    return f"{ROOT}{path.partition('/')[0]}"


async def _flow(engine: Engine, caller: Caller, path: str) -> Agent | None:
    """The flow at this address, if there is one whose runs are kept here."""
    try:
        agent = await engine.agents.at(caller, path)
    except NotFound:
        return None
    return None if agent.url else agent
