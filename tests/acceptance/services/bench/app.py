"""App B of the acceptance cases, as it was written for Kodosumi: five flows, each good at one thing."""

import asyncio
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

import windlass.forms as F
from windlass import InputsError, Launch, ServeAPI, Tracer

app = ServeAPI()

trivial_model = F.Model(
    F.Markdown("# Trivial"),
    F.Errors(),
    F.InputText(label="Name", name="name", value="x", required=True),
    F.Submit("GO"),
    F.Cancel("Cancel"),
)
sleep_model = F.Model(
    F.InputNumber(label="Steps", name="n", value=3),
    F.InputNumber(label="Seconds", name="seconds", value=1),
    F.Submit("GO"),
)
count_model = F.Model(F.InputNumber(label="Events", name="n", value=10), F.Submit("GO"))
bare_model = F.Model(F.Submit("GO"))

REFUSED: dict[str, Any] = {
    "a dict": {"ok": True},
    "a response": JSONResponse({"ok": True}),
    "no id": {"headers": {"fid": None}},
}


@app.enter(
    "/trivial",
    trivial_model,
    summary="Trivial",
    author="me@example.com",
    organization="Org",
    version="1.2.3",
    tags=["bench", "Test"],
)
async def enter_trivial(request: Request, inputs: dict[str, Any]) -> Any:
    """Launch what has a good name; what else is done depends on the name."""
    name = inputs["name"]
    if name == "bad":
        error = InputsError("global message")
        error.add(name="name must not be bad")
        raise error
    if name == "an error":
        raise RuntimeError("This is a runtime error")
    return REFUSED[name] if name in REFUSED else Launch(request, "app:trivial", inputs=inputs)


async def trivial(inputs: dict[str, Any]) -> dict[str, Any]:
    """Do nothing."""
    return {"ok": True, "name": inputs["name"]}


@app.enter("/sleep", sleep_model, summary="Sleeper")
async def enter_sleep(request: Request, inputs: dict[str, Any]) -> Launch:
    """Launch what takes its time."""
    return Launch(request, "app:sleep", inputs=inputs)


async def sleep(inputs: dict[str, Any], tracer: Tracer) -> dict[str, Any]:
    """Take one step after the other."""
    return {"taken": [await tracer.step(f"step {n}", nap, n, inputs["seconds"]) for n in range(inputs["n"])]}


async def nap(number: int, seconds: float) -> int:
    """Sleep, and say which time it was."""
    await asyncio.sleep(seconds)
    return number


@app.enter("/events", count_model, summary="Events")
async def enter_events(request: Request, inputs: dict[str, Any]) -> Launch:
    """Launch what has much to say."""
    return Launch(request, "app:events", inputs=inputs)


async def events(inputs: dict[str, Any], tracer: Tracer) -> int:
    """Say something in every way, again and again."""
    for number in range(inputs["n"]):
        await tracer.debug(f"debug {number}")
        print(f"stdout {number}")
        await tracer.action({"action": number})
        await tracer.result({"result": number})
    return inputs["n"]


@app.enter("/lock", bare_model, summary="Locker")
async def enter_lock(request: Request, inputs: dict[str, Any]) -> Launch:
    """Launch what asks."""
    return Launch(request, "app:lock", inputs=inputs)


@app.lock("go")
async def lock_go() -> F.Model:
    """Ask for a word."""
    return F.Model(F.InputText(label="Word", name="word", required=True), F.Submit("OK"))


async def lock(tracer: Tracer) -> dict[str, Any]:
    """Ask, and give back what was answered."""
    return {"answer": await tracer.lock("go")}


@app.enter("/fail", bare_model, summary="Failer")
async def enter_fail(request: Request, inputs: dict[str, Any]) -> Launch:
    """Launch what fails."""
    return Launch(request, "app:fail", inputs=inputs)


async def fail() -> None:
    """Fail."""
    raise ValueError("boom")
