"""App A of the acceptance cases, as it was written for Kodosumi: a lock, and beside it an agent that handles files."""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from fastapi import Request

import windlass.forms as F
from windlass import Launch, ServeAPI, Tracer

app = ServeAPI()

start_model = F.Model(
    F.InputText(label="Name", name="name", placeholder="Enter your name"),
    F.Checkbox(label="Active", name="active", option="ACTIVE"),
    F.Submit("Submit"),
    F.Cancel("Cancel"),
)

files_model = F.Model(F.InputFiles(label="Files", name="files", multiple=True), F.Submit("Send"))


@app.enter("/", start_model, summary="App A")
async def enter(request: Request, inputs: dict[str, Any]) -> Launch:
    """Launch the agent that asks."""
    return Launch(request, "app:runner", inputs=inputs)


@app.lock("lock-1")
async def lock_one() -> F.Model:
    """The form that interrupts the agent."""
    return F.Model(
        F.Markdown("# hello world"),
        F.Checkbox(label="Continue", name="continue", option="CONTINUE"),
        F.Submit("yes"),
        F.Cancel("no"),
    )


@app.lease("lock-1")
async def lease_one(inputs: dict[str, Any]) -> dict[str, Any]:
    """What the answer amounts to."""
    return {"phase": "lease-1", "inputs": inputs}


async def runner(inputs: dict[str, Any], tracer: Tracer) -> dict[str, Any]:
    """Say something, ask, and give back what was answered."""
    await tracer.debug("this is a debug message")
    print("this is stdout")
    answer = await tracer.lock("lock-1", data={"hello": "from runner"})
    return {"lock-result": answer}


@app.enter("/files", files_model, summary="Files of app A")
async def enter_files(request: Request, inputs: dict[str, Any]) -> Launch:
    """Launch the agent that handles files."""
    return Launch(request, "app:filer", inputs=inputs)


async def filer(tracer: Tracer) -> dict[str, Any]:
    """Look at what came, send a folder back, remove one file, and send two that are larger than a chunk."""
    async with await tracer.fs() as fs:
        seen = [each["path"] for each in await fs.ls("in")]
        await fs.upload(str(folder({"output.dat": 5, "download.dat": 7})))
        sent = [each["path"] for each in await fs.ls("out")]
        await fs.remove("in/inputs.txt")
        try:
            await fs.open("in/inputs.txt").read_all()
        except FileNotFoundError as error:
            gone = type(error).__name__
        else:
            gone = "still there"
        await fs.upload(str(folder({"two.mib": 2 * 2**20, "many.mb": 180_000_000})))
        sizes = {each["path"]: each["size"] for each in await fs.ls("out")}
    return {"seen": seen, "sent": sent, "gone": gone, "sizes": sizes}


def folder(sizes: dict[str, int]) -> Path:
    """A folder with files of these sizes."""
    place = Path(mkdtemp())
    for name, size in sizes.items():
        with (place / name).open("wb") as file:
            file.truncate(size)
    return place
