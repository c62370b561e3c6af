"""Requests while something breaks: they wait, or say that they may be repeated, and nothing is done twice."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.faults.conftest import FORM
from tests.faults.load import AGENT
from tests.faults.stack import UP_S, Stack, end, gone, until
from windlass.client import ApiError, AsyncClient, Run, Unreachable
from windlass.client.calls import RunFilter, RunOptions
from windlass.core import supervision

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


async def test_one_of_two_replicas_is_killed_under_requests_and_the_other_serves(
    stack: Stack, client: AsyncClient, marks: Path
):
    first, second = await replicas(client, 2)
    inputs = {"n": 10, "seconds": 0.2}
    runs = [await client.runs.start(AGENT, {**inputs, "marks": str(marks / str(n))}) for n in range(4)]
    said: list[tuple[int, Any]] = []
    over = asyncio.Event()
    asking = [asyncio.create_task(ask(client, said, over)) for _ in range(3)]
    await until(lambda: are_heard(said, {(200, first), (200, second)}), "both replicas answer", UP_S)

    await end([supervision.identify(first)])
    left = len(said)
    again = await replicas(client, 2, without=first)
    await until(lambda: are_heard(said[left:], {(200, pid) for pid in again}), "both replicas answer again", UP_S)
    over.set()
    await asyncio.gather(*asking)
    ended = [await client.runs.wait(run.id) for run in runs]

    assert second in again
    assert {status for status, _ in said} == {200}
    assert [run.status for run in ended] == ["finished"] * 4
    assert all(run.result == {"dict": {"taken": [*range(10)]}} for run in ended)
    (stays,) = await replicas(client, 1)
    await gone([supervision.identify(pid) for pid in again if pid != stays], UP_S)
    await stack.is_whole()


async def replicas(client: AsyncClient, number: int, *, without: int | None = None) -> list[int]:
    """Want so many of `stepping`, and wait until they serve; answers their processes."""
    await client.services.change("stepping", replicas=number)
    found: list[int] = []

    async def are_up() -> bool:
        hosts = (await client.services.get("stepping")).hosts
        found[:] = [each["pid"] for each in hosts if each["state"] == "running" and each["pid"] not in (None, without)]
        return len(found) == number

    await until(are_up, f"{number} replicas serve", UP_S)
    return found


async def ask(client: AsyncClient, said: list[tuple[int, Any]], over: asyncio.Event) -> None:
    """Ask again and again who answers."""
    while not over.is_set():
        answer = await client.http.get("/-/stepping/pid")
        said.append((answer.status_code, answer.json()))
        await asyncio.sleep(0.05)


async def are_heard(said: list[tuple[int, Any]], wanted: set[tuple[int, Any]]) -> bool:
    """Whether all of this was said."""
    return wanted <= {*said}
