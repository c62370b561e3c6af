"""Who sends this request: bearer token, API key, or the cookie of a page with its cross-site protection."""

import hmac
from urllib.parse import SplitResult, urlsplit

from starlette.requests import HTTPConnection
from structlog.contextvars import bind_contextvars

from api.bodies import MOST_FIELDS, fields_of
from api.cookies import cookie_name
from windlass.contracts.files import LIFE_HEADER, RUN_TOKEN
from windlass.core.allowances import Allowances
from windlass.core.callers import Caller, Origin
from windlass.core.errors import Forbidden, Unauthenticated
from windlass.core.identity import Authentication
from windlass.core.identity.authentication import KEY_MARK

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf_token"
OLD_CLIENTS = "/compat/kodosumi/"  # those send their token, or an API key, in a header or a cookie of their own
OLD_HEADER, OLD_COOKIE = "kodosumi_api_key", "kodosumi_jwt"
FORM = "application/x-www-form-urlencoded"


async def authenticate(request: HTTPConnection) -> Caller:
    """The caller of this request, found and counted once. Raises Unauthenticated, Forbidden (another site), TooMany."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is None:
        known = await _find(request)
        bind_contextvars(tenant=str(known.tenant_id), caller=known.id)
        allowances: Allowances = request.state.allowances
        allowance = await allowances.take(known)
        request.state.allowances_left = () if allowance is None else (allowance,)
        request.state.caller = known
    return known


async def caller_if_any(request: HTTPConnection) -> Caller | None:
    """The caller, or None when nobody (or nobody known) is signed in."""
    try:
        return await authenticate(request)
    except Unauthenticated:
        return None


def origin_of(request: HTTPConnection) -> Origin:
    """Where the request came from."""
    address = request.client.host if request.client else ""
    return Origin(address, request.headers.get("user-agent", ""), request.state.request_id)


def csrf_token(request: HTTPConnection, caller: Caller) -> str:
    """The token that the forms and scripts of this session's pages send back (header or field)."""
    authentication: Authentication = request.state.authentication
    return authentication.csrf_token(caller)


def csrf_token_of_page(request: HTTPConnection, caller: Caller) -> str | None:
    """The same for whoever came with the cookie of a page; None for whoever sent a token or a key."""
    return None if "authorization" in request.headers else csrf_token(request, caller)


def check_same_site(request: HTTPConnection) -> None:
    """Go on only when a page of ours sent this. Raises Forbidden."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = parts_of(request.headers.get("origin", "")).netloc
    if site not in ("same-origin", "none") or not origin or origin != request.headers.get("host"):
        raise Forbidden("This came from a page of another site. Nothing was changed.")


def parts_of(url: str) -> SplitResult:
    """An address in its parts; what is none has none."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


async def _find(request: HTTPConnection) -> Caller:
    authentication: Authentication = request.state.authentication
    scheme, _, credentials = (request.headers.get("authorization") or _of_old_client(request)).partition(" ")
    if scheme:
        if scheme.lower() != "bearer":
            raise Unauthenticated("Send an access token or an API key as bearer.")
        if credentials.startswith(RUN_TOKEN):
            life = request.headers.get(LIFE_HEADER, "")
            return await authentication.by_run(credentials.strip(), life, origin_of(request))
        is_key = credentials.startswith(f"{KEY_MARK}_")
        by = authentication.by_key if is_key else authentication.by_token
        return await by(credentials.strip(), origin_of(request))
    cookie = request.cookies.get(cookie_name(request))
    if cookie is None:
        raise Unauthenticated("Sign in first.")
    caller = await authentication.by_cookie(cookie, origin_of(request))
    if request.scope["type"] == "websocket":
        check_same_site(request)  # no page can send a header here: what opens asks for a token of its own
    elif request.scope.get("method") not in SAFE_METHODS:
        check_same_site(request)
        _check_csrf(request, caller)
    return caller


def _of_old_client(request: HTTPConnection) -> str:
    """What a client of Kodosumi shows. The cookie counts for programs alone: browsers name the page that asks."""
    if not request.scope["path"].startswith(OLD_CLIENTS):
        return ""
    token = request.headers.get(OLD_HEADER, "")
    if not token and not {"origin", "sec-fetch-site"}.intersection(request.headers):
        token = request.cookies.get(OLD_COOKIE, "")
    return token and f"Bearer {token}"


def _check_csrf(request: HTTPConnection, caller: Caller) -> None:
    sent = request.headers.get(CSRF_HEADER) or _form_field(request)
    if not hmac.compare_digest(sent.encode(), csrf_token(request, caller).encode()):
        raise Forbidden("The page is too old or not ours. Nothing was changed; reload it and try again.")


def _form_field(request: HTTPConnection) -> str:
    if not request.headers.get("content-type", "").startswith(FORM):
        return ""
    body: bytes = getattr(request.state, "body", b"")
    return fields_of(body.decode(errors="replace"), MOST_FIELDS).get(CSRF_FIELD, [""])[0]
