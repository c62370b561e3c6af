"""The gates of desktops: a proxy at the machine's end of each one's network, which knows what its desktop may reach.

It resolves the names itself and connects to an address it has looked at, so a desktop needs no names, and a name that
changes its mind is of no use.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import structlog

from activities.adapters import firewall
from activities.adapters.requests import BadRequest, Request, parse
from windlass.core.egress import Networks, Way, is_open

PORT = 3128
AT_ONCE = 64  # connections of one desktop
HEAD_BYTES, CHUNK = 16 * 1024, 64 * 1024
HEAD_S, RESOLVE_S, CONNECT_S, QUIET_S = 10.0, 5.0, 10.0, 600.0
TRIED = 3  # addresses of a name
MOST_NOTED = 100
NOT_LISTED = "{} is not among what this desktop may reach. Its template lists the ways out."
NO_ADDRESS = "{} has no address that a desktop may reach."

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outlet:
    """What one desktop may reach, and its network."""

    installation: str
    desktop_id: str
    bridge: str
    subnet: ipaddress.IPv4Network
    ways: tuple[Way, ...]
    port: int = PORT

    @property
    def address(self) -> str:
        """The machine's end of the network."""
        return str(self.subnet[1])

    @property
    def hole(self) -> firewall.Hole:
        """What it needs in the wall."""
        return firewall.Hole(self.installation, self.desktop_id, self.bridge, self.address, self.port)


class Refused(Exception):
    """The desktop may not go there, or nobody answers there; `status` is what HTTP calls it."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class Gates:
    """The gates of one machine's desktops. They end with their process; the next one opens them again."""

    def __init__(self, private: Networks = ()) -> None:
        self._private = private
        self._gates: dict[str, Gate] = {}
        self._resolving = ThreadPoolExecutor(4, "egress")  # of its own: a slow name server holds nothing else up

    async def open(self, outlet: Outlet) -> None:
        """Have a desktop's gate open, as this says and not as before. Raises OSError."""
        gate = self._gates.get(outlet.desktop_id)
        if gate is None or gate.outlet != outlet:
            await self.close(outlet.desktop_id)
            gate = Gate(outlet, self._private, self._resolving)
            await gate.open()
            self._gates[outlet.desktop_id] = gate
        await firewall.pierce(outlet.hole)

    async def close(self, desktop_id: str) -> None:
        """Close a desktop's gate, with what goes through it. The second time it is closed."""
        gate = self._gates.pop(desktop_id, None)
        if gate is not None:
            await gate.close()
        await firewall.mend(desktop_id)

    async def keep(self, outlets: Iterable[Outlet]) -> None:
        """Have these open; one that cannot be is tried again the next time."""
        for outlet in outlets:
            try:
                await self.open(outlet)
            except OSError as error:  # its network went meanwhile
                log.warning("a gate is not open", desktop_id=outlet.desktop_id, reason=str(error))

    async def close_all(self) -> None:
        """End with the process; the holes stay for the next one."""
        for gate in self._gates.values():
            await gate.close()
        self._gates.clear()
        self._resolving.shutdown(wait=False, cancel_futures=True)


class Gate:
    """One desktop's gate."""

    def __init__(self, outlet: Outlet, private: Networks, resolving: ThreadPoolExecutor) -> None:
        self.outlet = outlet
        self._private, self._resolving = private, resolving
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._noted: set[str] = set()

    async def open(self) -> None:
        """Begin to listen. Raises OSError."""
        self._server = await asyncio.start_server(self._meet, self.outlet.address, self.outlet.port, limit=HEAD_BYTES)

    async def close(self) -> None:
        """Stop listening, and end what goes through."""
        if self._server is not None:
            self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._passing) >= AT_ONCE or not self._is_ours(writer):
            writer.close()
            return
        task = asyncio.create_task(self._serve((reader, writer)))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    def _is_ours(self, writer: asyncio.StreamWriter) -> bool:
        """Whether it comes from this desktop's network: another's could come here through the machine."""
        return ipaddress.IPv4Address(writer.get_extra_info("peername")[0]) in self.outlet.subnet

    async def _serve(self, inside: Streams) -> None:
        reader, writer = inside
        try:
            async with asyncio.timeout(HEAD_S):
                request = parse(await reader.readuntil(b"\r\n\r\n"))
            outside = await self._connected(request)
            try:
                await _introduce(request, writer, outside[1])
                await _relay(inside, outside)
            finally:
                outside[1].close()
        except Refused as refused:
            self._note(str(refused))
            await _say(writer, refused.status, str(refused))
        except BadRequest as bad:
            await _say(writer, "400 Bad Request", str(bad))
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError):
            pass  # either side went away, or said nothing
        finally:
            writer.close()

    def _note(self, reason: str) -> None:
        """Log what was refused, each once: a desktop may ask without end."""
        if reason not in self._noted and len(self._noted) < MOST_NOTED:
            self._noted.add(reason)
            log.info("a way out was refused", desktop_id=self.outlet.desktop_id, reason=reason)

    async def _connected(self, request: Request) -> Streams:
        """The host that is meant, connected, at an address that may be reached. Raises Refused."""
        name = f"{request.host}:{request.port}"
        if not any(way.leads_to(request.host, request.port) for way in self.outlet.ways):
            raise Refused("403 Forbidden", NOT_LISTED.format(name))
        found = [each for each in await self._addresses(request) if is_open(each, self._private)]
        if not found:
            raise Refused("403 Forbidden", NO_ADDRESS.format(name))
        for address in found[:TRIED]:
            try:
                async with asyncio.timeout(CONNECT_S):
                    return await asyncio.open_connection(str(address), request.port)
            except (OSError, TimeoutError) as error:
                log.debug("no answer", host=name, reason=str(error))
        raise Refused("502 Bad Gateway", f"{name} does not answer.")

    async def _addresses(self, request: Request) -> list[ipaddress.IPv4Address]:
        """What the name is now; IPv4 alone, so that no other notation hides an address. Raises Refused."""
        loop, family, kind = asyncio.get_running_loop(), socket.AF_INET, socket.SOCK_STREAM
        asking = loop.run_in_executor(self._resolving, socket.getaddrinfo, request.host, request.port, family, kind)
        try:
            async with asyncio.timeout(RESOLVE_S):
                found = await asking
        except (OSError, UnicodeError, TimeoutError) as error:
            raise Refused("502 Bad Gateway", f"{request.host} is not known.") from error
        return list(dict.fromkeys(ipaddress.IPv4Address(each[4][0]) for each in found))


async def _introduce(request: Request, inside: asyncio.StreamWriter, outside: asyncio.StreamWriter) -> None:
    """Say that the tunnel is open, or pass the request on."""
    if request.is_tunnel:
        inside.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        outside.write(request.passed_on)
    await asyncio.gather(inside.drain(), outside.drain())


async def _relay(inside: Streams, outside: Streams) -> None:
    """Carry bytes both ways until both have ended, or nothing has come for long."""
    async with asyncio.timeout(QUIET_S) as patience, asyncio.TaskGroup() as both:
        both.create_task(_carry(inside[0], outside[1], patience))
        both.create_task(_carry(outside[0], inside[1], patience))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: asyncio.Timeout) -> None:
    try:
        while chunk := await reader.read(CHUNK):
            if not patience.expired():
                patience.reschedule(asyncio.get_running_loop().time() + QUIET_S)
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()  # then the other way ends too


async def _say(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"Windlass: {text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    with suppress(OSError):
        await writer.drain()
