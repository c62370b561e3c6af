"""What may cross between a client and a service's program: headers in, headers out, and who is asking."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from starlette.requests import HTTPConnection

from api.authentication import CSRF_HEADER, OLD_HEADER
from windlass.contracts.passages import Said
from windlass.core.callers import Caller
from windlass.core.doors import BadGateway

ROOT = "/-/"
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
)
OURS = frozenset(  # what proves something to us, and nothing to a service
    {"authorization", "cookie", "x-api-key", CSRF_HEADER, OLD_HEADER, "proxy-authorization", "forwarded", "x-real-ip"}
)
OURS_BY_PREFIX = ("x-windlass", "x-kodosumi", "x-forwarded-", "sec-websocket-", "proxy-")
OUT = frozenset(
    {"accept-ranges", "allow", "content-disposition", "content-encoding", "content-language", "content-length"}
    | {"content-location", "content-range", "content-type", "etag", "expires", "kodosumi_launch", "last-modified"}
    | {"location", "retry-after", "vary"}
)
NOT_OUT = re.compile(  # of those with `x-`: what browsers and servers in front of us obey, and what we say ourselves
    r"x-(accel|content-type|dns|frame|forwarded|kodosumi|lighttpd|permitted|real|request-id|sendfile|ua-|webkit|windlass|xss)"
)
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
LENGTH = re.compile(r"[0-9]{1,18}")
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,16384}")
# A page of a service is no page of ours: without an origin its scripts read nothing here and act as nobody.
SANDBOX = "sandbox allow-scripts allow-forms; frame-ancestors 'none'; base-uri 'none'"


def scope_of(connection: HTTPConnection, caller: Caller, root: str, url: str) -> Said:
    """The request as the program sees it: below its own root, with its caller in place of what proves who that is."""
    scope = connection.scope
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or quote(path).encode()
    slash = "" if path.startswith(f"{root}/") else "/"
    return {
        "http_version": "1.1",
        "method": scope.get("method", "GET"),
        "scheme": scope["scheme"],
        "path": path + slash,
        "raw_path": raw.decode("latin-1") + slash,
        "query_string": scope["query_string"].decode("latin-1"),
        "root_path": root,
        "headers": [*_in(connection), *_identity(caller, url, root)],
        "server": scope.get("server"),
        "client": None,
        "subprotocols": scope.get("subprotocols", []),
    }


def headers_out(said: Said) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that may leave, and those that keep it apart. Raises BadGateway at nonsense."""
    kept = [(name, value) for name, value in _read(said.get("headers")) if _may_leave(name)]
    caching = next((value for name, value in _read(said.get("headers")) if name == "cache-control"), "no-store")
    if "no-store" not in caching:  # it is for one person of one tenant, whatever the service says
        kept.append(("cache-control", "private, no-cache"))
    kept.append(("content-security-policy", SANDBOX))
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept]


def _in(connection: HTTPConnection) -> Iterator[tuple[str, str]]:
    named = {each.strip().lower() for each in connection.headers.get("connection", "").split(",")}
    dropped = HOP_BY_HOP | OURS | (named - {"close"})
    for name, value in connection.headers.items():
        if name not in dropped and not name.startswith(OURS_BY_PREFIX):
            yield name, value


def _identity(caller: Caller, url: str, root: str) -> Iterator[tuple[str, str]]:
    """Who asks, in our words and in Kodosumi's; nobody else says it."""
    yield "x-windlass-user", str(caller.person_id)
    yield "x-windlass-tenant", str(caller.tenant_id)
    yield "x-windlass-base", f"{url}{root}"
    yield "x-windlass-url", url
    yield "x-kodosumi_user", str(caller.person_id)
    yield "x-kodosumi_base", f"{url}{root}"
    yield "x-kodosumi-url", url


def _may_leave(name: str) -> bool:
    return name in OUT or (name.startswith("x-") and NOT_OUT.match(name) is None)


def _read(headers: object) -> Iterable[tuple[str, str]]:
    try:
        read = [(str(name).lower(), str(value)) for name, value in headers]  # type: ignore[attr-defined] # checked here
    except (TypeError, ValueError):
        raise BadGateway("The service answers with headers that nobody understands.") from None
    if not all(TOKEN.fullmatch(name) and VALUE.fullmatch(value) for name, value in read):
        raise BadGateway("The service answers with a header that cannot be sent.")
    lengths = [value for name, value in read if name == "content-length"]
    if len(lengths) > 1 or not all(LENGTH.fullmatch(each) for each in lengths):
        raise BadGateway("The service answers with a length that nobody understands.")
    return read
