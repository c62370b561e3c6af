"""The screen's protocol against screens of our own that misbehave, and frames as pictures."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from io import BytesIO

import pytest
from PIL import Image

from activities.adapters import rfb
from activities.adapters.screens import webp
from activities.containers import Frame, ScreenAway

CHALLENGE = bytes(range(16))
Show = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def screen(show: Show, *, size: tuple[int, int] = (4, 2), accepts: bool = True) -> AsyncGenerator[int]:
    """A screen that signs everybody in, or nobody, and then does what `show` says; answers its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(rfb.GREETING)
        await reader.readexactly(len(rfb.GREETING))
        writer.write(b"\2\1\2")
        await reader.readexactly(1)
        writer.write(CHALLENGE)
        known = await reader.readexactly(16) == rfb.encrypt(b"password", CHALLENGE)
        writer.write(struct.pack(">I", 0 if known and accepts else 1))
        if known and accepts:
            await reader.readexactly(1)
            writer.write(struct.pack(">HH16xI", *size, 4) + b"desk")
            with suppress(asyncio.IncompleteReadError, ConnectionError):  # the other side hangs up
                await reader.readexactly(20 + 8)
                await show(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def painted(x: int, y: int, width: int, height: int, pixel: bytes, encoding: int = 0) -> bytes:
    """One rectangle of one colour."""
    return struct.pack(">HHHHi", x, y, width, height, encoding) + pixel * (width * height)


async def halves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Two updates with a bell and a text between them."""
    await reader.readexactly(10)
    writer.write(struct.pack(">BxH", 0, 1) + painted(0, 0, 2, 2, b"\0\0\xff\0"))
    writer.write(b"\2" + struct.pack(">B3xI", 3, 5) + b"hello")
    writer.write(struct.pack(">BxH", 0, 1) + painted(2, 0, 2, 2, b"\xff\0\0\0"))
    await writer.drain()


async def test_a_frame_is_put_together_from_what_the_screen_sends():
    async with screen(halves) as port, rfb.signed_in("127.0.0.1", "password", port) as session:
        frame = await session.frame()

    picture = Image.open(BytesIO(webp(frame)))
    assert (frame.width, frame.height, picture.format, picture.size) == (4, 2, "WEBP", (4, 2))
    assert frame.pixels == (b"\0\0\xff\0" * 2 + b"\xff\0\0\0" * 2) * 2


def test_a_picture_has_the_colours_of_its_frame():
    frame = Frame(64, 64, b"\0\0\xff\0" * 64 * 64)

    red, green, blue = Image.open(BytesIO(webp(frame))).convert("RGB").tobytes()[-3:]

    assert red > 240
    assert max(green, blue) < 20


async def outside(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(10)
    writer.write(struct.pack(">BxH", 0, 1) + painted(3, 0, 2, 2, b"\0\0\0\0"))


async def packed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(10)
    writer.write(struct.pack(">BxH", 0, 1) + painted(0, 0, 4, 2, b"\0\0\0\0", encoding=16))


async def unknown(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(10)
    writer.write(b"\x63")


async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A text that would never be read to its end, and after it what looks like a frame."""
    await reader.readexactly(10)
    writer.write(b"\3" + struct.pack(">3xI", 1 << 21) + b"x" * (1 << 20))
    writer.write(struct.pack(">BBxH", 2, 0, 1) + painted(0, 0, 4, 2, b"\0\0\0\0"))
    await writer.drain()


async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """It hangs up."""


@pytest.mark.parametrize("show", [outside, packed, unknown, talkative, silent])
async def test_a_screen_that_misbehaves_gives_no_frame(show: Show):
    async with screen(show) as port:
        with pytest.raises(ScreenAway):
            async with rfb.signed_in("127.0.0.1", "password", port) as session:
                await session.frame()


async def test_a_screen_that_refuses_the_password_or_claims_too_much_is_away():
    async with screen(silent, accepts=False) as port:
        with pytest.raises(ScreenAway, match="the password is not the screen's"):
            async with rfb.signed_in("127.0.0.1", "password", port):
                pass
    async with screen(silent, size=(65535, 65535)) as port:
        with pytest.raises(ScreenAway, match="claims 65535 by 65535"):
            async with rfb.signed_in("127.0.0.1", "password", port):
                pass


async def test_where_nobody_listens_the_screen_is_away():
    with pytest.raises(ScreenAway, match="does not answer"):
        async with rfb.signed_in("127.0.0.1", "password", 9):
            pass
