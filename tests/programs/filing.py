"""An agent that reads what was sent to it and writes files; it meets its test in a folder."""

import asyncio
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from fastapi import Request

from windlass import Launch, ServeAPI, Tracer, forms

FORM = forms.Model(
    forms.InputText("folder", label="Where agent and test meet"),
    forms.InputFiles("docs", label="Documents", multiple=True, required=True),
    forms.Submit("Start"),
)
LARGE = bytes(range(256)) * 50_000

app = ServeAPI()


@app.enter("/file", FORM, summary="Filing")
async def enter_file(inputs: dict[str, Any], request: Request) -> Launch:
    return Launch(request, file, inputs)


async def file(inputs: dict[str, Any], tracer: Tracer) -> dict[str, Any]:
    """Read and remove the notes, write a report; then, once the test says so, look at everything from a thread."""
    meeting = Path(inputs["folder"])
    async with await tracer.fs() as fs:
        listed = [each["path"] for each in await fs.ls()]
        async with fs.open("in/data/notes.txt") as notes:
            text = (await notes.read_all()).decode()
            await notes.remove()
        await fs.upload(report(text))
        gone = await missing(fs, "in/data/notes.txt")
        with (meeting / "written").open("a") as mark:
            mark.write("x\n")
        while not (meeting / "go").exists():  # noqa: ASYNC110  the test leaves it
            await asyncio.sleep(0.01)
    return {"docs": inputs["docs"], "listed": listed, "gone": gone, **(await asyncio.to_thread(looked, tracer))}


def report(text: str) -> Path:
    """A folder with what is to come out."""
    folder = Path(mkdtemp())
    (folder / "deep").mkdir()
    (folder / "report.txt").write_text(text.upper())
    (folder / "deep" / "large.bin").write_bytes(LARGE)
    return folder


async def missing(fs: Any, path: str) -> bool:
    """Whether there is no such file."""
    try:
        await fs.open(path).read_all()
    except FileNotFoundError:
        return True
    return False


def looked(tracer: Tracer) -> dict[str, Any]:
    """The same files, from code that cannot await."""
    with tracer.fs_sync() as fs:
        places = [Path(each) for each in fs.download("out")]
        with fs.open("out/deep/large.bin") as large:
            is_whole = b"".join(large.read()) == LARGE
        fs.remove("out/deep")
        return {
            "left": [each["path"] for each in fs.ls("in") + fs.ls("out")],
            "sizes": {each.name: each.stat().st_size for each in places},
            "is_whole": is_whole,
            "batch": fs.upload(Path(mkdtemp())),
        }
