"""The way out: which addresses of others are spoken to (E1). What is not on the public net is not, unless allowed."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from windlass.core.errors import FieldError, Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

PORTS = frozenset({80, 443, 8080, 8443})
RESOLVE_S = 5.0
ADDRESS = "must be an address like https://tools.example.com/mcp"
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")


class AddressRefused(Invalid):
    """The address is not one that is spoken to."""


class Outbound:
    """Says to which address a connection may go; whoever connects must connect to that one."""

    def __init__(self, allowed: Sequence[str] = (), resolve: Resolve | None = None) -> None:
        self._networks: list[Network] = []
        self._hosts: set[str] = set()
        self._resolve = resolve or look_up
        for each in allowed:
            try:
                self._networks.append(ipaddress.ip_network(each, strict=False))
            except ValueError:
                self._hosts.add(each.lower())

    def check(self, url: str) -> None:
        """Refuse an address that could never be spoken to, without asking anybody. Raises AddressRefused."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise _refused(ADDRESS) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _refused(ADDRESS)
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise _refused("must hold no user, password or fragment; secrets belong into headers")
        port = _port(url)
        if port is None:
            raise _refused("has no such port")
        if (literal := _literal(parts.hostname)) is not None:
            self._require(parts.hostname, literal, port, parts.scheme)

    async def address(self, host: str, port: int, scheme: str) -> str:
        """The one address of a host to connect to. Raises AddressRefused when any of its addresses is not spoken to."""
        try:
            async with asyncio.timeout(RESOLVE_S):
                found = await self._resolve(host, port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise _refused(f"names a host that is not found: {host}") from error
        addresses = [ipaddress.ip_address(each.partition("%")[0]) for each in found]
        if not addresses:
            raise _refused(f"names a host without an address: {host}")
        for each in addresses:
            self._require(host, each, port, scheme)
        return str(addresses[0])

    async def check_now(self, url: str) -> None:
        """As `check`, and refuse a host whose addresses are not spoken to; one that is not found may come yet."""
        self.check(url)
        parts = urlsplit(url)
        host, port = str(parts.hostname), _port(url) or 0
        try:
            async with asyncio.timeout(RESOLVE_S):
                found = await self._resolve(host, port)
        except (OSError, TimeoutError, UnicodeError):
            return
        for each in found:
            self._require(host, ipaddress.ip_address(each.partition("%")[0]), port, parts.scheme)

    def _require(self, host: str, address: Address, port: int, scheme: str) -> None:
        inner = embedded(address)
        if host.lower() in self._hosts or any(inner in network for network in self._networks):
            return
        if not inner.is_global or inner.is_multicast or inner.is_reserved:
            raise _refused(f"leads to {inner}, which is not on the public net; the operator may allow it")
        if port not in PORTS:
            raise _refused(f"has port {port}; on the public net there are {', '.join(map(str, sorted(PORTS)))}")
        if scheme != "https":
            raise _refused("must be https on the public net")


def embedded(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one (mapped, NAT64, 6to4), else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in SIX_TO_FOUR and address.sixtofour is not None:
        return address.sixtofour
    return address


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system finds them: 0x7f.1 and its like are addresses too."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _port(url: str) -> int | None:
    """The port of an address; None when it has one that is none."""
    parts = urlsplit(url)
    try:
        return parts.port or {"http": 80, "https": 443}[parts.scheme]
    except ValueError:
        return None


def _refused(message: str) -> AddressRefused:
    return AddressRefused("This address is not spoken to; nothing was done.", (FieldError("url", message),))
