"""Agents that do what agents do, good and bad; run by real hosts in the tests."""

import asyncio
import ctypes
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Request

from windlass import InputsError, Launch, ServeAPI, Tracer, forms, response

app = ServeAPI()
Agent = Callable[..., Any]


def flow(agent: Agent) -> Agent:
    """Serve an agent under its own name, with whatever inputs it gets."""

    async def enter(request: Request) -> Launch:
        return Launch(request, agent, await request.json())

    app.enter(f"/{agent.__name__}", forms.Model(forms.Submit("Go")), summary=agent.__name__)(enter)
    return agent


@flow
async def reports(tracer: Tracer) -> response.Markdown:
    """One of everything."""
    await tracer.debug("one", "two")
    await tracer.action({"looked": 1}, [2])
    await tracer.markdown("# Found")
    await tracer.html("<b>bold</b>")
    await tracer.text("plain")
    await tracer.warning("careful")
    print("to", "stdout")
    print("to stderr", file=sys.stderr)
    print("\n  \nunfinished", end="")
    logging.getLogger("agent").warning("logged")
    return response.Markdown("done")


@flow
async def trivial() -> str:
    """Be done."""
    return "done"


@flow
async def steps(inputs: dict[str, Any], tracer: Tracer) -> list[int]:
    """Steps one after the other, each leaving a mark outside."""
    return [
        await tracer.step(f"step {n}", mark, inputs["marks"], n, inputs.get("seconds", 0)) for n in range(inputs["n"])
    ]


async def mark(folder: str, number: int, seconds: float) -> int:
    """Leave a mark for this execution."""
    path = Path(folder) / str(number)
    await asyncio.to_thread(path.write_text, (path.read_text() if path.exists() else "") + "x")
    await asyncio.sleep(seconds)
    return number


@flow
async def parallel(inputs: dict[str, Any], tracer: Tracer) -> int:
    """Branches that report side by side."""

    async def branch(number: int) -> int:
        for turn in range(inputs["turns"]):
            await tracer.action(f"{number}.{turn}")
            print(f"branch {number} turn {turn}")
            await tracer.step("pause", asyncio.sleep, number / 500, key=f"{number}.{turn}")
        return number

    done = [await each for each in asyncio.as_completed([branch(n) for n in range(inputs["branches"])])]
    return sum(done)


@flow
def threaded(inputs: dict[str, Any], tracer: Tracer) -> list[int]:
    """A plain function as an agent."""
    print("in a thread")
    tracer.action_sync("working")
    return [tracer.step_sync("square", pow, n, 2) for n in range(inputs["n"])]


@flow
async def failing(tracer: Tracer) -> None:
    """Fail after some work."""
    await tracer.action("about to fail")
    raise ValueError("boom")


@flow
async def exits(tracer: Tracer) -> None:
    """Leave as scripts do."""
    task = asyncio.create_task(_exit())
    await task


async def _exit() -> None:
    sys.exit(7)


@flow
async def waits(tracer: Tracer) -> str:
    """Wait for a cancel and clean up."""
    print("waiting")
    try:
        await asyncio.sleep(3600)
    finally:
        await tracer.debug("cleaned up")
    return "never"


@flow
async def answers_late(tracer: Tracer) -> None:
    """Wait in a step."""
    await tracer.step("wait", asyncio.sleep, 300)


@flow
def stops_when_asked(tracer: Tracer) -> None:
    """Sync code that reports now and then."""
    print("looping")
    while True:
        time.sleep(0.01)
        tracer.debug_sync("still here")


@flow
async def wont_stop(tracer: Tracer) -> None:
    """A thread that cannot be stopped."""
    await tracer.step("wait for ever", _wait_for_ever)


def _wait_for_ever() -> None:
    print("stuck")
    threading.Event().wait()


@flow
async def sleeps(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Sleep durably."""
    await tracer.action("before")
    await tracer.sleep(inputs["seconds"])
    await tracer.action("after")
    return "rested"


@flow
async def sleeps_and_wakes(tracer: Tracer) -> str:
    """A long sleep that is given up after a while."""
    try:
        async with asyncio.timeout(4):
            await tracer.sleep(3600)
    except TimeoutError:
        await tracer.action("woke up")
    return "awake"


@flow
async def blocks(inputs: dict[str, Any]) -> str:
    """Block the loop everybody shares."""
    print("blocking")
    await asyncio.sleep(0.1)
    time.sleep(inputs["seconds"])  # noqa: ASYNC251 (the point of it)
    return "unblocked"


@flow
async def leaks() -> None:
    """Fill the memory, bit by bit."""
    kept: list[bytes] = []
    while True:
        kept.append(b"x" * 5_000_000)
        await asyncio.sleep(0.02)


@flow
async def steps_by_lambda(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Steps that report while they work, then reports of its own."""
    for number in range(3):
        await tracer.step(f"fetch {number}", lambda: _fetch(tracer))
        await tracer.action(f"fetched {number}")
    await tracer.step("pause", asyncio.sleep, inputs["seconds"])
    return "fetched"


async def _fetch(tracer: Tracer) -> str:
    await tracer.action("fetching")
    return "page"


@flow
async def shrugs(tracer: Tracer) -> str:
    """Take a cancel for an answer."""
    print("shrugging")
    try:
        await asyncio.sleep(300)
    except asyncio.CancelledError:
        return "whatever"
    return "slept"


@flow
async def prints_much(inputs: dict[str, Any]) -> str:
    """Print without ever waiting."""
    for _ in range(inputs["lines"]):
        print("x" * inputs["width"])
    return "printed"


@flow
def prints_much_in_a_thread(inputs: dict[str, Any]) -> str:
    """Print from a thread."""
    for _ in range(inputs["lines"]):
        print("x" * inputs["width"])
    return "printed"


@flow
async def reports_much(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Report more than the driver has stored."""
    for number in range(inputs["n"]):
        await tracer.action(number)
    return "reported"


@flow
async def returns_much(inputs: dict[str, Any]) -> str:
    """Return a lot."""
    return "x" * inputs["bytes"]


@flow
async def big_steps(inputs: dict[str, Any], tracer: Tracer) -> int:
    """Steps with big results."""
    sizes = [len(await tracer.step(f"big {n}", str.ljust, "x", inputs["bytes"])) for n in range(inputs["n"])]
    return sum(sizes)


@flow
async def step_returns_much(tracer: Tracer) -> str:
    """A step that returns a lot."""
    return await tracer.step("too much", lambda: "x" * 17_000_000)


@flow
async def vanishes(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Take the process down the first times."""
    await tracer.step("before", lambda: 1)
    marks = Path(inputs["marks"])
    marks.write_text((marks.read_text() if marks.exists() else "") + "x")
    if len(marks.read_text()) <= inputs["times"]:
        os._exit(9)
    return "survived"


@flow
async def stands_still(tracer: Tracer) -> bool:
    """Call what never lets go of the interpreter, as a pattern that takes years does; nothing else runs meanwhile."""
    print("standing still")
    await tracer.step("before", lambda: 1)
    return bool(ctypes.PyDLL(None).sleep(300))


@flow
async def environment(tracer: Tracer) -> dict[str, Any]:
    """Tell what the process looks like."""
    thread = threading.Thread(target=print, args=("from a thread of its own",))
    thread.start()
    thread.join()
    return {
        "pid": os.getpid(),
        "run": os.environ.get("WINDLASS_RUN_ID"),
        "fid": os.environ.get("KODOSUMI_FID"),
        "tracer": [tracer.run_id, tracer.fid, tracer.user_id, tracer.tenant_id, tracer.attempt],
    }


@flow
async def has_children(tracer: Tracer) -> None:
    """Start a process of its own and wait."""
    child = subprocess.Popen(["sleep", "300"])
    print(child.pid)
    await asyncio.sleep(300)


@flow
async def once(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Something that must not happen twice."""
    return await tracer.step("pay", _pay, inputs["marks"], once=True)


async def _pay(marks: str) -> str:
    path = Path(marks)
    await asyncio.to_thread(path.write_text, "paid")
    await asyncio.sleep(300)
    return "paid"


@flow
async def leaves_tasks(tracer: Tracer) -> str:
    """Return while a task is still at work."""

    async def work() -> None:
        try:
            await asyncio.sleep(300)
        finally:
            await tracer.debug("stopped")

    tasks = {asyncio.create_task(work())}
    await asyncio.sleep(0)
    return f"left {len(tasks)}"


@flow
async def odd_values(tracer: Tracer) -> dict[str, Any]:
    """Values no database takes as they are."""
    print("nul \x00 and half \ud83d")
    await tracer.action({"nan": float("nan"), "big": 2**80, "bytes": b"ab", "nul\x00": "\x00"})
    return {"kept": await tracer.step("odd", lambda: "a\x00b")}


FORM = forms.Model(forms.InputText("name", required=True), forms.InputNumber("age"), forms.Errors(), forms.Submit("Go"))


@app.enter("/asks", FORM, summary="Asks", author="me@example.com", organization="Org", version="1.2.3", tags=["a", "B"])
def enter_asks(inputs: dict[str, Any], request: Request) -> Launch:
    """A handler that checks, computes and launches."""
    if inputs["name"] == "bad":
        error = InputsError("global message")
        error.add(name="name must not be bad")
        raise error
    print(f"asked by {request.state.user}")
    return Launch(request, "agents:answers", {**inputs, "at": time.time_ns()}, summary="Better", extra={"a": 1})


async def answers(inputs: dict[str, Any], tracer: Tracer) -> dict[str, Any]:
    """Give back what came."""
    await tracer.step("wait", asyncio.sleep, inputs["age"] or 0)
    return inputs


@app.enter("/wrong", forms.Model())
async def enter_wrong() -> dict[str, str]:
    """A handler that launches nothing."""
    return {"not": "a launch"}


@app.enter("/broken", forms.Model())
async def enter_broken() -> Launch:
    """A handler that fails."""
    raise RuntimeError("This is a runtime error")


@app.enter("/considers", forms.Model())
async def enter_considers() -> dict[str, str]:
    """A handler that takes its time, and launches nothing either."""
    await asyncio.sleep(0.5)
    return {"not": "a launch"}
