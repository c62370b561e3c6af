"""The page of what a service's program printed."""

import asyncio

from fastapi import APIRouter, Request
from markupsafe import Markup, escape
from starlette.responses import Response

from api.dependencies import EngineDep
from api.pages.ansi import pieces
from api.pages.rendering import page, part, viewer
from api.pages.shell import Place
from api.routes.flows import Since
from api.routes.services import ServiceWriter
from windlass.core.host_logs import HostLog, cursor_of

router = APIRouter(include_in_schema=False)


@router.get("/services/{name}/log")
async def log(
    name: str, request: Request, caller: ServiceWriter, engine: EngineDep, since: Since | None = None
) -> Response:
    """What its processes printed last; with `since` the part of the page that has what they printed from then on."""
    found = await engine.services.get(caller, name)
    hosts = await engine.host_logs.of(caller, name, since or "")
    pieces = await asyncio.to_thread(lambda: [_piece(each) for each in hosts])
    values = {
        "service": found,
        "hosts": list(zip(hosts, pieces, strict=True)),
        "cursor": cursor_of(hosts),
        "known": {each.partition(":")[0] for each in (since or "").split(".")},
        "seen": viewer(request),
        "title": f"Log of {name}",
    }
    if since is not None:
        return part(request, "parts/service_log.html", values)
    place = Place("Services", (("Services", "/services"), (found.name, f"/services/{found.name}"), ("Log", "")))
    return await page(request, caller, "service_log.html", place, values)


def _piece(host: HostLog) -> tuple[Markup, Markup]:
    """Its whole lines, and the one that is still being written."""
    return drawn((host.text or "").removesuffix(host.rest)), drawn(host.rest)


def drawn(text: str) -> Markup:
    """A log with its colours; slow, for a program may print tens of thousands of lines and colours in 64 KiB."""
    lines = text.splitlines()
    shown = Markup("\n").join(Markup().join(_drawn(look, each) for look, each in pieces(line)) for line in lines)
    return shown + ("\n" if lines and not lines[-1] else "")  # without its end a blank line at the end has no height


def _drawn(look: str, text: str) -> Markup:
    return Markup('<span class="%s">%s</span>') % (look, text) if look else escape(text)
