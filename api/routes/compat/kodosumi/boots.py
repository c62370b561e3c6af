"""Kodosumi's boot: all exposes brought up together, told in lines of text."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response, status
from fastapi.responses import PlainTextResponse

from api.dependencies import AuthenticationDep, EngineDep, RequestUuid
from api.routes.boot import PLAIN, BootState, lines, read
from api.routes.compat.kodosumi.words import PREFIX
from api.routes.services import ServiceReader, ServiceWriter
from windlass.core.errors import NotFound

router = APIRouter(prefix=f"{PREFIX}/boot", tags=["compat"])


@router.post("", status_code=status.HTTP_201_CREATED, response_class=PlainTextResponse)
async def start(
    caller: ServiceWriter,
    engine: EngineDep,
    known: AuthenticationDep,
    id: RequestUuid,
    force: Annotated[bool, Query()] = False,
) -> Response:
    """Boot, and tell it to its end; it goes on when the client leaves."""
    boot = await engine.boots.start(caller, id, force=force)
    return await lines(engine, caller, boot.id, lambda: known.still(caller), status.HTTP_201_CREATED)


@router.get("")
async def state(caller: ServiceReader, engine: EngineDep) -> BootState:
    """Whether a boot goes on, since when, and what was said in the newest one."""
    return await read(caller, engine)


@router.get("/stream", response_class=PlainTextResponse)
async def stream(caller: ServiceReader, engine: EngineDep, known: AuthenticationDep) -> Response:
    """The newest boot from its first line on."""
    try:
        boot = await engine.boots.get(caller, None)
    except NotFound:
        return Response("No boot in progress\n", media_type=PLAIN)
    return await lines(engine, caller, boot.id, lambda: known.still(caller))


@router.delete("", response_class=PlainTextResponse)
async def stop(caller: ServiceWriter, engine: EngineDep, id: RequestUuid, known: AuthenticationDep) -> Response:
    """Take all exposes down until the next boot."""
    boot = await engine.boots.stop(caller, id)
    return await lines(engine, caller, boot.id, lambda: known.still(caller))


@router.post("/refresh/{name}", status_code=status.HTTP_201_CREATED, response_class=PlainTextResponse)
async def refresh(name: str, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Start one expose anew; it is served as before until its new process answers, which nobody waits for here."""
    service = await engine.services.refresh(caller, name)
    at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    said = f"\u2139 Refreshing expose '{service.name}' at {at}\n\u2139 [{service.name}] It goes on by itself\n"
    return Response(said, media_type=PLAIN, status_code=status.HTTP_201_CREATED)
