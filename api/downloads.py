"""Files on their way out: as a download of their own name, whole or a range of them, never all of one in memory."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response, StreamingResponse

RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
PLAIN = re.compile(r"[A-Za-z0-9 ._-]+")

Pieces = Callable[[int, int], AsyncGenerator[bytes]]


@dataclass(frozen=True, slots=True)
class Download:
    """A file to be handed out: `digest` names its content for ever."""

    name: str
    digest: str
    size_bytes: int


def disposition(name: str) -> str:
    """The header that makes a browser keep it under its own name."""
    plain = name if PLAIN.fullmatch(name) else "".join(each if PLAIN.fullmatch(each) else "_" for each in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def handed_out(request: Request, file: Download, pieces: Pieces) -> Response:
    """The answer to a GET or HEAD: 200, 206 for one range, 304 for what the client has, 416 for what is not there."""
    etag = f'"{file.digest}"'
    headers = {
        "content-disposition": disposition(file.name),
        "x-content-type-options": "nosniff",
        "accept-ranges": "bytes",
        "etag": etag,
        "cache-control": "private, no-cache",
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    wanted = asked_range(request, etag, file.size_bytes)
    start, stop = wanted or (0, file.size_bytes)
    if wanted is not None and start >= stop:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{file.size_bytes}"})
    headers["content-length"] = str(stop - start)
    status = 200
    if wanted is not None:
        status, headers["content-range"] = 206, f"bytes {start}-{stop - 1}/{file.size_bytes}"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type="application/octet-stream")
    body = _through(pieces(start, stop))
    return StreamingResponse(body, status, headers, media_type="application/octet-stream")


def asked_range(request: Request, etag: str, size_bytes: int) -> tuple[int, int] | None:
    """From where up to where. None: all of it, because no range we know is asked for, or one of another content."""
    found = RANGE.fullmatch(request.headers.get("range", "").strip())
    if found is None or request.headers.get("if-range", etag) != etag or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return max(size_bytes - int(last), 0), size_bytes
    return int(first), min(int(last) + 1, size_bytes) if last else size_bytes


async def _through(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The same, and whatever happens the file is closed at once."""
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece
