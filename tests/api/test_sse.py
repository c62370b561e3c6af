"""Server-sent events: the right bytes, from any cursor, closed when they may or must be."""

import asyncio
import socket
from collections.abc import AsyncGenerator

import httpx
import pytest

import api.sse
from tests.api.gateways import Gateway, running_gateway
from tests.core.streams import open_stream, results, status, until
from windlass.contracts.ids import TenantId, new_id
from windlass.core.events import Delta
from windlass.core.identity.authentication import TRUSTED_S


@pytest.fixture(scope="module")
async def gateway(database_url: str) -> AsyncGenerator[Gateway]:
    async with running_gateway(database_url) as gateway:
        yield gateway


def idle(gateway: Gateway) -> bool:
    """Whether nobody follows anything."""
    return gateway.live.hub.health().subscribers == 0


async def test_events_arrive_live_until_the_terminal_one(gateway: Gateway):
    stream = await gateway.live.open()
    await gateway.live.append(stream, *results(1, 2))

    async with gateway.stream(f"/v1/streams/{stream}") as reader:
        first = await reader.events(2)
        await gateway.live.append(stream, *results(3, 3), status("finished"))
        rest = await reader.events()

    assert [(e.id, e.event, e.data["seq"]) for e in first + rest] == [
        ("1", "result", 1),
        ("2", "result", 2),
        ("3", "result", 3),
        ("4", "status", 4),
    ]
    assert rest[-1].data["payload"] == {"status": "finished"}
    await until(lambda: idle(gateway))


async def test_the_stream_says_when_to_come_back_and_how_not_to_be_kept(gateway: Gateway):
    stream = await gateway.live.open()
    await gateway.live.append(stream, status("finished"))

    async with gateway.stream(f"/v1/streams/{stream}") as reader:
        await reader.events()

    headers = reader.response.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
    assert 1000 <= int(reader.preamble[0].removeprefix("retry: ")) <= 3000


@pytest.mark.parametrize("position", [0, 2, 4])
async def test_a_client_goes_on_after_what_it_saw_last(gateway: Gateway, position: int):
    stream = await gateway.live.open()
    await gateway.live.append(stream, *results(1, 4), status("failed"))

    async with gateway.stream(f"/v1/streams/{stream}?after=1", cursor=position) as reader:
        by_header = await reader.events()
    async with gateway.stream(f"/v1/streams/{stream}?after={position}") as reader:
        by_address = await reader.events()

    assert [e.data["seq"] for e in by_header] == list(range(position + 1, 6))
    assert by_address == by_header


async def test_a_client_that_saw_the_end_is_told_not_to_come_back(gateway: Gateway):
    stream = await gateway.live.open()
    await gateway.live.append(stream, *results(1, 1), status("finished"))

    response = await gateway.http.get(f"/v1/streams/{stream}", headers={"last-event-id": "2"})

    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize("cursor", ["x", "-1", "1.0", "99", "9" * 30, "²"])
async def test_a_cursor_that_was_never_given_out_is_a_problem(gateway: Gateway, cursor: str):
    stream = await gateway.live.open()

    response = await gateway.http.get(f"/v1/streams/{stream}", params={"after": cursor})

    assert response.status_code == 400
    assert response.json()["title"] == "Unknown cursor"


async def test_another_tenants_stream_is_not_found_before_the_first_byte(gateway: Gateway):
    foreign = await open_stream(gateway.live.database, TenantId(new_id()))

    addresses = [f"/v1/streams/{foreign}", f"/v1/streams/{new_id()}", f"/v1/stream?topics=run:{foreign}"]
    answers = [await gateway.http.get(address) for address in addresses]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_nobody_follows_without_signing_in(gateway: Gateway):
    async with httpx.AsyncClient(base_url=gateway.http.base_url) as stranger:
        assert (await stranger.get("/v1/stream?topics=runs")).status_code == 401


async def test_silence_is_filled_with_pings_without_an_id(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api.sse, "PING_S", 0.05)
    stream = await gateway.live.open()

    async with gateway.stream(f"/v1/streams/{stream}") as reader:
        following = asyncio.create_task(reader.events())
        await until(lambda: reader.preamble.count(": ping") >= 3)
        await gateway.live.append(stream, status("finished"))
        received = await following

    assert [e.id for e in received] == ["1"]


async def test_a_client_that_leaves_is_forgotten_at_once(gateway: Gateway):
    stream = await gateway.live.open()

    async with gateway.stream(f"/v1/streams/{stream}") as reader:
        await gateway.live.append(stream, *results(1, 1))
        await reader.events(1)
        assert not idle(gateway)

    await until(lambda: idle(gateway))


async def test_text_on_its_way_does_not_move_the_cursor(gateway: Gateway):
    stream = await gateway.live.open()
    await gateway.live.append(stream, *results(1, 1))

    async with gateway.stream(f"/v1/streams/{stream}") as reader:
        await reader.events(1)
        await gateway.live.events.append_deltas(gateway.live.tenant_id, stream, [Delta("m", 1, 1, "Hel")])
        (delta,) = await reader.events(1)

    assert (delta.id, delta.event) == (None, "message.delta")
    assert delta.data["payload"] == {"item": "m", "attempt": 1, "ord": 1, "text": "Hel"}


async def test_a_slow_reader_comes_again_and_misses_nothing_while_fast_ones_go_on(gateway: Gateway):
    stream = await gateway.live.open()
    narrow = socket.create_connection(("127.0.0.1", gateway.port))
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**14)
    reading, writing = await asyncio.open_connection(sock=narrow, limit=2**14)
    request = f"GET /v1/streams/{stream} HTTP/1.1\r\nhost: x\r\nauthorization: {gateway.http.headers['authorization']}"
    writing.write(request.encode() + b"\r\n\r\n")
    await reading.readuntil(b"retry:")

    async with gateway.stream(f"/v1/streams/{stream}") as fast:
        following = asyncio.create_task(fast.events())
        for first in range(1, 1_200, 40):
            await gateway.live.append(stream, *results(first, first + 39, size=10_000))
        await gateway.live.append(stream, status("finished"))
        assert [e.data["seq"] for e in await following] == list(range(1, 1_202))

    everything = await reading.read(-1)
    seen = everything.count(b"\nid: ")
    assert b"event: resync\ndata: {}\n\n" in everything
    assert 0 < seen < 1_200
    async with gateway.stream(f"/v1/streams/{stream}", cursor=seen) as again:
        assert [e.data["seq"] for e in await again.events()] == list(range(seen + 1, 1_202))
    writing.close()


async def test_ending_the_session_ends_its_streams(database_url: str):
    async with running_gateway(database_url) as gateway:
        stream = await gateway.live.open()
        caller = gateway.grant.caller
        assert caller.session_id is not None

        async with (
            gateway.stream(f"/v1/streams/{stream}") as one,
            gateway.stream(f"/v1/stream?topics=run:{stream}") as many,
        ):
            await gateway.live.append(stream, *results(1, 1))
            await asyncio.gather(one.events(1), many.events(1))
            await gateway.sessions.end(caller, caller.session_id, "signed out")

            assert await asyncio.gather(one.events(), many.events()) == [[], []]
        assert idle(gateway)
    assert TRUSTED_S + api.sse.RECHECK_S < 5  # the promise; how long it took here says how busy the machine is


async def test_an_outage_of_the_check_revokes_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api.sse, "RECHECK_S", 0.01)
    asked = 0

    async def check() -> bool:
        nonlocal asked
        asked += 1
        if asked < 5:
            raise ConnectionError("away")
        return False

    stream = await gateway.live.open()
    response = await api.sse.stream_response(gateway.live.hub, gateway.live.tenant_id, stream, 0, check)
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    await response({"type": "http"}, asyncio.Event().wait, send)  # pyright: ignore[reportArgumentType]

    assert asked == 5
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert idle(gateway)
