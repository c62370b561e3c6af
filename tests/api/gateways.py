"""A small gateway with real streams and real sign-in, on a real port, for tests."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import orjson
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import Response

from api.dependencies import AuthenticationDep
from api.errors import install_problems
from api.middleware.requests import Requests
from api.routes import stream
from api.routes.stream import StreamReader
from api.sse import After, stream_response
from tests.core.streams import Live, live_streams, until
from tests.parts import free_ports
from windlass.contracts.ids import new_id
from windlass.core.allowances import Allowances
from windlass.core.callers import Caller, Origin
from windlass.core.identity import Authentication, Grant, Lifetimes, Passwords, Registration, Sessions, SignIn, Tokens
from windlass.core.multiplex import LogTopic, Multiplexer
from windlass.core.permissions import Permission
from windlass.core.states import StateTopic

SECRET = b"0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway, somebody who is signed in, and the streams of their tenant."""

    live: Live
    grant: Grant
    sessions: Sessions
    state: dict[str, Any]  # what the state topic `runs` shows
    http: httpx.AsyncClient
    port: int

    @asynccontextmanager
    async def stream(self, address: str, cursor: object = None) -> AsyncGenerator["Reader"]:
        """Follow an address, from a cursor on."""
        headers = {} if cursor is None else {"last-event-id": str(cursor)}
        async with self.http.stream("GET", address, headers=headers) as response:
            yield Reader(response)


@dataclass(frozen=True, slots=True)
class Received:
    """One server-sent event."""

    id: str | None
    event: str
    data: dict[str, Any]


class Reader:
    """Takes a response apart into events, as a browser does."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.preamble: list[str] = []
        self._lines = response.aiter_lines()

    async def events(self, count: int | None = None, patience_s: float = 15) -> list[Received]:
        """The next `count` events, or all to the end of the stream."""
        received: list[Received] = []
        fields: dict[str, str] = {}
        async with asyncio.timeout(patience_s):
            while count is None or len(received) < count:
                line = await anext(self._lines, None)
                if line is None:
                    break
                if "data" in fields and not line:
                    received.append(Received(fields.get("id"), fields["event"], orjson.loads(fields["data"])))
                    fields = {}
                elif line.startswith((":", "retry:")):
                    self.preamble.append(line)
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
        return received


@asynccontextmanager
async def running_gateway(database_url: str) -> AsyncGenerator[Gateway]:
    """A gateway with `/v1/streams/{id}` and `/v1/stream`, and a person with a tenant of their own."""
    async with live_streams(database_url) as parts:
        tokens = Tokens(SECRET, timedelta(hours=2), lambda: datetime.now(UTC))
        sessions = Sessions(parts.database, tokens, Lifetimes())
        email = f"{new_id().hex}@example.com"
        wish = Registration("Ada", email, "a passphrase of Ada", f"Ada {new_id().hex}")
        grant = await SignIn(parts.database, sessions, Passwords()).register(wish, Origin(new_id().hex))
        live = replace(parts, tenant_id=grant.caller.tenant_id)
        shown: dict[str, Any] = {}
        app = application(live, Authentication(live.database, tokens, SECRET), shown)
        (port,) = free_ports(1)
        async with serving(app, port):
            bearer = {"authorization": f"Bearer {grant.access_token}"}
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=bearer, timeout=20) as http:
                yield Gateway(live, grant, sessions, shown, http, port)
            live.hub.drain()


def application(live: Live, authentication: Authentication, shown: dict[str, Any]) -> FastAPI:
    """The routes of streams, around the state that they need."""

    async def admit(caller: Caller, stream_id: UUID) -> None:
        await live.events.head(caller.tenant_id, stream_id)

    async def runs(_caller: Caller) -> dict[str, Any]:
        return dict(shown)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        live.hub.states.add(StateTopic("runs", Permission.RUNS_READ, runs))
        multiplexer = Multiplexer(live.hub, [LogTopic("run", Permission.RUNS_READ, admit)])
        allowances = Allowances(live.database, 30_000)
        yield {"authentication": authentication, "allowances": allowances, "multiplexer": multiplexer}

    app = FastAPI(lifespan=lifespan, middleware=[Middleware(Requests)])
    install_problems(app)
    app.include_router(stream.router)

    @app.get("/v1/streams/{stream_id}")
    async def follow(  # pyright: ignore[reportUnusedFunction]  # FastAPI keeps it
        stream_id: UUID, caller: StreamReader, after: After, authentication: AuthenticationDep
    ) -> Response:
        return await stream_response(
            live.hub, caller.tenant_id, stream_id, after, partial(authentication.still, caller)
        )

    return app


@asynccontextmanager
async def serving(app: FastAPI, port: int) -> AsyncGenerator[None]:
    """Serve an application on a port of this machine, in this process."""
    config = uvicorn.Config(app, port=port, log_level="error", loop="none", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task
