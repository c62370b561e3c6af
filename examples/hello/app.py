"""Five small flows, one file: what a service looks like."""

import asyncio
from pathlib import Path

from fastapi import Request

from windlass import Launch, ServeAPI, Tracer, forms

app = ServeAPI()


@app.enter(
    "/greet",
    forms.Model(
        forms.Markdown("# Say hello"),
        forms.InputText("name", label="Your name", required=True),
        forms.Submit("Greet me"),
        forms.Cancel("Cancel"),
    ),
    tags=["hello"],
)
async def enter_greet(inputs: dict[str, str], request: Request) -> Launch:
    """Greet somebody."""
    return Launch(request, greet, inputs)


async def greet(inputs: dict[str, str], tracer: Tracer) -> str:
    """Find the right words, once, and say them."""
    words = await tracer.step("find the words", compose, inputs["name"])
    print(words)
    return words


def compose(name: str) -> str:
    """What a step calls may be any function."""
    return f"Hello {name}!"


@app.enter(
    "/count",
    forms.Model(
        forms.Markdown("# Count words"),
        forms.InputText("path", label="A text file", required=True),
        forms.InputNumber("chunk_lines", label="Lines at a time", value=100, min_value=1),
        forms.Submit("Count"),
        forms.Cancel("Cancel"),
    ),
    tags=["hello", "files"],
)
async def enter_count(inputs: dict[str, str], request: Request) -> Launch:
    """Count the words of a text file, a few lines at a time."""
    return Launch(request, count, inputs)


async def count(inputs: dict[str, str], tracer: Tracer) -> dict[str, int]:
    """Count part after part; after a crash the parts that were counted are not counted again."""
    path, size = inputs["path"], int(inputs["chunk_lines"] or 100)
    lines = await tracer.step("measure the file", count_lines, path)
    words = 0
    for start in range(0, lines, size):
        words += await tracer.step(f"lines from {start + 1}", count_words, path, start, size)
        await tracer.action(f"{words} words so far")
    await tracer.markdown(f"**{words}** words in {lines} lines")
    return {"lines": lines, "words": words}


def count_lines(path: str) -> int:
    """A plain function runs in a thread: the other runs of the service go on meanwhile."""
    return len(Path(path).read_text().splitlines())


def count_words(path: str, start: int, size: int) -> int:
    """The words in `size` lines from line `start`."""
    lines = Path(path).read_text().splitlines()[start : start + size]
    return sum(len(line.split()) for line in lines)


@app.enter(
    "/steps",
    forms.Model(
        forms.InputNumber("n", label="How many steps", value=30, min_value=1, required=True),
        forms.InputNumber("seconds", label="Seconds for each", value=1, min_value=0, required=True),
        forms.Submit("Start"),
        forms.Cancel("Cancel"),
    ),
    tags=["hello"],
)
async def enter_steps(inputs: dict[str, float], request: Request) -> Launch:
    """Take a number of steps, each for some seconds: kill something meanwhile and watch it go on."""
    return Launch(request, take_steps, inputs)


async def take_steps(inputs: dict[str, float], tracer: Tracer) -> dict[str, list[int]]:
    """Take one step after the other."""
    taken = [await tracer.step(f"step {i}", take_step, i, inputs["seconds"]) for i in range(int(inputs["n"]))]
    return {"taken": taken}


async def take_step(number: int, seconds: float) -> int:
    """Something that takes a while."""
    await asyncio.sleep(seconds)
    return number


@app.enter(
    "/sleep",
    forms.Model(
        forms.InputNumber("seconds", label="How long, in seconds", value=3600, min_value=0, required=True),
        forms.Submit("Sleep"),
        forms.Cancel("Cancel"),
    ),
    tags=["hello"],
)
async def enter_sleep(inputs: dict[str, float], request: Request) -> Launch:
    """Sleep for a long time: while it sleeps a run costs next to nothing, and no crash wakes it early or late."""
    return Launch(request, sleep, inputs)


async def sleep(inputs: dict[str, float], tracer: Tracer) -> str:
    """Sleep, and say so."""
    await tracer.sleep(inputs["seconds"])
    return "Good morning."


@app.enter("/trivial", forms.Model(forms.Submit("Start")), tags=["hello"])
async def enter_trivial(request: Request) -> Launch:
    """Do nothing, as fast as possible: what a run costs."""
    return Launch(request, trivial)


async def trivial() -> dict[str, bool]:
    """Be done."""
    return {"ok": True}
