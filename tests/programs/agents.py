"""Agents the engine's tests run in a real host; files in a folder are how tests and agents meet."""

import asyncio
import os
from pathlib import Path
from typing import Any

from fastapi import Request

from windlass import InputsError, Launch, ServeAPI, Tracer, forms

FORM = forms.Model(
    forms.InputText("folder", label="Where agent and test meet"),
    forms.InputNumber("n", label="How many", value=3),
    forms.Submit("Start"),
)

app = ServeAPI()


async def has_file(folder: str, name: str) -> None:
    """Wait for a file."""
    while not (Path(folder) / name).exists():  # noqa: ASYNC110  other processes leave it
        await asyncio.sleep(0.01)


def leave(folder: str, name: str) -> None:
    """Add a line to a file."""
    with (Path(folder) / name).open("a") as file:
        file.write("x\n")


@app.get("/pid")
@app.post("/pid")
async def pid(folder: str = "") -> int:
    """Which process answers, once the file `free` is there if it has to be."""
    if folder:
        leave(folder, str(os.getpid()))
        await has_file(folder, "free")
    return os.getpid()


@app.enter("/greet", FORM)
async def enter_greet(inputs: dict[str, Any], request: Request) -> Launch:
    return Launch(request, greet, {"name": f"{inputs['folder']}!"})


async def greet(inputs: dict[str, str]) -> str:
    """What a handler computed comes back."""
    return inputs["name"]


@app.enter("/fail", FORM)
async def enter_fail(inputs: dict[str, Any], request: Request) -> Launch:
    return Launch(request, fail, inputs)


async def fail(inputs: dict[str, Any], tracer: Tracer) -> int:
    """Fail until the attempt given by `n`."""
    await tracer.action(f"attempt {tracer.attempt}")
    if tracer.attempt < inputs["n"]:
        raise ValueError(f"no luck in attempt {tracer.attempt}")
    return tracer.attempt


@app.enter("/steps", FORM)
async def enter_steps(inputs: dict[str, Any], request: Request) -> Launch:
    return Launch(request, steps, inputs)


async def steps(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Take `n` steps that count themselves outside; the last but one waits for the file `go`."""
    count = int(inputs["n"])
    done = [await tracer.step(f"step {i}", take, inputs["folder"], i, i == count - 2) for i in range(count)]
    await tracer.action("all done")
    return " ".join(map(str, done))


async def take(folder: str, number: int, waits: bool) -> int:
    leave(folder, f"step-{number}")
    if waits:
        await has_file(folder, "go")
    return number * 10


@app.enter("/wait", FORM)
async def enter_wait(inputs: dict[str, Any], request: Request) -> Launch:
    return Launch(request, wait, inputs)


async def wait(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Wait for the file `go`; a cancel is noted outside."""
    await tracer.action("waiting")
    leave(inputs["folder"], "waiting")
    try:
        await has_file(inputs["folder"], "go")
    except asyncio.CancelledError:
        leave(inputs["folder"], "cancelled")
        raise
    return "gone"


@app.enter("/die", FORM)
async def enter_die(inputs: dict[str, Any], request: Request) -> Launch:
    return Launch(request, die, inputs)


async def die(inputs: dict[str, Any], tracer: Tracer) -> None:
    """End the process as soon as the file `go` is there."""
    await tracer.action("about to die")
    leave(inputs["folder"], "waiting")
    await has_file(inputs["folder"], "go")
    os._exit(7)


@app.enter("/sleep", FORM)
async def enter_sleep(inputs: dict[str, Any], request: Request) -> Launch:
    return Launch(request, sleep, inputs)


async def sleep(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Sleep for a minute, or until the file `go` is there."""
    leave(inputs["folder"], "sleeping")
    sleeping = asyncio.create_task(tracer.sleep(60))
    woken = asyncio.create_task(has_file(inputs["folder"], "go"))
    await asyncio.wait({sleeping, woken}, return_when=asyncio.FIRST_COMPLETED)
    await tracer.action("woken")
    return "rested"


@app.enter("/choosy", FORM)
async def enter_choosy(inputs: dict[str, Any], request: Request) -> Launch:
    """Refuse some, launch nothing for others, break at a third; count how often it was asked."""
    match inputs["n"]:
        case 13:
            raise InputsError("we are superstitious", n="must not be 13")
        case 14:
            return {"no": "launch"}  # type: ignore[return-value]
        case 15:
            raise RuntimeError("This is a runtime error")
        case _:
            leave(inputs["folder"], "asked")
            return Launch(request, greet, {"name": f"{request.headers['x-windlass-run']}"})


@app.lock("decide")
def decide(data: dict[str, Any]) -> forms.Model:
    """A question with a handler."""
    return forms.Model(
        forms.Markdown(f"# Decide about {data['what']}"),
        forms.InputNumber("amount", label="Amount", required=True, min_value=1),
        forms.Submit("Decide"),
    )


@app.lease("decide")
def decided(inputs: dict[str, Any]) -> dict[str, Any]:
    """Refuse what only the service can know to be wrong."""
    if inputs["amount"] == 13:
        raise InputsError("we are superstitious", amount="must not be 13")
    return {"decided": inputs["amount"]}


@app.enter("/ask", FORM)
async def enter_ask(inputs: dict[str, Any], request: Request) -> Launch:
    return Launch(request, ask, inputs)


async def ask(inputs: dict[str, Any], tracer: Tracer) -> str:
    """A step, a question with a deadline of `n` seconds, a step."""
    await tracer.step("before", take, inputs["folder"], 0, False)
    try:
        answer = await tracer.lock("decide", {"what": "lunch"}, timeout=inputs["n"])
    except TimeoutError:
        return "nobody answered"
    await tracer.step("after", take, inputs["folder"], 1, False)
    return f"decided {answer['decided']}"


@app.enter("/ask_two", FORM)
async def enter_ask_two(inputs: dict[str, Any], request: Request) -> Launch:
    return Launch(request, ask_two, inputs)


async def ask_two(tracer: Tracer) -> list[str]:
    """Two questions at once, in plain words."""
    return list(await asyncio.gather(tracer.ask("Where?"), tracer.ask("Which?", options=["left", "right"])))


@app.enter("/trivial", forms.Model(forms.Submit("Start")))
async def enter_trivial(request: Request) -> Launch:
    return Launch(request, trivial)


async def trivial() -> str:
    return "done"
