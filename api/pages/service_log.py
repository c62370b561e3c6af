"""The page of what a service's program printed."""

from fastapi import APIRouter, Request
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
    lines = [[pieces(line) for line in (each.text or "").splitlines()] for each in hosts]
    values = {
        "service": found,
        "hosts": list(zip(hosts, lines, strict=True)),
        "seen": viewer(request),
        "title": f"Log of {name}",
    }
    place = Place("Services", (("Services", "/services"), (found.name, f"/services/{found.name}"), ("Log", "")))
    return await page(request, caller, "service_log.html", place, values)
