"""MCP servers: where tools come from, how each is, and which of its tools were taken."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, status
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.bodies import Body
from api.dependencies import EngineDep, RequestUuid, requires
from api.engine import Engine
from windlass.contracts.servers import ServerState, Tool
from windlass.core.callers import Caller
from windlass.core.permissions import Permission
from windlass.core.servers import NewServer, Server, Way

router = APIRouter(prefix="/v1/mcp-servers", tags=["mcp-servers"])

ServerReader = Annotated[Caller, Depends(requires(Permission.SERVERS_READ))]
ServerWriter = Annotated[Caller, Depends(requires(Permission.SERVERS_WRITE))]

Url = Annotated[str, Field(min_length=8, max_length=2000, examples=["https://tools.example.com/mcp"])]
Command = Annotated[str, Field(min_length=1, max_length=100)]
Headers = Annotated[dict[str, SecretStr], Field(max_length=20, examples=[{"Authorization": "Bearer …"}])]
TIMEOUT = Field(ge=1, le=600)


class ServerBody(Body):
    """A server to add: an address with headers (kept sealed, never shown again), or a command the operator listed."""

    name: str = Field(min_length=1, max_length=32, examples=["files"])
    url: Url | None = None
    command: Command | None = None
    headers: Headers | None = None
    description: str = Field("", max_length=2000)
    timeout_s: Annotated[int, TIMEOUT] = 60


class ServerChange(Body):
    """What to change. Another address or command takes the headers away unless new ones come with it."""

    url: Url | None = None
    command: Command | None = None
    headers: Headers | None = None
    description: str | None = Field(None, max_length=2000)
    timeout_s: Annotated[int, TIMEOUT] | None = None


class TakeBody(Body):
    """The digest of the tools to take: exactly those one has seen."""

    digest: str = Field(min_length=64, max_length=64)


class ServerView(BaseModel):
    """A server as it stands; of its headers only the names are shown."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    description: str
    url: str | None
    command: str | None
    header_names: Sequence[str]
    timeout_s: int
    state: ServerState
    reason: str
    digest: str | None
    pinned: str | None
    pinned_at: datetime | None
    pinned_by_name: str
    checked_at: datetime | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime


class ServerList(BaseModel):
    """All servers by name."""

    items: Sequence[ServerView]
    next: None = None


class ToolView(BaseModel):
    """A tool as its server describes it; `taken`: it may be called, and is as it was when it was taken."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    annotations: Mapping[str, Any]
    taken: bool


class ToolList(BaseModel):
    """What a server offered last; while `digest` is not `pinned`, nothing of it is called."""

    items: Sequence[ToolView]
    digest: str | None
    pinned: str | None
    state: ServerState
    next: None = None


@router.post("", status_code=status.HTTP_201_CREATED)
async def create(body: ServerBody, caller: ServerWriter, engine: EngineDep, new: RequestUuid) -> ServerView:
    """Add a server; a worker looks at it at once and takes the tools it offers."""
    way = Way(body.url, body.command, opened(body.headers))
    wish = NewServer(body.name, way, body.description, body.timeout_s, new)
    return view(await engine.servers.create(caller, wish))


@router.get("")
async def catalogue(caller: ServerReader, engine: EngineDep) -> ServerList:
    """All servers, by name."""
    return ServerList(items=[view(server) for server in await engine.servers.catalogue(caller)])


@router.get("/{name}")
async def read(name: str, caller: ServerReader, engine: EngineDep) -> ServerView:
    """One server, and how it is."""
    return view(await engine.servers.get(caller, name))


@router.patch("/{name}")
async def change(name: str, body: ServerChange, caller: ServerWriter, engine: EngineDep) -> ServerView:
    """Change a server; another way to it is looked at anew."""
    way = await changed_way(engine, caller, name, body)
    return view(await engine.servers.change(caller, name, way, body.description, body.timeout_s))


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def delete(name: str, caller: ServerWriter, engine: EngineDep) -> None:
    """Forget a server and its secrets."""
    await engine.servers.delete(caller, name)


@router.post("/{name}/check", status_code=status.HTTP_202_ACCEPTED)
async def check(name: str, caller: ServerWriter, engine: EngineDep) -> ServerView:
    """Have it looked at now; `checked_at` says when that was done."""
    return view(await engine.servers.look_again(caller, name))


@router.get("/{name}/tools")
async def tools(name: str, caller: ServerReader, engine: EngineDep) -> ToolList:
    """What it offered when it was looked at last."""
    server = await engine.servers.get(caller, name)
    items = [view_tool(tool, is_taken=tool in server.taken) for tool in server.tools]
    return ToolList(items=items, digest=server.digest, pinned=server.pinned, state=server.state)


@router.post("/{name}/take")
async def take(name: str, body: TakeBody, caller: ServerWriter, engine: EngineDep) -> ServerView:
    """Take the tools it offers now, as they are: from now on they may be called."""
    return view(await engine.servers.take(caller, name, body.digest))


async def changed_way(engine: Engine, caller: Caller, name: str, body: ServerChange) -> Way | None:
    """The way to a server as it is to be; None: as it is. Raises NotFound."""
    if body.url is None and body.command is None and body.headers is None:
        return None
    now = await engine.servers.get(caller, name)
    same = body.url is None and body.command is None
    return Way(now.url if same else body.url, now.command if same else body.command, opened(body.headers))


def view(server: Server) -> ServerView:
    """The server as clients see it."""
    return ServerView.model_validate(server)


def opened(headers: Mapping[str, SecretStr] | None) -> dict[str, str] | None:
    """The headers as they are sent."""
    return None if headers is None else {name: text.get_secret_value() for name, text in headers.items()}


def view_tool(tool: Tool, *, is_taken: bool) -> ToolView:
    """The tool as clients see it."""
    return ToolView(
        name=tool.name,
        description=tool.description,
        input_schema=tool.input_schema,
        annotations=tool.annotations,
        taken=is_taken,
    )
