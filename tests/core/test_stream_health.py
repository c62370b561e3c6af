"""Operators see when wake-ups are not heard or get lost."""

from collections.abc import AsyncGenerator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.core.streams import Live, live_streams, results, until
from windlass.core.health import Grade
from windlass.core.stream_health import StreamMetrics, stream_part


@pytest.fixture
async def live(database_url: str) -> AsyncGenerator[Live]:
    async with live_streams(database_url) as live:
        yield live


async def test_a_hub_that_hears_everything_passes(live: Live):
    stream = await live.open()
    await live.subscribe(stream)
    await live.append(stream, *results(1, 1))
    await until(lambda: live.hub.health().recent_notifications)

    finding = await stream_part(live.hub).probe()

    assert (finding.grade, finding.figure) == (Grade.PASS, "1 reader")


async def test_a_hub_without_a_listener_warns(live: Live):
    await live.listener.close()

    assert (await stream_part(live.hub).probe()).grade is Grade.WARN


async def test_lost_notifications_are_a_warning(database_url: str):
    async with live_streams(database_url, notifies=False) as live:
        stream = await live.open()
        topic = (await live.subscribe(stream)).topic
        seq = 0

        while live.hub.health().recent_poll_hits < 2:  # what a look still under way takes along is no hit
            seq += 1
            await live.append(stream, *results(seq, seq))
            await until(lambda seq=seq: topic.seq >= seq)

        assert "get lost" in (await stream_part(live.hub).probe()).detail


async def test_the_figures_are_those_of_the_hub(live: Live):
    registry = CollectorRegistry()
    registry.register(StreamMetrics(live.hub))
    await live.subscribe(await live.open())

    text = generate_latest(registry).decode()

    assert "windlass_stream_subscribers 1.0" in text
    assert "windlass_stream_listening 1.0" in text
    assert "windlass_stream_poll_hits_total 0.0" in text
