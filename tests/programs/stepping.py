"""A service whose steps leave a mark in a file outside at every execution."""

import asyncio
import os
from typing import Any

from fastapi import Request

from windlass import Launch, ServeAPI, Tracer, forms

app = ServeAPI()


@app.enter(
    "/steps",
    forms.Model(
        forms.InputText("marks", label="File that gets a line per execution", required=True),
        forms.InputNumber("n", label="How many steps", value=30, min_value=1, required=True),
        forms.InputNumber("seconds", label="Seconds for each", value=0.2, min_value=0, required=True),
        forms.Submit("Start"),
    ),
)
async def enter_steps(inputs: dict[str, Any], request: Request) -> Launch:
    """Take steps that can be counted from outside."""
    return Launch(request, take_steps, inputs)


async def take_steps(inputs: dict[str, Any], tracer: Tracer) -> dict[str, list[int]]:
    """Take one step after the other."""
    marks, seconds = inputs["marks"], inputs["seconds"]
    taken = [await tracer.step(f"step {i}", take_step, i, marks, seconds) for i in range(int(inputs["n"]))]
    return {"taken": taken}


@app.enter(
    "/sleep",
    forms.Model(
        forms.InputText("marks", label="File that gets a line per execution", required=True),
        forms.InputNumber("seconds", label="How long", value=35, min_value=0, required=True),
        forms.Submit("Start"),
    ),
)
async def enter_sleep(inputs: dict[str, Any], request: Request) -> Launch:
    """Sleep between two steps: long sleeps are parked."""
    return Launch(request, sleep_between, inputs)


async def sleep_between(inputs: dict[str, Any], tracer: Tracer) -> dict[str, list[int]]:
    """Take a step, sleep, take another."""
    first = await tracer.step("step 0", take_step, 0, inputs["marks"], 0)
    await tracer.sleep(inputs["seconds"])
    return {"taken": [first, await tracer.step("step 1", take_step, 1, inputs["marks"], 0)]}


@app.lock("go on?")
def may_go_on() -> forms.Model:
    """Asks for a word."""
    return forms.Model(forms.InputText("word", required=True), forms.Submit("Go on"))


@app.lease("go on?")
def went_on(inputs: dict[str, Any]) -> str:
    """The word alone."""
    return inputs["word"]


@app.enter("/ask", forms.Model(forms.InputText("marks", required=True), forms.Submit("Start")))
async def enter_ask(inputs: dict[str, Any], request: Request) -> Launch:
    """Ask between two steps."""
    return Launch(request, ask_between, inputs)


async def ask_between(inputs: dict[str, Any], tracer: Tracer) -> dict[str, Any]:
    """Take a step, ask, take another."""
    first = await tracer.step("step 0", take_step, 0, inputs["marks"], 0)
    word = await tracer.lock("go on?")
    return {"taken": [first, await tracer.step("step 1", take_step, 1, inputs["marks"], 0)], "word": word}


@app.get("/pid")
async def pid() -> int:
    """Which process answers."""
    return os.getpid()


async def take_step(number: int, marks: str, seconds: float) -> int:
    """Leave a mark, then work."""
    file = os.open(marks, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{number}\n".encode())
    finally:
        os.close(file)
    await asyncio.sleep(seconds)
    return number
