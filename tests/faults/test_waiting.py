"""Runs that wait, for a model or for a time, while something breaks."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.conftest import FORM
from tests.faults.load import whole_log
from tests.faults.stack import Stack, until
from windlass.client import AsyncClient

SLEEP_S = 35
PROMPT = 'Say it slowly. <standin>{"text": "one two three four five six seven eight", "chunk_delay": 0.4}</standin>'
VICTIMS = {"full": ("gateway", "worker-runs", "postgres", "temporal"), "short": ("worker-runs", "postgres")}[FORM]


async def hears_text(client: AsyncClient, run_id: str) -> None:
    """Wait until the model has begun to write."""
    async for event in client.runs.stream(run_id):
        if event.kind == "message.delta":
            return


@pytest.mark.parametrize("victim", VICTIMS)
async def test_an_answer_of_the_model_is_kept_once_whoever_dies_while_it_is_written(
    victim: str, stack: Stack, client: AsyncClient
):
    run = await client.runs.start("claude", {"prompt": PROMPT})
    await hears_text(client, run.id)

    await stack.kill(victim)
    ended = await asyncio.wait_for(client.runs.wait(run.id), 60)

    messages = [event.payload for event in await whole_log(client, run.id) if event.kind == "message"]
    assert ended.status == "finished", ended.error
    assert [message["text"] for message in messages if message["role"] == "assistant"] == [
        "one two three four five six seven eight"
    ]
    await stack.is_whole()


async def host_killed(stack: Stack) -> None:
    await stack.kill("host")


async def everything_killed(stack: Stack) -> None:
    await stack.kill_everything()
    await stack.start()


@pytest.mark.skipif(FORM != "full", reason="takes a minute: WINDLASS_FAULTS=full")
@pytest.mark.parametrize("strike", [host_killed, everything_killed])
async def test_a_parked_run_sleeps_on_and_no_longer(
    strike: Callable[[Stack], Awaitable[None]], stack: Stack, client: AsyncClient, marks: Path
):
    run = await client.runs.start("stepping/sleep", {"marks": str(marks / "sleep"), "seconds": SLEEP_S})

    async def sleeps() -> bool:
        return any(event.payload.get("until") for event in await whole_log(client, run.id))

    await until(sleeps, "the run sleeps", 20)
    await asyncio.sleep(5)  # parked after 2 s of silence
    await strike(stack)
    ended = await asyncio.wait_for(client.runs.wait(run.id), SLEEP_S + 60)

    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert ended.result == {"dict": {"taken": [0, 1]}}
    assert (marks / "sleep").read_text().split() == ["0", "1"]
    assert timedelta(seconds=SLEEP_S) <= ended.ended_at - ended.started_at <= timedelta(seconds=SLEEP_S + 10)
    await stack.wait_for_service(client, "stepping")
