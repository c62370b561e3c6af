"""Coming in and going out: sign in, choose a password, change tenant and theme, sign out."""

from math import ceil
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from api.authentication import caller_if_any, check_same_site, origin_of
from api.bodies import Email
from api.cookies import check_transport, clear_session_cookie, set_session_cookie
from api.dependencies import AuthenticationDep, MeChanging, Public, SessionsDep, SignInDep, get_sign_in
from api.pages.formats import duration
from api.pages.rendering import THEME, bare_page, field, go, local_path, read_form, shell
from api.pages.shell import Place
from windlass.contracts.ids import TenantId
from windlass.core.errors import Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from windlass.core.health import Grade, examine
from windlass.version import __version__

router = APIRouter(include_in_schema=False)

EMAIL = TypeAdapter[str](Email)
YEAR_S = 365 * 24 * 3600


@router.get("/signin", dependencies=[Public])
async def ask(request: Request, next: str = "/") -> Response:
    """The sign-in page; people who are in already go on."""
    if await caller_if_any(request):
        return go(local_path(next))
    return await sign_in_page(request, next)


@router.post("/signin", dependencies=[Public])
async def sign_in(request: Request, door: SignInDep) -> Response:
    """Let in who knows the password; a wrong one is told in one sentence, the same for every cause."""
    check_transport(request)
    check_same_site(request)
    form = read_form(request)
    email, wanted = field(form, "email", 254), local_path(field(form, "next"))
    try:
        address = EMAIL.validate_python(email)
        grant = await door.login(address, form.get("password", [""])[0][:256], origin_of(request), web=True)
    except TooMany as limit:
        wait = duration(ceil(limit.retry_after_s))
        return await sign_in_page(request, wanted, email, f"Too many wrong tries. Wait {wait}, then try again.", 429)
    except (Unauthenticated, Forbidden, ValidationError):
        return await sign_in_page(request, wanted, email, "The e-mail address or the password is wrong.", 401)
    answer = go("/password" if grant.caller.must_change_password else wanted)
    if grant.cookie:
        set_session_cookie(request, answer, grant.cookie)
    return answer


async def sign_in_page(
    request: Request, wanted: str, email: str = "", problem: str = "", status: int = 200
) -> Response:
    """The form, with whether the system is up, and where the first password is as long as nobody has signed in."""
    report = await examine(request.state.health)
    is_well, door = report.grade is not Grade.FAIL, await get_sign_in(request)
    problems = [(problem, "password")] if problem else []
    values = {
        "next": local_path(wanted),
        "email": email,
        "problems": problems,
        "version": __version__,
        "is_well": is_well,
        "is_fresh": is_well and await door.is_fresh(),
    }
    return bare_page(request, "signin.html", values, status)


@router.get("/password")
async def ask_password(request: Request, caller: MeChanging) -> Response:
    """The page on which a person chooses their password."""
    frame = await shell(request, caller, Place("Settings", (("Password", ""),)))
    return bare_page(request, "password.html", {"shell": frame, "problems": [], "forced": caller.must_change_password})


@router.post("/password")
async def change_password(request: Request, caller: MeChanging, door: SignInDep, known: AuthenticationDep) -> Response:
    """Choose a new password; every other session of the person ends."""
    form = read_form(request)
    new = form.get("new_password", [""])[0]
    try:
        if new != form.get("again", [""])[0]:
            raise Invalid("The two new passwords differ. The password was not changed.")
        await door.change_password(caller, form.get("current_password", [""])[0], new)
    except (Invalid, TooMany) as problem:
        frame = await shell(request, caller, Place("Settings", (("Password", ""),)))
        fields = [(f"{error.field.replace('_', ' ')} {error.message}".capitalize(), error.field)
                  for error in getattr(problem, "errors", ())]  # fmt: skip
        values = {"shell": frame, "problems": fields or [(problem.detail, "")], "forced": caller.must_change_password}
        return bare_page(request, "password.html", values, problem.status)
    known.forget()
    return go("/", "Your password is changed")


@router.post("/signout")
async def sign_out(request: Request, caller: MeChanging, sessions: SessionsDep, known: AuthenticationDep) -> Response:
    """End the session of this browser."""
    if caller.session_id is None:
        raise NotFound("session", "of this key")
    await sessions.end(caller, caller.session_id, "signed out")
    known.forget()
    answer = go("/signin")
    clear_session_cookie(request, answer)
    return answer


@router.post("/switch")
async def switch(request: Request, caller: MeChanging, sessions: SessionsDep, known: AuthenticationDep) -> Response:
    """Work in another of the person's tenants."""
    try:
        tenant_id = TenantId(UUID(field(read_form(request), "tenant")))
    except ValueError:
        raise NotFound("tenant", "of that name") from None
    grant = await sessions.switch(caller, tenant_id, origin_of(request))
    known.forget()
    answer = go("/")
    if grant.cookie:
        set_session_cookie(request, answer, grant.cookie)
    return answer


@router.post("/theme")
async def choose_theme(request: Request, caller: MeChanging) -> Response:
    """Dark or light, kept in a cookie so that the server can draw it at once."""
    form = read_form(request)
    theme = "light" if field(form, "theme") == "light" else "dark"
    answer = go(local_path(field(form, "back")))
    answer.set_cookie(THEME, theme, max_age=YEAR_S, path="/", samesite="lax")
    return answer
