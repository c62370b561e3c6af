"""The gateway's end of a request to a service that runs elsewhere: said and heard as a passage to a host is."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Self
from urllib.parse import unquote

import httpx

from windlass.contracts.passages import Said
from windlass.core.doors import BadGateway, Door
from windlass.core.elsewhere import Elsewhere
from windlass.core.errors import NotFound
from windlass.core.outbound import AddressRefused
from windlass.core.registrations import base_of

AHEAD = 4  # pieces that one side may be ahead of the other
NO_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
Heard = tuple[Said, bytes]


class FarPassage:
    """Says the messages of one request to a service that others run, and hears those of its answer."""

    def __init__(self, door: Door, elsewhere: Elsewhere, scope: Said) -> None:
        self._door, self._elsewhere, self._scope = door, elsewhere, scope
        self._body: asyncio.Queue[bytes | None] = asyncio.Queue(AHEAD)
        self._heard: asyncio.Queue[Heard | Exception] = asyncio.Queue(AHEAD)
        self._target = _target(door, scope)
        self._carrying = asyncio.create_task(self._carry())

    @classmethod
    async def open(cls, door: Door, elsewhere: Elsewhere, scope: Said) -> Self:
        """Ask for it. Raises NotFound for what is no address of the service's, ServiceDown when it is off."""
        if door.state == "dead":
            raise door.shut()
        return cls(door, elsewhere, scope)

    async def say(self, message: dict[str, Any], body: bytes = b"") -> None:
        """Carry a piece of the body in, once there is room for it; what nobody hears any more is dropped."""
        if message["type"] != "http.request" or self._carrying.done():
            return
        is_last = not message.get("more_body", False)
        pieces: list[bytes | None] = [*([body] if body else []), *([None] if is_last else [])]
        for piece in pieces:
            putting = asyncio.ensure_future(self._body.put(piece))
            await asyncio.wait([putting, self._carrying], return_when=asyncio.FIRST_COMPLETED)
            putting.cancel()

    async def taken(self) -> None:
        """Others say nothing of it: what is sent is sent."""

    async def hear(self) -> Heard:
        """The head of the answer, then its pieces. Raises BadGateway, AddressRefused."""
        hearing = asyncio.ensure_future(self._heard.get())
        try:
            await asyncio.wait([hearing, self._carrying], return_when=asyncio.FIRST_COMPLETED)
            if not hearing.done() and self._heard.empty():
                raise BadGateway(f"The service {self._door.name} broke off its answer. Ask again.")
            said = await hearing
        finally:
            hearing.cancel()
        if isinstance(said, Exception):
            raise said
        return said

    def abort(self) -> None:
        """Hang up at once."""
        self._carrying.cancel()

    async def _carry(self) -> None:
        method = str(self._scope["method"])
        content = None if method in NO_BODY else self._sent()
        try:
            async with self._elsewhere.client() as client:
                request = client.build_request(method, self._target, headers=self._headers(), content=content)
                answer = await client.send(request, stream=True)
                try:
                    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in answer.headers.raw]
                    head = {"type": "http.response.start", "status": answer.status_code, "headers": headers}
                    await self._heard.put((head, b""))
                    async for piece in answer.aiter_raw():
                        await self._heard.put(({"type": "http.response.body", "more_body": True}, piece))
                    await self._heard.put(({"type": "http.response.body", "more_body": False}, b""))
                finally:
                    await answer.aclose()
        except AddressRefused as refused:
            await self._heard.put(refused)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            words = f"The service {self._door.name} does not answer, or broke off: {type(error).__name__}."
            await self._heard.put(BadGateway(words))

    async def _sent(self) -> AsyncGenerator[bytes]:
        while (piece := await self._body.get()) is not None:
            yield piece

    def _headers(self) -> list[tuple[bytes, bytes]]:
        """What crosses, byte by byte; which host is asked is written anew."""
        gone = {"host", *({"content-length"} if self._scope["method"] in NO_BODY else ())}
        kept = [(name, value) for name, value in self._scope["headers"] if name not in gone]
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept]


def _target(door: Door, scope: Said) -> str:
    """The address below the service's own. Raises NotFound for one that leads out of it.

    The path was matched decoded: what follows the root may begin with `%2F`, and then belong to the name of the host.
    """
    below = str(scope["raw_path"]).removeprefix(str(scope["root_path"]))
    segments = unquote(below).replace("\\", "/").split("/")
    if not below.startswith("/") or {".", ".."}.intersection(segments):
        raise NotFound("address of the service", below)
    query = f"?{scope['query_string']}" if scope["query_string"] else ""
    return f"{base_of(door.url)}{below}{query}"
