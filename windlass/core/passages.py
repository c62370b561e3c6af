"""The gateway's end of a passage: one connection to a host, for one request."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self

import orjson

from windlass.contracts.passages import LONGEST_LINE, PIECE_BYTES, TAKEN, Said, packed, unpacked
from windlass.core.doors import BadGateway, Door

CONNECT_S = 3.0
BROKE_OFF = "The service broke off its answer: its process has ended, or was replaced. Ask again."


class Passage:
    """Says the messages of one request and hears those of its answer; `others` is the door without who was asked."""

    def __init__(self, others: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.others, self._reader, self._writer = others, reader, writer
        self.is_cut = False  # the connection ended before the answer did
        self._taken = asyncio.Event()

    @classmethod
    async def open(cls, door: Door, op: str, scope: Said) -> Self:
        """Ask the first replica that opens. Raises BadGateway, ServiceDown when nobody does."""
        for place, address in enumerate(door.addresses, 1):
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    streams = await asyncio.open_unix_connection(str(address), limit=LONGEST_LINE)
                passage = cls(replace(door, addresses=door.addresses[place:]), *streams)
                await passage._write(orjson.dumps({"op": op, "scope": scope}) + b"\n")
                return passage
        raise door.shut()

    async def say(self, message: dict[str, Any], body: bytes = b"") -> None:
        """Carry a message in; a large body in pieces. What nobody hears any more is dropped: the answer tells."""
        if message["type"] == "http.request":
            while len(body) > PIECE_BYTES:
                await self._write(packed({**message, "more_body": True}, body[:PIECE_BYTES]))
                body = body[PIECE_BYTES:]
        await self._write(packed(message, body))

    async def hear(self) -> tuple[Said, bytes]:
        """The next message out, and its body. Raises BadGateway at the end of the connection, or at nonsense."""
        said, body = await self._next()
        if said["type"] == TAKEN and not self._taken.is_set():
            self._taken.set()
            said, body = await self._next()
        self._taken.set()
        if said["type"] == TAKEN:
            raise self._nonsense()
        return said, body

    async def _next(self) -> tuple[Said, bytes]:
        try:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                raise self._cut()
            said = unpacked(line)
            body = await self._reader.readexactly(said["size"])
        except (OSError, asyncio.IncompleteReadError):
            raise self._cut() from None
        except ValueError:  # no JSON, or a line that is too long
            raise self._nonsense() from None
        return said, body

    async def taken(self) -> None:
        """Wait, while somebody hears, until the host has taken the request."""
        await self._taken.wait()

    @property
    def was_refused(self) -> bool:
        """Whether the host went away before it had taken the request: nothing of it was begun, whatever it asks for."""
        return self.is_cut and not self._taken.is_set()

    @property
    def may_be_elsewhere(self) -> bool:
        """Whether the host went away before the end of its answer, and there are others."""
        return self.is_cut and bool(self.others.addresses)

    def _nonsense(self) -> BadGateway:
        return BadGateway(f"The service {self.others.name} answers what nobody understands.")

    def _cut(self) -> BadGateway:
        self.is_cut = True
        return BadGateway(BROKE_OFF)

    def abort(self) -> None:
        """Hang up at once."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _write(self, written: bytes) -> None:
        if not self._writer.is_closing():
            with suppress(OSError):
                self._writer.write(written)
                await self._writer.drain()
