"""The gate of a desktop: what it lets through, and to where; a client on this machine stands for the desktop."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Network
from typing import Any

import pytest

from activities.adapters.gates import AT_ONCE, HEAD_BYTES, Gate, Outlet
from activities.adapters.requests import BadRequest, Request, parse
from tests.parts import free_ports
from windlass.core.egress import Networks, Way

HERE = IPv4Network("127.0.0.0/29")
LOOPBACK = (IPv4Network("127.0.0.0/8"),)


@asynccontextmanager
async def server(answer: bytes) -> AsyncGenerator[int]:
    """A server that answers whatever comes first, and says what that was."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer + await reader.read(1000))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as running:
        yield running.sockets[0].getsockname()[1]


@asynccontextmanager
async def gate(*ways: str, private: Networks = LOOPBACK, subnet: IPv4Network = HERE) -> AsyncGenerator[Outlet]:
    """An open gate."""
    outlet = Outlet("i", "d", "windlx", subnet, tuple(map(Way.parse, ways)), free_ports(1)[0])
    with ThreadPoolExecutor(1) as resolving:
        opened = Gate(outlet, private, resolving)
        await opened.open()
        yield outlet
        await opened.close()


async def said(outlet: Outlet, *parts: str) -> str:
    """All that the gate and whoever is behind it answer."""
    reader, writer = await asyncio.open_connection(outlet.address, outlet.port)
    answer = b""
    with suppress(ConnectionError):  # whoever is not let in may find the line cut
        for part in parts:
            writer.write(part.encode())
            answer += await reader.read(1000) if part is not parts[-1] else await reader.read()
    writer.close()
    return answer.decode()


async def test_a_tunnel_leads_to_what_is_listed_and_to_nothing_else():
    async with server(b"open ") as listed, server(b"closed ") as other, gate(f"127.0.0.1:{listed}") as outlet:
        there = await said(outlet, f"CONNECT 127.0.0.1:{listed} HTTP/1.1\r\n\r\n", "sesame")
        refused = await said(outlet, f"CONNECT 127.0.0.1:{other} HTTP/1.1\r\n\r\n", "sesame")

    assert there == "HTTP/1.1 200 Connection established\r\n\r\nopen sesame"
    assert refused.startswith("HTTP/1.1 403")
    assert f"127.0.0.1:{other} is not among what this desktop may reach" in refused


async def test_a_plain_request_is_passed_on_without_what_is_the_proxys():
    async with server(b"") as listed, gate(f"localhost:{listed}") as outlet:
        wish = (
            f"GET http://localhost:{listed}/a?b HTTP/1.1\r\nHost: elsewhere\r\nProxy-Authorization: x\r\nA: b\r\n\r\n"
        )
        passed_on = await said(outlet, wish)

    assert passed_on == f"GET /a?b HTTP/1.1\r\nHost: localhost:{listed}\r\nA: b\r\nConnection: close\r\n\r\n"


async def test_a_name_that_leads_into_a_private_network_is_refused_unless_the_operator_opened_it():
    async with server(b"") as listed, gate(f"localhost:{listed}", private=()) as outlet:
        refused = await said(outlet, f"CONNECT localhost:{listed} HTTP/1.1\r\n\r\n")

    assert "403" in refused
    assert "has no address that a desktop may reach" in refused


async def test_a_name_that_changes_its_mind_leads_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    truth: Any = socket.getaddrinfo

    def fickle(host: str, *more: Any, **named: Any) -> Any:
        if host == "fickle.test":
            asked.append(host)
            host = f"127.0.0.{len(asked)}"
        return truth(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", fickle)
    async with server(b"open ") as listed, gate(f"fickle.test:{listed}") as outlet:
        there = await said(outlet, f"CONNECT fickle.test:{listed} HTTP/1.1\r\n\r\n", "sesame")

    assert there.endswith("open sesame")
    assert asked == ["fickle.test"]


async def test_a_desktop_has_so_many_connections_and_no_more():
    async with gate("example.org") as outlet:
        held = [await asyncio.open_connection(outlet.address, outlet.port) for _ in range(AT_ONCE)]
        one_more = await said(outlet, "GET / HTTP/1.1\r\n\r\n")
        reader, writer = held[0]
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        first = await reader.read()
        for _, each in held:
            each.close()

    assert one_more == ""
    assert first.startswith(b"HTTP/1.1 400")


async def test_the_metadata_address_is_closed_whoever_lists_it():
    async with gate("169.254.169.254:80", private=(IPv4Network("0.0.0.0/0"),)) as outlet:
        assert "403" in await said(outlet, "GET http://169.254.169.254/latest/ HTTP/1.1\r\n\r\n")


async def test_another_desktop_is_not_let_in():
    async with server(b"") as listed, gate(f"127.0.0.1:{listed}", subnet=IPv4Network("127.0.0.8/29")) as outlet:
        assert await said(outlet, f"CONNECT 127.0.0.1:{listed} HTTP/1.1\r\n\r\n", "sesame") == ""


async def test_who_does_not_answer_or_is_not_known_is_said():
    (nobody,) = free_ports(1)
    async with gate(f"127.0.0.1:{nobody}", "nobody.invalid:443") as outlet:
        silent = await said(outlet, f"CONNECT 127.0.0.1:{nobody} HTTP/1.1\r\n\r\n")
        unknown = await said(outlet, "CONNECT nobody.invalid:443 HTTP/1.1\r\n\r\n")

    assert "502" in silent
    assert "is not known" in unknown


async def test_a_head_without_end_is_not_waited_for():
    async with gate("example.org") as outlet:
        assert await said(outlet, "GET http://example.org/ HTTP/1.1\r\nA: " + "a" * 2 * HEAD_BYTES) == ""


@pytest.mark.parametrize(
    "line",
    ["GET / HTTP/1.1", "CONNECT example.org HTTP/1.1", "CONNECT a@b:443 HTTP/1.1", "CONNECT example.org:0 HTTP/1.1",
     "CONNECT [::1]:443 HTTP/1.1", "GET https://example.org/ HTTP/1.1", "GET http://u@example.org/ HTTP/1.1",
     "GET http://example.org/a b HTTP/1.1", "GET http://example.org/ HTTP/1.1\r\nA : b",
     "GET http://example.org/ HTTP/1.1\r\nA: b\r\n c", "GET http://example.org/ HTTP/1.1\r\nA: b\nHost: c", ""],
)  # fmt: skip
def test_what_is_no_request_to_a_proxy_is_refused(line: str):
    with pytest.raises(BadRequest):
        parse(f"{line}\r\n\r\n".encode())


def test_names_are_compared_as_they_are_meant():
    assert parse(b"CONNECT Example.ORG.:443 HTTP/1.1\r\n\r\n") == Request("example.org", 443)
    assert parse(b"GET http://Example.org?q HTTP/1.0\r\n\r\n").passed_on.startswith(b"GET /?q HTTP/1.1\r\nHost: exam")
