"""The screen's own protocol (RFB 3.8, RFC 6143): does it answer, what does it show, and how its password is kept."""

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from activities.containers import Frame, ScreenAway
from windlass.core.rfb import GREETING, PORT, Malformed, Refused, encrypt, sign_in

PATIENCE_S = 1.0
FILE_KEY = bytes([23, 82, 107, 6, 35, 78, 88, 7])  # every VNC server's: the file is obfuscated, not encrypted

RAW = 0
PIXEL_BYTES = 4
PIXELS = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)  # blue, green, red, nothing
KEY, POINTER = 4, 5  # what a screen is told
PACE_S = 0.004  # between two of them
UPDATE, COLOURS, BELL, CUT_TEXT = 0, 1, 2, 3  # what a screen says
LARGEST_PIXELS = 8192 * 8192
LONGEST_TEXT = 1 << 20
BUFFER_BYTES = 1 << 20


async def answers(host: str, port: int = PORT) -> bool:
    """Whether a screen greets there."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                return await reader.readexactly(len(GREETING)) == GREETING
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


class Session:
    """One sign-in at a screen."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.width = self.height = 0
        self.pointer = (0, 0)

    async def sign_in(self, password: str) -> None:
        """Say hello, show the password, and agree on pixels. Raises ScreenAway."""
        try:
            await sign_in(self._reader, self._writer, password)
        except (Refused, Malformed) as refusal:
            raise ScreenAway(f"the screen does not let us in: {refusal}") from refusal
        self._writer.write(b"\1")  # others stay signed in
        self.width, self.height = struct.unpack(">HH", await self._read(4))
        await self._read(16)
        await self._pass_text()
        if self.width * self.height > LARGEST_PIXELS:
            raise ScreenAway(f"the screen claims {self.width} by {self.height} pixels")
        self._writer.write(b"\0\0\0\0" + PIXELS + struct.pack(">BxHi", 2, 1, RAW))

    async def point(self, x: int | None, y: int | None, buttons: int = 0) -> None:
        """Move the pointer, or leave it where it is, with these buttons down."""
        if x is not None and y is not None:
            self.pointer = (x, y)
        self._writer.write(struct.pack(">BBHH", POINTER, buttons, *self.pointer))
        await self._said()

    async def press(self, keysym: int, *, is_down: bool) -> None:
        """Press a key or let it go."""
        self._writer.write(struct.pack(">BBxxI", KEY, is_down, keysym))
        await self._said()

    async def settled(self, pause_s: float) -> Frame:
        """The screen once everything so far has been taken in, and a moment has passed. Raises ScreenAway."""
        if pause_s:
            await asyncio.sleep(pause_s)
        return await self.frame()

    async def _said(self) -> None:
        """Leave programs the time that a fast person would."""
        await self._writer.drain()
        await asyncio.sleep(PACE_S)

    async def frame(self) -> Frame:
        """The whole screen as it is now. Raises ScreenAway."""
        self._writer.write(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        await self._writer.drain()
        pixels, missing = bytearray(self.width * self.height * PIXEL_BYTES), self.width * self.height
        while missing > 0:
            (kind,) = await self._read(1)
            if kind == UPDATE:
                missing -= await self._update(pixels)
            else:
                await self._pass_over(kind)
        return Frame(self.width, self.height, bytes(pixels))

    async def _update(self, pixels: bytearray) -> int:
        """Paint what is new; answers how many pixels that were."""
        painted = 0
        (count,) = struct.unpack(">xH", await self._read(3))
        for _ in range(count):
            x, y, width, height, encoding = struct.unpack(">HHHHi", await self._read(12))
            if encoding != RAW or x + width > self.width or y + height > self.height:
                raise ScreenAway("the screen speaks another protocol")
            row = width * PIXEL_BYTES
            content = await self._read(row * height)
            for line in range(height):
                start = ((y + line) * self.width + x) * PIXEL_BYTES
                pixels[start : start + row] = content[line * row : (line + 1) * row]
            painted += width * height
        return painted

    async def _pass_over(self, kind: int) -> None:
        """Read a message that says nothing about pixels."""
        if kind == COLOURS:
            (count,) = struct.unpack(">xxxH", await self._read(5))
            await self._read(6 * count)
        elif kind == CUT_TEXT:
            await self._read(3)
            await self._pass_text()
        elif kind != BELL:
            raise ScreenAway("the screen speaks another protocol")

    async def _pass_text(self) -> None:
        """Read a text that is of no concern. Raises ScreenAway."""
        length = int.from_bytes(await self._read(4), "big")
        if length > LONGEST_TEXT:  # reading on in its middle would take it for something else
            raise ScreenAway(f"the screen says a text of {length} bytes")
        await self._read(length)

    async def _read(self, count: int) -> bytes:
        return await self._reader.readexactly(count)


@asynccontextmanager
async def signed_in(host: str, password: str, port: int = PORT) -> AsyncGenerator[Session]:
    """A session at a screen, for as long as the block. Raises ScreenAway."""
    try:
        reader, writer = await asyncio.open_connection(host, port, limit=BUFFER_BYTES)
        try:
            session = Session(reader, writer)
            await session.sign_in(password)
            yield session
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError) as error:
        raise ScreenAway(f"the screen does not answer ({type(error).__name__})") from error


def password_file(password: str) -> bytes:
    """The content of the file a VNC server reads its password from."""
    return encrypt(FILE_KEY, password.encode()[:8].ljust(8, b"\0"))
