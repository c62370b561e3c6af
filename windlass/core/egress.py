"""Ways out of desktops: what a list of them allows, and the addresses that are behind none."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from windlass.core.errors import FieldError

HTTPS = 443
MOST_WAYS = 100
DESKTOPS = ipaddress.IPv4Network("10.213.0.0/16")  # the networks of desktops: none is a way to another
NEVER = (
    DESKTOPS,
    *map(
        ipaddress.IPv4Network,
        (
            "169.254.0.0/16",  # link-local, and with it the metadata of most clouds
            "168.63.129.16/32",  # Azure's own
            "100.100.100.200/32",  # Alibaba's
            "192.0.0.192/32",  # Oracle's
            "0.0.0.0/8",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    ),
)
NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
RULE = "must be a host with a port, such as example.org:443 or *.example.org:443; names are ASCII, addresses IPv4"

Networks = Sequence[ipaddress.IPv4Network]


@dataclass(frozen=True, slots=True)
class Way:
    """A host, or with `*.` in front every host below it, and a port."""

    host: str
    port: int = HTTPS

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port`; without a port it is 443. Raises ValueError."""
        host, colon, port = text.strip().lower().partition(":")
        if len(host) > 253 or NAME.fullmatch(host) is None or (colon and not re.fullmatch(r"\d{1,5}", port, re.ASCII)):
            raise ValueError(RULE)
        way = cls(host, int(port) if colon else HTTPS)
        if not 1 <= way.port <= 65535 or (host.rpartition(".")[2].isdigit() and way.address is None):
            raise ValueError(RULE)
        return way

    @property
    def address(self) -> ipaddress.IPv4Address | None:
        """The address its host is, when it is no name."""
        try:
            return ipaddress.IPv4Address(self.host)
        except ValueError:
            return None

    def leads_to(self, host: str, port: int) -> bool:
        """Whether it is the way to that host and port."""
        if port != self.port:
            return False
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def is_open(address: ipaddress.IPv4Address, private: Networks) -> bool:
    """Whether an address may be behind a way: a global one, or one of the networks the operator named."""
    if any(address in network for network in NEVER):
        return False
    return address.is_global or any(address in network for network in private)


def checked_ways(texts: Iterable[str], private: Networks) -> tuple[tuple[str, ...], list[FieldError]]:
    """The ways as they are kept, each once, and what is wrong with others."""
    ways: dict[str, None] = {}
    wrong: list[FieldError] = []
    for place, text in enumerate(texts):
        try:
            way = Way.parse(text)
        except ValueError as error:
            wrong.append(FieldError(f"egress.{place}", str(error)))
            continue
        if way.address is not None and not is_open(way.address, private):
            wrong.append(FieldError(f"egress.{place}", "is a private address, and the operator has not opened it"))
        ways[str(way)] = None
    if len(ways) > MOST_WAYS:
        wrong.append(FieldError("egress", f"must have at most {MOST_WAYS} entries"))
    return tuple(ways), wrong
