"""The service `stepping` with neighbours that do too much: each harms the process all of them share."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from fastapi import Request
from stepping import app

from windlass import Launch, Tracer, forms

LINE = "x" * 1023
BLOCK_MIB = 16


def form(name: str, value: int) -> forms.Model:
    """One number."""
    return forms.Model(forms.InputNumber(name, value=value, required=True), forms.Submit("Start"))


@app.enter("/print", form("mib", 1024))
async def enter_print(inputs: dict[str, Any], request: Request) -> Launch:
    """Print without end."""
    return Launch(request, print_much, inputs)


def print_much(inputs: dict[str, Any]) -> str:
    """Print so many MiB from a thread, as fast as it goes."""
    for _ in range(int(inputs["mib"]) * 1024):
        print(LINE)  # noqa: T201
    return "printed"


@app.enter("/return", form("mib", 100))
async def enter_return(inputs: dict[str, Any], request: Request) -> Launch:
    """Return a lot."""
    return Launch(request, return_much, inputs)


async def return_much(inputs: dict[str, Any]) -> str:
    """Return so many MiB."""
    return "x" * (int(inputs["mib"]) * 2**20)


@app.enter("/block", forms.Model(forms.InputText("mark"), forms.InputNumber("seconds", value=12), forms.Submit("Go")))
async def enter_block(inputs: dict[str, Any], request: Request) -> Launch:
    """Block the event loop."""
    return Launch(request, block_once, inputs)


async def block_once(inputs: dict[str, Any]) -> str:
    """Block everybody, the first time."""
    block(Path(inputs["mark"]), inputs["seconds"])
    return "unblocked"


def block(mark: Path, seconds: float) -> None:
    """Sleep without awaiting."""
    if not mark.exists():
        mark.touch()
        time.sleep(seconds)


@app.enter("/exit", form("code", 9))
async def enter_exit(inputs: dict[str, Any], request: Request) -> Launch:
    """End the process."""
    return Launch(request, end_process, inputs)


async def end_process(inputs: dict[str, Any], tracer: Tracer) -> None:
    """Take everybody along, every time."""
    await tracer.action("leaving")
    os._exit(int(inputs["code"]))


@app.enter("/leak", form("mib", 4096))
async def enter_leak(inputs: dict[str, Any], request: Request) -> Launch:
    """Keep everything."""
    return Launch(request, leak, inputs)


def leak(inputs: dict[str, Any]) -> int:
    """Take so many MiB in a thread, block by block, and keep them."""
    kept: list[bytearray] = []
    for _ in range(int(inputs["mib"]) // BLOCK_MIB):
        kept.append(bytearray(os.urandom(2**20) * BLOCK_MIB))
        time.sleep(0.02)
    return sum(map(sys.getsizeof, kept))
