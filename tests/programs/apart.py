"""Agents that have a process each."""

import os
from pathlib import Path
from typing import Any

from fastapi import Request

from windlass import Launch, ServeAPI, Tracer, forms

app = ServeAPI(isolation="process")
FORM = forms.Model(forms.InputText("folder", label="Where agent and test meet"), forms.Submit("Start"))


@app.enter("/pids", FORM)
async def enter_pids(request: Request) -> Launch:
    return Launch(request, pids)


async def pids() -> str:
    """Which process this is, and whose child."""
    return f"{os.getpid()} {os.getppid()}"


@app.enter("/fragile", FORM)
async def enter_fragile(inputs: dict[str, Any], request: Request) -> Launch:
    return Launch(request, fragile, inputs)


async def fragile(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Die after every new step."""
    for number in range(4):
        await tracer.step(f"step {number}", stumble, inputs["folder"], number)
    return "across"


def stumble(folder: str, number: int) -> int:
    """The first execution ends the process."""
    mark = Path(folder) / f"step-{number}"
    if not mark.exists():
        mark.touch()
        os._exit(9)
    return number
