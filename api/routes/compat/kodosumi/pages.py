"""Kodosumi's pages, which lead to ours, and what of its paths has no meaning here: that says where the thing is."""

from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.dependencies import EngineDep, Public, SettingsDep
from api.errors import Gone
from api.routes.compat.kodosumi.words import PREFIX
from api.routes.questions import QuestionReader
from api.routes.runs import RunReader, RunStarter
from windlass.core.errors import NotFound

router = APIRouter(prefix=PREFIX, tags=["compat"])
hidden = APIRouter(prefix=PREFIX, tags=["compat"], include_in_schema=False, dependencies=[Public])

PAGES = {
    "": "/agents",
    "flow": "/agents",
    "timeline/view": "/runs",
    "dashboard": "/dashboard",
    "routes": "/settings",
    "expose": "/services",
    "expose/new": "/services",
    "expose/globals": "/services/defaults",
    "expose/boot": "/boot",
    "expose/boot/shutdown": "/boot",
    "expose/exchange": "/services/exchange",
}
NAMED = {
    "status/view": "/runs",
    "expose/edit": "/services",
    "expose/duplicate": "/services",
    "expose/boot/refresh": "/services",
}
"""Pages of one thing: the name that follows leads to the page of the same thing here."""

FORMS = "A form of Kodosumi's panel is not taken here: the page of the same address leads to ours, which has its own."
MASUMI = "Payments, wallets and registries of Masumi and Sokosumi are no part of Windlass."
STATIC = "The files of Kodosumi's panel are not here: pages bring their own, below /assets/."
NO_SCHEMA = "This installation does not publish the description of its API: WINDLASS_DOCS=true does."
LOGIN = f"Passwords do not belong into addresses. POST {PREFIX}/api/login or {PREFIX}/login."
LOGOUT = f"A link must not sign anybody out. POST {PREFIX}/logout."


@router.get("/inputs/-/{path:path}", response_class=RedirectResponse, status_code=303)
async def form_page(path: str, caller: RunStarter, engine: EngineDep) -> Response:
    """The page with the form."""
    return RedirectResponse((await engine.agents.at(caller, path)).start_page, 303)


@router.get("/inputs/lock/{run_id}/{question_id}", response_class=RedirectResponse, status_code=303)
async def lock_page(run_id: UUID, question_id: UUID, caller: QuestionReader, engine: EngineDep) -> Response:
    """The page where a lock is answered."""
    return RedirectResponse((await engine.questions.of_run(caller, run_id, question_id)).place, 303)


@router.get("/outputs/html/{run_id}", response_class=RedirectResponse, status_code=303)
async def result_page(run_id: UUID, caller: RunReader, engine: EngineDep) -> Response:
    """The page that shows the result."""
    return RedirectResponse(f"/runs/{(await engine.runs.get(caller, run_id)).id}", 303)


@hidden.get("/", response_class=RedirectResponse, status_code=303)
async def home() -> Response:
    """The first page."""
    return RedirectResponse("/", 303)


@hidden.get("/maintenance", response_class=RedirectResponse, status_code=303)
async def maintenance() -> Response:
    """The first page: nothing is closed while services boot."""
    return RedirectResponse("/", 303)


@hidden.get("/admin/{path:path}", response_class=RedirectResponse, status_code=303)
async def admin_page(path: str) -> Response:
    """Our page in place of one of the panel; it asks by itself who one is."""
    return RedirectResponse(our_page(path.strip("/")), 303)


@hidden.post("/admin/{path:path}", response_class=Response)
async def admin_form(path: str) -> Response:
    """Say where a thing is that the panel's forms changed."""
    raise Gone(FORMS)


@hidden.get("/login", response_class=Response)
async def login() -> Response:
    """Say how to sign in."""
    raise Gone(LOGIN)


@hidden.get("/logout", response_class=Response)
async def logout() -> Response:
    """Say how to sign out."""
    raise Gone(LOGOUT)


@hidden.get("/schema", response_class=RedirectResponse, status_code=303)
@hidden.get("/schema/{path:path}", response_class=RedirectResponse, status_code=303)
async def schema(settings: SettingsDep, path: str = "") -> Response:
    """The description of the API, to look at or as JSON."""
    if not settings.docs_enabled:
        raise Gone(NO_SCHEMA)
    return RedirectResponse("/openapi.json" if path.startswith("openapi.") else "/docs", 303)


@hidden.get("/static/{path:path}", response_class=Response)
async def static(path: str) -> Response:
    """Say that the panel's files are not here."""
    raise Gone(STATIC)


@hidden.api_route("/sumi/{path:path}", methods=["GET", "POST"], response_class=Response)
@hidden.api_route("/api/masumi/{path:path}", methods=["GET", "POST"], response_class=Response)
@hidden.api_route("/expose/{name}/registry", methods=["GET", "POST"], response_class=Response)
@hidden.api_route("/expose/{name}/registry/{path:path}", methods=["GET", "POST"], response_class=Response)
@hidden.get("/expose/{name}/wallets", response_class=Response)
async def masumi() -> Response:
    """Say that payments are no part of this."""
    raise Gone(MASUMI)


def our_page(path: str) -> str:
    """Our page in place of one of the panel's. Raises Gone, NotFound."""
    if path in PAGES:
        return PAGES[path]
    place, _, name = path.rpartition("/")
    if place in NAMED:
        return f"{NAMED[place]}/{quote(name, safe='')}"
    said = {"logout": LOGOUT, "masumi": MASUMI}.get(path)
    raise NotFound("page at", "this address") if said is None else Gone(said)
