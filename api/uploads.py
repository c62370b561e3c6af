"""Files on their way in: read by their route, once it is known who sends them, within a limit and a time."""

import asyncio
import re
from contextlib import suppress
from uuid import UUID
from weakref import WeakValueDictionary

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from api.errors import BadRequest, TooLarge, TooSlow

PATHS = re.compile(r"/v1/sessions/[^/]+/attachments")
PATIENCE_S = 120.0
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
    """Whether the request brings a file: nobody reads its body before the route does."""
    return scope["type"] == "http" and scope["method"] == "POST" and PATHS.fullmatch(scope["path"]) is not None


async def read_file(request: Request, limit_bytes: int) -> bytes:
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
                    raise TooLarge(f"A file to attach has at most {limit_bytes >> 20} MiB. Nothing was kept.")
    except TimeoutError:
        raise TooSlow(f"The file did not arrive within {PATIENCE_S:g} seconds.") from None
    except ClientDisconnect as gone:
        raise BadRequest("The client went away before the file was complete.") from gone
    return b"".join(parts)


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
