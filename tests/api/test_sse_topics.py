"""One stream per browser tab: many topics, one cursor."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.api.gateways import Gateway, running_gateway
from tests.core.streams import results, status, until


@pytest.fixture(scope="module")
async def gateway(database_url: str) -> AsyncGenerator[Gateway]:
    async with running_gateway(database_url) as gateway:
        yield gateway


async def test_a_state_arrives_whole_and_then_by_its_changes(gateway: Gateway):
    gateway.state.clear()
    gateway.state.update(a="running", b="queued")

    async with gateway.stream("/v1/stream?topics=runs") as reader:
        (whole,) = await reader.events(1)
        gateway.state.update(b="running")
        gateway.live.wakeup.poke(gateway.live.tenant_id, await gateway.live.open(), 0, changed=True)
        (patch,) = await reader.events(1)

    assert (whole.id, whole.event, whole.data) == (
        None,
        "state",
        {"topic": "runs", "state": gateway.state | {"b": "queued"}},
    )
    assert patch.data == {"topic": "runs", "patch": {"b": "running"}}


async def test_logs_and_states_share_the_stream_and_the_cursor_survives_a_reconnect(gateway: Gateway):
    one, two = await gateway.live.open(), await gateway.live.open()
    await gateway.live.append(one, *results(1, 2))
    topics = f"run:{one},run:{two}"

    async with gateway.stream(f"/v1/stream?topics=runs,{topics}") as reader:
        before = await reader.events(3)
        await gateway.live.append(two, *results(1, 1))
        before += await reader.events(1)
    await gateway.live.append(one, status("finished"))
    await gateway.live.append(two, status("cancelled"))
    async with gateway.stream(f"/v1/stream?topics={topics}", cursor=before[-1].id) as reader:
        after = await reader.events()

    logs = [(e.data["topic"], e.data["event"]["seq"]) for e in before if e.event != "state"]
    assert logs == [(f"run:{one}", 1), (f"run:{one}", 2), (f"run:{two}", 1)]
    assert [(e.event, e.data["topic"], e.data["event"]["seq"]) for e in after] == [
        ("status", f"run:{one}", 3),
        ("status", f"run:{two}", 2),
    ]
    ended = await gateway.http.get(f"/v1/stream?topics={topics}&after={after[-1].id}")
    assert ended.status_code == 204


async def test_fifty_tabs_end_with_the_same_list(gateway: Gateway):
    streams = [await gateway.live.open() for _ in range(3)]
    address = "/v1/stream?topics=" + ",".join(f"run:{stream}" for stream in streams)

    async def tab() -> list[tuple[str, int]]:
        async with gateway.stream(address) as reader:
            return sorted((e.data["topic"], e.data["event"]["seq"]) for e in await reader.events())

    tabs = [asyncio.create_task(tab()) for _ in range(50)]
    await until(lambda: gateway.live.hub.health().subscribers == 150)
    for n in range(1, 31):
        await asyncio.gather(*(gateway.live.append(stream, *results(n, n)) for stream in streams))
    await asyncio.gather(*(gateway.live.append(stream, status("finished")) for stream in streams))

    expected = sorted((f"run:{stream}", n) for stream in streams for n in range(1, 32))
    assert all(seen == expected for seen in await asyncio.gather(*tabs))


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("topics=weather", 404),
        ("topics=run:7", 404),
        ("topics=", 404),
        ("topics=" + ",".join(f"t{n}" for n in range(33)), 422),
        ("", 422),
        ("topics=runs&after=zzz", 400),
    ],
)
async def test_a_wrong_request_is_a_problem(gateway: Gateway, query: str, status: int):
    response = await gateway.http.get(f"/v1/stream?{query}")

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
