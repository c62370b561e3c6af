"""Files of a run, through a real gateway and a real host: they outlast the death of either."""

import os
import signal

from stack.temporal import Server
from tests.api.people import running_gateway
from tests.core.shelves import digest_of, stream
from tests.parts import free_ports, short_folder
from tests.programs.filing import LARGE
from tests.workflows.engines import Engine, Meeting, running_engine, settings_of
from windlass.contracts.events import EventKind
from windlass.core.file_uploads import NewFile
from windlass.core.files import FileQuery

NOTES = b"buy a rope"


async def uploaded(engine: Engine) -> str:
    """Two files that somebody has sent."""
    contents = {"data/notes.txt": NOTES, "a.csv": b"1,2"}
    uploads, caller = engine.gateway.file_uploads, engine.caller
    upload = await uploads.begin(caller, [NewFile(name, len(content)) for name, content in contents.items()])
    for each in upload.files:
        await uploads.put(caller, upload.id, each.id, stream(contents[each.path]))
    await uploads.complete(caller, upload.id)
    return str(upload.id)


async def test_files_go_in_and_come_out_though_the_gateway_comes_late_and_the_host_dies(
    database_url: str, temporal: Server, meeting: Meeting
):
    (port,) = free_ports(1)
    with short_folder() as folder:
        settings = settings_of(folder, database_url, temporal).model_copy(update={"port": port})
        async with running_engine(settings) as engine:
            service = await engine.serve("filing", "filing:app")
            run = await engine.start("filing/file", {**meeting.inputs, "docs": await uploaded(engine)})

            async with running_gateway(settings):  # the run may be waiting for it already
                await meeting.appears("written")
                first = await engine.events(run.id, EventKind.ARTIFACT)
                os.kill(await engine.host_of(service), signal.SIGKILL)
                meeting.leave("go")
                ended = await engine.ended(run.id)

            uploads = await engine.events(run.id, EventKind.UPLOAD)
            kinds = [each.kind for each in await engine.events(run.id)]
            left = await engine.gateway.files.list(engine.caller, run.id, FileQuery())

    assert ended.result is not None, ended.error
    assert ended.result["dict"] == {
        "docs": ["a.csv", "data/notes.txt"],
        "listed": ["in/a.csv", "in/data/notes.txt"],
        "gone": True,
        "left": ["in/a.csv", "out/report.txt"],
        "sizes": {"large.bin": len(LARGE), "report.txt": len(NOTES)},
        "is_whole": True,
        "batch": None,
    }
    assert [[each["path"] for each in told.payload["Upload"]["files"]] for told in uploads] == [
        ["in/a.csv", "in/data/notes.txt"]
    ]
    assert kinds.index(EventKind.META) < kinds.index(EventKind.UPLOAD)
    assert [each.payload["path"] for each in first] == ["out/deep/large.bin", "out/report.txt"]
    assert kinds.count(EventKind.ARTIFACT) == 2, "written again by the second life, told once"
    assert meeting.count("written") == 2
    assert [(each.path, each.digest) for each in left] == [
        ("in/a.csv", digest_of(b"1,2")),
        ("out/report.txt", digest_of(NOTES.upper())),
    ]
