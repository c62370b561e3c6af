"""From values to an answer: the frame, the template, the headers of a page."""

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.authentication import csrf_token, parts_of
from api.bodies import MOST_FIELDS, fields_of
from api.engine import Engine
from api.pages.assets import Assets
from api.pages.formats import UTC_ZONE, Viewer
from api.pages.shell import Counts, Frame, Place, Shell
from api.pages.templates import Templates
from windlass.contracts.runs import LIVE
from windlass.core.callers import Caller
from windlass.core.permissions import Permission
from windlass.core.settings import Settings

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self' 'nonce-{nonce}'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
THEME, ZONE, TOAST, DOCK = "windlass_theme", "windlass_zone", "windlass_toast", "windlass_dock"
SMALL = 1024  # bytes; shorter pages are sent as they are

Form = Mapping[str, list[str]]


@cache
def assets() -> Assets:
    """The static files of this process."""
    return Assets()


@cache
def templates() -> Templates:
    """The templates of this process."""
    return Templates(assets())


def viewer(request: Request) -> Viewer:
    """How the person who asks reads times and colours: their cookies say."""
    chosen = request.cookies.get(THEME)
    theme: Literal["dark", "light"] | None = "dark" if chosen == "dark" else "light" if chosen == "light" else None
    return Viewer(datetime.now(UTC), zone(request.cookies.get(ZONE, "")), theme)


def zone(name: str) -> ZoneInfo:
    """The time zone of that name, UTC when there is none."""
    try:
        return ZoneInfo(name.replace("%2F", "/")) if name else UTC_ZONE
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC_ZONE


async def shell(request: Request, caller: Caller, place: Place) -> Shell:
    """The frame around a page."""
    settings: Settings = request.state.settings
    frame = Frame(
        installation=settings.node,
        standin=settings.standin_url is not None,
        csrf_token=csrf_token(request, caller) if caller.session_id else "",
        path=str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""),
        tenants=await other_tenants(request, caller),
        toast=unquote(request.cookies.get(TOAST, ""))[:200],
    )
    counts = await rail_counts(request.state.engine, caller)
    return Shell(caller, viewer(request), frame, place, counts)


async def rail_counts(engine: Engine, caller: Caller) -> Counts:
    """The numbers in the rail."""
    live = sum((await engine.tallies.counts(caller, LIVE)).values())
    failed = 0
    if caller.may(Permission.SERVICES_READ):
        failed = sum(service.has_failed for service in await engine.services.catalogue(caller))
    at_work = await engine.statistics.at_work(caller)
    return Counts(live, failed, await engine.questions.waiting(caller), at_work.sessions, at_work.desktops)


async def other_tenants(request: Request, caller: Caller) -> tuple[tuple[str, str], ...]:
    """The organisations the person may change to."""
    if caller.session_id is None:
        return ()
    mine = await request.state.tenants.mine(caller)
    return tuple((each.name, str(each.id)) for each in mine if each.id != caller.tenant_id)


async def page(
    request: Request, caller: Caller, name: str, place: Place, values: Mapping[str, Any], status: int = 200
) -> Response:
    """The page of a template inside the frame."""
    frame = await shell(request, caller, place)
    answer = html(request, templates().render(name, {"shell": frame, **values}), status)
    if frame.frame.toast:
        answer.delete_cookie(TOAST, path="/")
    return answer


def bare_page(request: Request, name: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """A page without a frame: for people who are not signed in."""
    return html(request, templates().render(name, {"viewer": viewer(request), **values}), status)


def part(request: Request, name: str, values: Mapping[str, Any]) -> Response:
    """A piece of a page."""
    return html(request, templates().render(name, values))


def html(request: Request, text: str, status: int = 200) -> Response:
    """HTML with its policy, packed when the client takes it.

    Packing beside a secret token is safe here: the session cookie is SameSite=Lax, so no other site can ask for
    pages in a person's name and measure their size.
    """
    body = text.encode()
    headers = {"content-security-policy": POLICY.format(nonce=request.state.nonce), "vary": "accept-encoding, cookie"}
    if len(body) >= SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(body, status, headers, "text/html; charset=utf-8")


def go(url: str, toast: str = "") -> Response:
    """Send the browser on after a form; `toast` is said there once."""
    answer = RedirectResponse(url, 303)
    if toast:
        answer.set_cookie(TOAST, quote(toast, safe=""), max_age=20, path="/", httponly=True, samesite="lax")
    return answer


def read_form(request: Request) -> Form:
    """The fields of a posted form (its body has been read and its token checked on the way in)."""
    body: bytes = getattr(request.state, "body", b"")
    return fields_of(body.decode(errors="replace"), MOST_FIELDS)


def field(form: Form, name: str, longest: int = 10_000) -> str:
    """One field as text, without space around it."""
    return form.get(name, [""])[0].strip()[:longest]


def typed(form: Form, name: str, longest: int = 10_000) -> str:
    """One field with the spaces around it, for what may begin or end with some: the value of a secret."""
    return form.get(name, [""])[0][:longest]


def local_path(url: str, otherwise: str = "/") -> str:
    """The path when it leads to a page of ours, else another one: a form never sends people elsewhere."""
    parts = parts_of(url)
    is_ours = url.startswith("/") and not url.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return url if is_ours and url.isprintable() and len(url) < 2000 else otherwise
