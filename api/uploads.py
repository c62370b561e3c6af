"""Files on their way in: read by their route, once it is known who sends them, within a limit and a time."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import suppress
from uuid import UUID
from weakref import WeakValueDictionary

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from api.errors import BadRequest, TooLarge, TooSlow

POSTED = re.compile(r"/v1/sessions/[^/]+/attachments|/compat/kodosumi/files/chunk")
PUT = re.compile(r"/v1/artifacts/uploads/[^/]+/[^/]+(/\d+)?|/v1/runs/[^/]+/files/.+|/v1/services/[^/]+/archive")
PROXIED = "/-/"  # its bodies go to services as they arrive
PATIENCE_S = 120.0
SILENCE_S = 60.0  # a large file takes its time, but something comes
AT_ONCE = 4  # of one person; the others wait, unread
SPILL_BYTES, SPILL_S = 8 << 20, 1.0


class Uploads:
    """How many files are on their way in: each is in memory until it is whole, so of one person only some."""

    def __init__(self) -> None:
        self._places: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    def place(self, person_id: UUID) -> asyncio.Semaphore:
        """A place for a file of this person, to wait for and to hold."""
        return self._places.setdefault(person_id, asyncio.Semaphore(AT_ONCE))


def is_upload(scope: Scope) -> bool:
    """Whether the request brings a file, or something for a service: nobody reads its body before the route does."""
    if scope["type"] == "http" and scope["path"].startswith(PROXIED):
        return True
    paths = {"POST": POSTED, "PUT": PUT}.get(scope.get("method", ""))
    return scope["type"] == "http" and paths is not None and paths.fullmatch(scope["path"]) is not None


async def read_file(request: Request, limit_bytes: int, what: str = "A file to attach") -> bytes:
    """The file that is sent. Raises TooLarge, TooSlow, BadRequest."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > limit_bytes:
                    parts.clear()
                    await spill(request.receive)
                    raise TooLarge(f"{what} has at most {limit_bytes >> 20} MiB. Nothing was kept.")
    except TimeoutError:
        raise TooSlow(f"The file did not arrive within {PATIENCE_S:g} seconds.") from None
    except ClientDisconnect as gone:
        raise BadRequest("The client went away before the file was complete.") from gone
    return b"".join(parts)


async def arriving(request: Request) -> AsyncGenerator[bytes]:
    """A file of any size as it arrives, never more than a piece of it in memory. Raises TooSlow, BadRequest."""
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                part = await anext(stream, None)
        except TimeoutError:
            raise TooSlow(f"Nothing of the file arrived for {SILENCE_S:g} seconds. Nothing was kept.") from None
        except ClientDisconnect as gone:
            raise BadRequest("The client went away before the file was complete. Nothing was kept.") from gone
        if part is None:
            return
        yield part


async def spill(receive: Receive) -> None:
    """Throw a little more away: a client that is only slightly over reads our answer before the connection breaks."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(SPILL_S):
            while size < SPILL_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
