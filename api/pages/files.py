"""The static files of the pages, at addresses that change with their content."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import Public
from api.pages.rendering import assets
from windlass.core.errors import NotFound

router = APIRouter(include_in_schema=False, dependencies=[Public])

FOR_EVER = "public, max-age=31536000, immutable"


@router.get("/assets/{version}/{name}")
async def static_file(version: str, name: str, request: Request) -> Response:
    """One file; an old version gets the newest content, without being kept."""
    known = assets()
    found = known.get(name)
    if found is None:
        raise NotFound("file", name)
    headers = {"cache-control": FOR_EVER if version == known.version else "no-cache", "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, headers={**headers, "content-encoding": "gzip"}, media_type=found.media_type)
    return Response(found.body, headers=headers, media_type=found.media_type)


@router.get("/favicon.ico")
async def favicon() -> Response:
    """The mark, for browsers that ask without reading the page."""
    mark = assets().get("mark.svg")
    return Response(mark.body if mark else b"", headers={"cache-control": "max-age=86400"}, media_type="image/svg+xml")
