"""Boots: bring all services up, follow it, take them down."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Query, Response, status
from pydantic import BaseModel, Field

from api.bodies import Body
from api.dependencies import AuthenticationDep, EngineDep, RequestUuid
from api.engine import Engine
from api.routes.services import ServiceReader, ServiceWriter
from api.sse import After, Check, EventStream, stream_response
from windlass.contracts.boot import line
from windlass.contracts.events import EventKind
from windlass.core.boot import MOST_MESSAGES, Boot
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.frames import Frame

router = APIRouter(prefix="/v1/boot", tags=["boot"])

PLAIN = "text/plain"
LINES: dict[str, Any] = {"content": {PLAIN: {}}}
Accept = Annotated[str, Header(max_length=500, include_in_schema=False)]
BootId = Annotated[UUID | None, Query(alias="id", description="Which boot; without it the newest one.")]


class BootBody(Body):
    """How to boot."""

    force: bool = Field(False, description="End a boot that goes on, and start anew.")


class Asked:
    """How a boot was asked for besides its body."""

    def __init__(
        self, force: Annotated[bool, Query(description="As in the body.")] = False, accept: Accept = ""
    ) -> None:
        self.force, self.for_lines = force, PLAIN in accept


class BootView(BaseModel):
    """A boot, or a shutdown; `up` and `failed` count its services once it is over."""

    boot_id: UUID
    number: int
    kind: str
    status: str
    up: int
    failed: int
    asked_by_name: str
    created_at: datetime
    ended_at: datetime | None


class BootMessage(BaseModel):
    """What was said: by step, about which service, with what result; `text` is the same as a line."""

    seq: int
    timestamp: datetime
    step: str | None
    type: str
    message: str
    target: str | None
    result: str | None
    s: float | None = Field(description="How long it took.")
    detail: str | None
    text: str


class BootState(BaseModel):
    """The newest boot, or the one asked for, with what was said after a seq; `locked`: it goes on."""

    boot: BootView | None
    locked: bool
    lock_time: datetime | None
    messages: Sequence[BootMessage]
    next: int | None = None


@router.post("", status_code=status.HTTP_202_ACCEPTED, response_model=BootView, responses={202: LINES})
async def start(
    caller: ServiceWriter,
    engine: EngineDep,
    known: AuthenticationDep,
    id: RequestUuid,
    asked: Annotated[Asked, Depends()],
    body: BootBody | None = None,
) -> BootView | Response:
    """Start every enabled service's program anew, four at a time; each serves as before until the new one answers.

    A boot goes on when the client leaves. With `Accept: text/plain` its messages come as lines.
    """
    boot = await engine.boots.start(caller, id, force=asked.force or (body is not None and body.force))
    if asked.for_lines:
        return await lines(engine, caller, boot.id, lambda: known.still(caller), status.HTTP_202_ACCEPTED)
    return view(boot)


@router.get("")
async def read(
    caller: ServiceReader, engine: EngineDep, id: BootId = None, after: Annotated[int, Query(ge=0)] = 0
) -> BootState:
    """How the newest boot stands, or one by its id."""
    found = [await engine.boots.get(caller, id)] if id else await engine.boots.latest(caller)
    if not found:
        return BootState(boot=None, locked=False, lock_time=None, messages=[])
    boot = found[0]
    said = await engine.boots.messages(caller, boot.id, after)
    messages = [message_view(each.seq, each.at, each.payload) for each in said]
    lock_time = boot.created_at if boot.is_running else None
    more = messages[-1].seq if len(messages) == MOST_MESSAGES else None
    return BootState(boot=view(boot), locked=boot.is_running, lock_time=lock_time, messages=messages, next=more)


@router.get("/stream", response_class=EventStream, responses={200: LINES})
async def stream(
    after: After,
    caller: ServiceReader,
    engine: EngineDep,
    known: AuthenticationDep,
    id: BootId = None,
    accept: Accept = "",
) -> Response:
    """The messages of the newest boot, or of one by its id, from the first on, and live: as events or as lines."""
    try:
        boot = await engine.boots.get(caller, id)
    except NotFound:
        if PLAIN not in accept:
            raise
        return Response("No boot in progress\n", media_type=PLAIN)
    if PLAIN in accept:
        return await lines(engine, caller, boot.id, lambda: known.still(caller))
    return await stream_response(engine.hub, caller.tenant_id, boot.id, after, lambda: known.still(caller))


@router.delete("", response_model=BootView, responses={200: LINES})
async def stop(
    caller: ServiceWriter, engine: EngineDep, id: RequestUuid, known: AuthenticationDep, accept: Accept = ""
) -> Response:
    """End a boot that goes on and take all services down until the next one: their runs wait, nothing is lost."""
    boot = await engine.boots.stop(caller, id)
    if PLAIN in accept:
        return await lines(engine, caller, boot.id, lambda: known.still(caller))
    return Response(view(boot).model_dump_json(), media_type="application/json")


async def lines(
    engine: Engine, caller: Caller, boot_id: UUID, check: Check, status_code: int = status.HTTP_200_OK
) -> Response:
    """A boot as lines of text, from the first on, to its end."""
    subscription = await engine.hub.subscribe(caller.tenant_id, boot_id, 0)
    return EventStream(subscription, _line, check, PLAIN, status_code)


def _line(frame: Frame) -> bytes:
    if frame.kind != EventKind.BOOT:
        return b""
    text = line(orjson.loads(frame.data)["payload"])
    return f"{text}\n".encode() if text else b""


def view(boot: Boot) -> BootView:
    """The boot as clients see it."""
    shown = {name: getattr(boot, name) for name in BootView.model_fields if name != "boot_id"}
    return BootView.model_validate({"boot_id": boot.id, **shown})


def message_view(seq: int, at: datetime, payload: dict[str, Any]) -> BootMessage:
    """A message as clients see it."""
    shown = {name: payload.get(name) for name in BootMessage.model_fields}
    return BootMessage.model_validate({**shown, "seq": seq, "timestamp": at, "text": line(payload)})
