"""The page of what a service's program printed."""

import asyncio

from fastapi import APIRouter, Request
from markupsafe import Markup, escape
from starlette.responses import Response

from api.dependencies import EngineDep
from api.pages.ansi import pieces
from api.pages.rendering import page, viewer
from api.pages.shell import Place
from api.routes.services import ServiceWriter

router = APIRouter(include_in_schema=False)


@router.get("/services/{name}/log")
async def log(name: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """What its processes printed last."""
    found = await engine.services.get(caller, name)
    hosts = await engine.host_logs.of(caller, name)
    texts = await asyncio.to_thread(lambda: [drawn(each.text or "") for each in hosts])
    values = {
        "service": found,
        "hosts": list(zip(hosts, texts, strict=True)),
        "seen": viewer(request),
        "title": f"Log of {name}",
    }
    place = Place("Services", (("Services", "/services"), (found.name, f"/services/{found.name}"), ("Log", "")))
    return await page(request, caller, "service_log.html", place, values)


def drawn(text: str) -> Markup:
    """A log with its colours; slow, for a program may print tens of thousands of lines and colours in 64 KiB."""
    lines = (Markup().join(_drawn(look, each) for look, each in pieces(line)) for line in text.splitlines())
    return Markup("\n").join(lines)


def _drawn(look: str, text: str) -> Markup:
    return Markup('<span class="%s">%s</span>') % (look, text) if look else escape(text)
