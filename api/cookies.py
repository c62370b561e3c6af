"""The cookie of a web session: never readable by scripts, never sent by other sites' posts."""

import ipaddress

from starlette.requests import HTTPConnection
from starlette.responses import Response

from windlass.core.errors import Forbidden

MAX_AGE_S = 30 * 24 * 3600  # the session itself ends earlier when unused


def cookie_name(request: HTTPConnection) -> str:
    """`__Host-windlass` on https; on http the port is in the name, because cookies are shared between ports."""
    if is_secure(request):
        return "__Host-windlass"
    return f"windlass-{request.url.port or 80}"


def is_secure(request: HTTPConnection) -> bool:
    """Whether the browser came by https."""
    return request.url.scheme in ("https", "wss")


def set_session_cookie(request: HTTPConnection, response: Response, secret: str) -> None:
    """Keep the browser signed in. Raises Forbidden on plain http beyond this machine; call `check_transport` first."""
    check_transport(request)
    response.set_cookie(
        cookie_name(request),
        secret,
        max_age=MAX_AGE_S,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )


def clear_session_cookie(request: HTTPConnection, response: Response) -> None:
    """Let the browser forget the session."""
    response.delete_cookie(cookie_name(request), path="/", secure=is_secure(request), httponly=True, samesite="lax")


def check_transport(request: HTTPConnection) -> None:
    """Pages sign in over https, or over plain http on this machine only. Raises Forbidden."""
    if not is_secure(request) and not _is_loopback(request.url.hostname or ""):
        raise Forbidden("Pages need https here. Reach this address through a proxy with a certificate.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
