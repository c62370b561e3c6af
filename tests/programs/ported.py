"""The service of the acceptance cases, as it was written for Kodosumi: a form, a lock, files, a route of its own."""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from fastapi import Request

from windlass import InputsError, Launch, ServeAPI, Tracer, forms

app = ServeAPI()

FORM = forms.Model(
    forms.Errors(),
    forms.InputText(label="Name", name="name", placeholder="Enter your name", required=True),
    forms.Checkbox(label="Active", name="active", option="ACTIVE"),
    forms.InputFiles(label="Notes", name="notes", multiple=True),
    forms.Submit("Submit"),
    forms.Cancel("Cancel"),
)


@app.enter("/", FORM, summary="Locker", tags=["Test"], author="me@example.com", organization="Org", version="1.2.3")
async def enter(request: Request, inputs: dict[str, Any]) -> Launch:
    """Refuse a bad name, launch everything else."""
    if inputs["name"] == "bad":
        raise InputsError("global message", name="name must not be bad")
    return Launch(request, locker, inputs)


@app.get("/plain", entry=True)
async def plain(request: Request, word: str) -> dict[str, str]:
    """A route of its own."""
    return {"word": word, "below": str(request.scope["root_path"])}


@app.lock("lock-1")
async def ask() -> forms.Model:
    """The form that interrupts the agent."""
    return forms.Model(
        forms.Markdown("# hello world"),
        forms.Checkbox(label="Continue", name="continue", option="CONTINUE"),
        forms.Submit("yes"),
        forms.Cancel("no"),
    )


@app.lease("lock-1")
async def take(inputs: dict[str, Any]) -> dict[str, Any]:
    """What the answer amounts to."""
    return {"phase": "lease-1", "inputs": inputs}


async def locker(inputs: dict[str, Any], tracer: Tracer) -> dict[str, Any]:
    """Say something, ask, keep a file."""
    await tracer.debug("this is a debug message", "in two lines")
    print("this is stdout")  # noqa: T201  what it prints is told
    answer = await tracer.lock("lock-1", data={"hello": inputs["name"]})
    async with await tracer.fs() as files:
        await files.upload(report())
    return {"lock-result": answer}


def report() -> Path:
    """A file that is to come out."""
    path = Path(mkdtemp()) / "report.txt"
    path.write_text("well done")
    return path
