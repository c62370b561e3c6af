"""The pages of MCP servers: where tools come from, how each is, and which of its tools were taken."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import CursorsDep, EngineDep
from api.engine import Engine
from api.pages.once import once_field, once_id
from api.pages.rendering import Form, field, go, page, read_form, viewer
from api.pages.shell import Place
from api.pages.typed import to_json
from api.routes.servers import ServerReader, ServerWriter
from windlass.contracts.servers import ServerState
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, FieldError, Invalid
from windlass.core.permissions import Permission
from windlass.core.servers import NewServer, Server, Way

router = APIRouter(include_in_schema=False)

SHAPES = {
    ServerState.UNCHECKED: "starting", ServerState.UP: "finished", ServerState.CHANGED: "awaiting",
    ServerState.DOWN: "failed",
}  # fmt: skip
WORDS = {
    ServerState.UNCHECKED: "Being looked at", ServerState.UP: "Up", ServerState.CHANGED: "Offers other tools",
    ServerState.DOWN: "Down",
}  # fmt: skip
TEXTS = ("name", "url", "command", "description", "timeout")
TIMEOUT_MAX_S = 600
Problems = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ToolRow:
    """A tool as the page shows it."""

    name: str
    description: str
    schema: str
    is_taken: bool


@router.get("/mcp-servers")
async def servers(request: Request, caller: ServerReader, engine: EngineDep) -> Response:
    """All servers, and the form that adds one."""
    return await show_all(request, caller, engine)


@router.post("/mcp-servers")
async def add(request: Request, caller: ServerWriter, engine: EngineDep, cursors: CursorsDep) -> Response:
    """Add a server, or show the form again with what is wrong. The same form sent twice is one server."""
    posted = read_form(request)
    filled = texts_of(posted)
    try:
        way = Way(filled["url"] or None, filled["command"] or None, headers_of(posted) or {})
        once = once_id(cursors, caller, posted)
        wish = NewServer(filled["name"], way, filled["description"], timeout_of(filled), once)
        server = await engine.servers.create(caller, wish)
    except (Invalid, Conflict) as problem:
        return await show_all(request, caller, engine, filled, problems_of(problem))
    return go(f"/mcp-servers/{server.name}", f"{server.name} is looked at now")


@router.get("/mcp-servers/{name}")
async def server(name: str, request: Request, caller: ServerReader, engine: EngineDep) -> Response:
    """One server: how it is, and what it offers."""
    return await show_one(request, caller, engine, await engine.servers.get(caller, name))


@router.post("/mcp-servers/{name}")
async def change(name: str, request: Request, caller: ServerWriter, engine: EngineDep) -> Response:
    """Save what the form says."""
    posted, found = read_form(request), await engine.servers.get(caller, name)
    filled = texts_of(posted)
    try:
        headers = headers_of(posted)
        way = Way(filled["url"] or None, filled["command"] or None, headers)
        if headers is None and (way.url, way.command) == (found.url, found.command):
            way = None
        await engine.servers.change(caller, name, way, filled["description"], timeout_of(filled))
    except (Invalid, Conflict) as problem:
        return await show_one(request, caller, engine, found, filled, problems_of(problem))
    return go(f"/mcp-servers/{name}", f"{name} is saved")


@router.post("/mcp-servers/{name}/check")
async def check(name: str, caller: ServerWriter, engine: EngineDep) -> Response:
    """Have it looked at now."""
    await engine.servers.look_again(caller, name)
    return go(f"/mcp-servers/{name}", f"{name} is looked at now")


@router.post("/mcp-servers/{name}/take")
async def take(name: str, request: Request, caller: ServerWriter, engine: EngineDep) -> Response:
    """Take the tools that the page showed."""
    seen = field(read_form(request), "digest", 64)
    try:
        await engine.servers.take(caller, name, seen)
    except Conflict as problem:
        found = await engine.servers.get(caller, name)
        return await show_one(request, caller, engine, found, problems=((problem.detail, ""),))
    return go(f"/mcp-servers/{name}", f"The tools of {name} are taken")


@router.post("/mcp-servers/{name}/delete")
async def delete(name: str, caller: ServerWriter, engine: EngineDep) -> Response:
    """Forget it, with its secrets."""
    await engine.servers.delete(caller, name)
    return go("/mcp-servers", f"{name} is forgotten")


async def show_all(
    request: Request, caller: Caller, engine: Engine, filled: Mapping[str, str] | None = None, problems: Problems = ()
) -> Response:
    """The list of servers."""
    values = {
        "servers": await engine.servers.catalogue(caller),
        "shapes": SHAPES,
        "words": WORDS,
        "seen": viewer(request),
        "commands": engine.servers.commands,
        "filled": filled or {**dict.fromkeys(TEXTS, ""), "timeout": "60"},
        "may_write": caller.may(Permission.SERVERS_WRITE),
        "once": once_field(request.state.cursors, caller),
        "problems": problems,
        "title": "MCP servers",
    }
    place = Place("Agents", (("Agents", "/agents"), ("MCP servers", "")))
    return await page(request, caller, "mcp_servers.html", place, values, 422 if problems else 200)


async def show_one(
    request: Request,
    caller: Caller,
    engine: Engine,
    server: Server,
    filled: Mapping[str, str] | None = None,
    problems: Problems = (),
) -> Response:
    """The page of a server."""
    own = {"name": server.name, "url": server.url or "", "command": server.command or ""}
    own |= {"description": server.description, "timeout": str(server.timeout_s)}
    values = {
        "server": server,
        "tools": [
            ToolRow(each.name, each.description, to_json(dict(each.input_schema)), each in server.taken)
            for each in server.tools
        ],
        "gone": [each.name for each in server.taken if each.name not in {tool.name for tool in server.tools}],
        "shape": SHAPES[server.state],
        "word": WORDS[server.state],
        "seen": viewer(request),
        "commands": engine.servers.commands,
        "filled": filled or own,
        "may_write": caller.may(Permission.SERVERS_WRITE),
        "problems": problems,
        "title": server.name,
    }
    place = Place("Agents", (("Agents", "/agents"), ("MCP servers", "/mcp-servers"), (server.name, "")))
    return await page(request, caller, "mcp_server.html", place, values, 422 if problems else 200)


def texts_of(form: Form) -> dict[str, str]:
    """What was filled in."""
    return {name: field(form, name, 2000) for name in TEXTS}


def headers_of(form: Form) -> dict[str, str] | None:
    """The headers, one a line; None when none were written. Raises Invalid."""
    lines = [line.strip() for line in field(form, "headers", 100_000).splitlines() if line.strip()]
    pairs = [line.partition(":") for line in lines]
    if any(not colon for _name, colon, _text in pairs):
        raise Invalid("Nothing was saved.", (FieldError("headers", "must be lines like Authorization: Bearer …"),))
    return {name.strip(): text.strip() for name, _colon, text in pairs} or None


def timeout_of(filled: Mapping[str, str]) -> int:
    """How long a call may take. Raises Invalid."""
    text = filled["timeout"]
    if not text.isdecimal() or not 1 <= int(text) <= TIMEOUT_MAX_S:
        message = f"must be a whole number from 1 to {TIMEOUT_MAX_S}"
        raise Invalid("Nothing was saved.", (FieldError("timeout", message),))
    return int(text)


def problems_of(problem: Invalid | Conflict) -> Problems:
    """What is wrong, each with the field it is about."""
    errors = problem.errors if isinstance(problem, Invalid) else ()
    found = tuple((f"{_word(each)} {each.message}", _word(each)) for each in errors)
    return found or ((problem.detail, ""),)


def _word(error: FieldError) -> str:
    return error.field.partition(".")[0]
