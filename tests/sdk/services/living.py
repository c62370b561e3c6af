"""A program that opens something before it serves and closes it afterwards; each says so in a file."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

from windlass import Launch, ServeAPI, forms

NOTES = Path(os.environ["NOTES"])


def note(word: str) -> None:
    with NOTES.open("a") as file:
        file.write(f"{os.getpid()} {word}\n")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    note("opened")
    if os.environ.get("BROKEN"):
        raise ConnectionError("no database there")
    yield {"pool": f"pool of {os.getpid()}"}
    note("closed")


app = ServeAPI(lifespan=lifespan)


@app.enter("/pool", forms.Model(forms.Submit("Go")))
async def enter(request: Request) -> Launch:
    """Say which pool the handler was given."""
    return Launch(request, say, {"pool": request.state.pool})


async def say(inputs: dict[str, str]) -> str:
    """Say it."""
    return inputs["pool"]
