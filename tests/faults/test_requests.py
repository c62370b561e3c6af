"""Requests while something breaks: they wait, or say that they may be repeated, and nothing is done twice."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.faults.conftest import FORM
from tests.faults.load import AGENT
from tests.faults.stack import Stack
from windlass.client import ApiError, AsyncClient, Run, Unreachable
from windlass.client.calls import RunFilter, RunOptions

ROUNDS = {"full": 5, "short": 2}[FORM]
AT_ONCE = 20
PASSING = (409, 502, 503, 504)


async def start_surely(client: AsyncClient, inputs: dict[str, Any], tag: str) -> Run:
    """Start one run, asking again under the same key until there is an answer."""
    options = RunOptions(tags=(tag,), idempotency_key=str(uuid4()))
    while True:
        try:
            return await client.runs.start(AGENT, inputs, options)
        except Unreachable:
            await asyncio.sleep(0.05)
        except ApiError as error:
            if error.status not in PASSING:
                raise
            await asyncio.sleep(0.05)


async def read_surely(client: AsyncClient, path: str) -> int:
    """Read, asking again when told to: a database that is away for longer than a request waits is said, with when."""
    while True:
        answer = await client.http.get(path)
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            return answer.status_code
        await asyncio.sleep(int(answer.headers["retry-after"]))


async def test_a_request_repeated_under_its_key_while_the_gateway_is_killed_starts_one_run(
    stack: Stack, client: AsyncClient, marks: Path
):
    inputs = {"marks": str(marks / "all"), "n": 1, "seconds": 0.0}
    for number in range(ROUNDS):
        tag = f"round {number} of {uuid4()}"
        posts = [asyncio.create_task(start_surely(client, inputs, tag)) for _ in range(AT_ONCE)]
        await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        await stack.kill("gateway")
        answered = {run.id for run in await asyncio.gather(*posts)}

        started = {run.id for run in (await client.runs.list(RunFilter(tag=tag))).items}
        assert len(answered) == AT_ONCE
        assert started == answered
    await stack.is_whole()


async def test_requests_wait_for_a_database_that_restarts(stack: Stack, client: AsyncClient, marks: Path):
    inputs = {"marks": str(marks / "all"), "n": 1, "seconds": 0.0}
    await stack.kill("postgres")

    asked = [read_surely(client, path) for path in ("/v1/runs", "/v1/me", "/v1/services")]
    starting = asyncio.create_task(start_surely(client, inputs, "while it restarts"))
    answers = await asyncio.gather(*asked)
    started = await starting

    assert started.status == "queued"
    assert answers == [200, 200, 200]
    await stack.is_whole()
