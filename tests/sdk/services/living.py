"""A program that opens something before it serves and closes it afterwards; each says so in a file."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

from windlass import Launch, ServeAPI, Tracer, forms

NOTES = Path(os.environ["NOTES"])


class Pool(str):
    """What runs use while it is open."""

    def __init__(self, _name: str) -> None:
        self._is_closed = asyncio.Event()

    async def query(self) -> str:
        """Take longer than anybody waits. Raises ConnectionError when the pool is closed meanwhile."""
        await self._is_closed.wait()
        raise ConnectionError("the pool is closed")

    async def close(self) -> None:
        """Break off every query, and see whoever asked raise."""
        self._is_closed.set()
        await asyncio.sleep(0.5)


def note(word: str) -> None:
    with NOTES.open("a") as file:
        file.write(f"{os.getpid()} {word}\n")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    note("opened")
    if os.environ.get("BROKEN"):
        sys.exit("DATABASE_URL is missing")
    if os.environ.get("UNWANTED"):
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
    pool = Pool(f"pool of {os.getpid()}")
    yield {"pool": pool}
    note("closed")
    await pool.close()


app = ServeAPI(lifespan=lifespan)


@app.enter("/pool", forms.Model(forms.Submit("Go")))
async def enter(request: Request) -> Launch:
    """Say which pool the handler was given."""
    return Launch(request, say, {"pool": request.state.pool})


async def say(inputs: dict[str, str]) -> str:
    """Say it."""
    return inputs["pool"]


@app.enter("/query", forms.Model(forms.Submit("Go")))
async def enter_query(request: Request) -> Launch:
    """Ask the pool for something."""
    return Launch(request, query)


async def query(tracer: Tracer) -> int:
    """Ask the pool of the first process, which closes it; the second has the first one's step and need not ask."""
    first = await tracer.step("first", os.getpid)
    if first == os.getpid():
        print("asking")
        await app.yielded["pool"].query()
    return first
