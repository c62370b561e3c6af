"""A file of a run, looked at: the beginning of a text, or a picture. Its bytes say what it is, not its name."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, status
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.formats import size
from api.pages.rendering import page
from api.pages.shell import Place
from api.routes.files import FileReader
from windlass.core.callers import Caller
from windlass.core.errors import Invalid, NotFound
from windlass.core.files import RunFile
from windlass.core.media import IMAGE_BYTES, IMAGES, begins_like, kind_of

router = APIRouter(include_in_schema=False)

SHOWN_BYTES = 64 * 1024  # of a text
MARK_BYTES = 16  # that say whether it may be a picture
SANDBOX = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

FilePath = Annotated[str, Query(min_length=1, max_length=1100)]


@dataclass(frozen=True, slots=True)
class Preview:
    """The values of `preview.html`: a text, or where a picture is, or why there is nothing to see."""

    name: str
    path: str
    extent: str
    download_url: str
    back_url: str
    text: str = ""
    picture_url: str = ""
    note: str = ""


@router.get("/runs/{run_id}/preview")
async def preview(run_id: UUID, request: Request, caller: FileReader, engine: EngineDep, path: FilePath) -> Response:
    """One file of the run, with the way back to the others."""
    file = await engine.files.get(caller, run_id, path)
    shown = await look(engine, caller, run_id, file)
    crumbs = (("Runs", "/runs"), (str(run_id)[-8:], f"/runs/{run_id}"), (file.name, ""))
    return await page(request, caller, "preview.html", Place("Runs", crumbs), {"view": shown, "title": file.name})


@router.get("/runs/{run_id}/picture")
async def picture(run_id: UUID, request: Request, caller: FileReader, engine: EngineDep, path: FilePath) -> Response:
    """A picture among the files of the run, as what it is; it may do nothing. Anything else is not there."""
    file = await engine.files.get(caller, run_id, path)
    headers = {
        "content-security-policy": SANDBOX,
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-cache",
        "etag": f'"{file.digest}"',
    }
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    content = await picture_of(engine, caller, file)
    if content is None:
        raise NotFound("picture", file.path)
    return Response(content, headers=headers, media_type=begins_like(content))


async def look(engine: Engine, caller: Caller, run_id: UUID, file: RunFile) -> Preview:
    """What of a file can be seen, and how; only its beginning is read, of a small picture all of it."""
    given = (file.name, file.path, size(file.size_bytes), f"/v1/runs/{run_id}/files/{quote(file.path)}")
    back = f"/runs/{run_id}?tab=files"
    if await picture_of(engine, caller, file) is not None:
        return Preview(*given, back, picture_url=f"/runs/{run_id}/picture?{urlencode({'path': file.path})}")
    begin = await begin_of(engine, caller, file, SHOWN_BYTES)
    text = as_text(begin, is_whole=len(begin) == file.size_bytes)
    if text is None:
        return Preview(*given, back, note="This is neither a text nor a small picture. Download it to look at it.")
    note = "" if len(begin) == file.size_bytes else f"The first {size(len(begin))} of {size(file.size_bytes)}."
    return Preview(*given, back, text=text, note=note or ("It is empty." if not begin else ""))


async def begin_of(engine: Engine, caller: Caller, file: RunFile, most: int) -> bytes:
    """The first bytes of a file."""
    pieces: AsyncGenerator[bytes] = engine.files.pieces(caller.tenant_id, file.digest, 0, min(file.size_bytes, most))
    async with aclosing(pieces):
        return b"".join([piece async for piece in pieces])


async def picture_of(engine: Engine, caller: Caller, file: RunFile) -> bytes | None:
    """A small picture, whole; None for anything else, of which no more than its mark is read."""
    mark = await begin_of(engine, caller, file, MARK_BYTES)
    if file.size_bytes > IMAGE_BYTES or begins_like(mark) not in IMAGES:
        return None
    content = await begin_of(engine, caller, file, IMAGE_BYTES)
    try:
        kind_of(content, file.name)
    except Invalid:  # it breaks off, is damaged, or calls itself something else
        return None
    return content


def as_text(content: bytes, *, is_whole: bool) -> str | None:
    """The text that bytes are; None when they are none. Where they were cut, the last sign may be half."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        if is_whole or len(content) - error.start > 3:
            return None
        text = content[: error.start].decode()
    return None if "\0" in text else text
