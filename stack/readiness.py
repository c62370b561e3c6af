"""Questions that tell whether a part is really up: a query, a port, a page. No driver is loaded for them."""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from stack.errors import StackError

PROTOCOL_3 = 196608
ANSWER_TIMEOUT_S = 2.0
STEP_S = 0.02

Question = Callable[[], Awaitable[bool]]


class NotReady(StackError):
    """A part did not come up in time."""


async def wait_until(question: Question, what: str, timeout_s: float) -> None:
    """Ask again and again until the answer is yes."""
    deadline = time.monotonic() + timeout_s
    while not await answers(question):
        if time.monotonic() > deadline:
            raise NotReady(f"{what} did not answer within {timeout_s:.0f} s.")
        await asyncio.sleep(STEP_S)


async def answers(question: Question) -> bool:
    """One question; no answer in time, or a broken connection, is a no."""
    try:
        return await asyncio.wait_for(question(), ANSWER_TIMEOUT_S)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


async def selects_one(sockets: Path, user: str, database: str = "postgres") -> bool:
    """Whether the PostgreSQL behind this socket folder answers a query."""
    return await first_value(sockets, user, "select 1", database) == "1"


async def first_value(sockets: Path, user: str, query: str, database: str = "postgres") -> str | None:
    """The first column of the first row (wire protocol 3.0); None when it is null, missing, or the query fails."""
    reader, writer = await asyncio.open_unix_connection(sockets / ".s.PGSQL.5432")
    try:
        names = b"".join(word.encode() + b"\0" for word in ("user", user, "database", database))
        startup = struct.pack("!I", PROTOCOL_3) + names + b"\0"
        writer.write(struct.pack("!I", len(startup) + 4) + startup)
        if b"E" in await _until_idle(reader):
            return None
        sent = query.encode() + b"\0"
        writer.write(b"Q" + struct.pack("!I", len(sent) + 4) + sent)
        row = (await _until_idle(reader)).get(b"D")
        return _first_column(row) if row else None
    finally:
        writer.close()


async def listens(host: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return True


async def serves(host: str, port: int, path: str) -> bool:
    """Whether a GET answers 200."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        status = await reader.readline()
        return status.split()[1:2] == [b"200"]
    finally:
        writer.close()


async def _until_idle(reader: asyncio.StreamReader) -> dict[bytes, bytes]:
    """The last message of each kind up to ReadyForQuery, or up to an error."""
    messages: dict[bytes, bytes] = {}
    while not messages.keys() & {b"Z", b"E"}:
        kind, length = struct.unpack("!cI", await reader.readexactly(5))
        messages[kind] = await reader.readexactly(length - 4)
    return messages


def _first_column(row: bytes) -> str | None:
    count, length = struct.unpack("!hi", row[:6])
    return row[6 : 6 + length].decode() if count and length >= 0 else None
