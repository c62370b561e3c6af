"""What a client asks of a proxy: a tunnel, or a plain request to be passed on."""

import re
from dataclasses import dataclass

TUNNEL = re.compile(rb"CONNECT ([A-Za-z0-9._-]{1,253}):(\d{1,5}) HTTP/1\.[01]", re.ASCII)
PLAIN = re.compile(
    rb"([A-Z]{3,20}) http://([A-Za-z0-9._-]{1,253})(?::(\d{1,5}))?(/[\x21-\x7e]*|\?[\x21-\x7e]*)? HTTP/1\.[01]",
    re.ASCII | re.IGNORECASE,
)
FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
NOT_PASSED_ON = frozenset({b"host", b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization"})
HTTP = 80


class BadRequest(Exception):
    """It is neither; the text says so."""


@dataclass(frozen=True, slots=True)
class Request:
    """Where a client wants to, and for a plain request what the server is sent."""

    host: str
    port: int
    passed_on: bytes = b""

    @property
    def is_tunnel(self) -> bool:
        """Whether nothing is passed on but what the client says later."""
        return not self.passed_on


def parse(head: bytes) -> Request:
    """Read the head of a request to a proxy. Raises BadRequest."""
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    tunnel = TUNNEL.fullmatch(line)
    if tunnel is not None:
        return _checked(tunnel[1], tunnel[2])
    plain = PLAIN.fullmatch(line)
    if plain is None:
        raise BadRequest("This is a proxy: it takes CONNECT, and requests for http addresses.")
    if not all(FIELD.fullmatch(field) for field in fields):
        raise BadRequest("The head of the request is not HTTP.")
    method, host, port, path = plain.groups()
    to = _checked(host, port or str(HTTP).encode())
    kept = [field for field in fields if field.partition(b":")[0].lower() not in NOT_PASSED_ON]
    where = to.host if to.port == HTTP else f"{to.host}:{to.port}"
    target = path or b"/"
    first = b"%s %s HTTP/1.1" % (method, target if target.startswith(b"/") else b"/" + target)
    lines = (first, b"Host: " + where.encode(), *kept, b"Connection: close")
    return Request(to.host, to.port, b"\r\n".join(lines) + b"\r\n\r\n")


def _checked(host: bytes, port: bytes) -> Request:
    number = int(port)
    if not 1 <= number <= 65535:
        raise BadRequest("There is no such port.")
    return Request(host.decode().lower().rstrip("."), number)
