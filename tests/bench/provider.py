"""The stand-in of the model provider behind a door where it is written down when it was asked, spoke, and was left."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from stack.standin.server import HOST, listen

WORDS = b"content_block_delta"
PIECE = 65_536


@dataclass(slots=True)
class Provider:
    """Seconds of `time.perf_counter`, in their order; whoever leaves in the middle of an answer has hung up."""

    url: str = ""
    asked_at: list[float] = field(default_factory=list[float])
    spoke_at: list[float] = field(default_factory=list[float])
    left_at: list[float] = field(default_factory=list[float])

    async def pass_on(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        """Carry a request, and see to it that its sender's end is the answer's."""
        self.asked_at.append(time.perf_counter())
        with suppress(ConnectionError):
            while some := await near.read(PIECE):
                far.write(some)
                await far.drain()

    async def pass_back(self, far: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        """Carry an answer."""
        has_spoken = False
        while some := await far.read(PIECE):
            if WORDS in some and not has_spoken:
                has_spoken = True
                self.spoke_at.append(time.perf_counter())
            near.write(some)
            await near.drain()


@asynccontextmanager
async def answering() -> AsyncGenerator[Provider]:
    """A stand-in, and its door."""
    standin, provider = await listen(0), Provider()
    port = standin.sockets[0].getsockname()[1]

    async def meet(near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        far, far_writer = await asyncio.open_connection(HOST, port)
        asking = asyncio.create_task(provider.pass_on(near, far_writer))
        answer = asyncio.create_task(provider.pass_back(far, near_writer))
        await asyncio.wait((asking, answer), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            provider.left_at.append(time.perf_counter())
        for writer in (far_writer, near_writer):
            writer.close()
        asking.cancel()
        await asyncio.gather(asking, answer, return_exceptions=True)

    async with await asyncio.start_server(meet, HOST, 0) as door:
        provider.url = f"http://{HOST}:{door.sockets[0].getsockname()[1]}"
        yield provider
    standin.close()
