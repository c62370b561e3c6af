"""A question is asked once and its answer is kept, whoever dies while it is open or when the answer comes."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.faults.conftest import FORM
from tests.faults.load import whole_log
from tests.faults.stack import Stack, until
from windlass.client import ApiError, AsyncClient, Question, Unreachable

Strike = Callable[[Stack], Awaitable[None]]
PARKED_S = 3.0  # a run parks after 2 s of silence


def killing(*names: str) -> Strike:
    async def strike(stack: Stack) -> None:
        await stack.kill(*names)

    strike.__name__ = "_".join(names)
    return strike


async def everything_killed(stack: Stack) -> None:
    await stack.kill_everything()
    await stack.start()


SHORT = (killing("temporal", "postgres"),)  # of the host too in tests/acceptance
FULL = (*SHORT, killing("host"), killing("worker-runs"), killing("gateway"), everything_killed)
STRIKES = {"full": FULL, "short": SHORT}[FORM]


async def asked(client: AsyncClient, run_id: str) -> Question:
    """The run's question, once it is open and the run is parked."""

    async def is_open() -> bool:
        return bool((await client.questions.list(run_id=run_id)).items)

    await until(is_open, "the question is open", 30)
    await asyncio.sleep(PARKED_S)
    return (await client.questions.list(run_id=run_id)).items[0]


async def answered(client: AsyncClient, question: Question) -> Question:
    """The answer, sent until somebody takes it: a part may be on its way up."""
    while True:
        try:
            return await client.questions.answer(question.id, {"word": "on"})
        except (Unreachable, ApiError) as error:
            if isinstance(error, ApiError) and error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            await asyncio.sleep(0.2)


async def assert_asked_once(client: AsyncClient, run_id: str, marks: Path) -> None:
    ended = await asyncio.wait_for(client.runs.wait(run_id), 60)
    questions = [event for event in await whole_log(client, run_id) if event.kind == "question"]
    assert ended.status == "finished", ended.error
    assert ended.result == {"dict": {"taken": [0, 1], "word": "on"}}
    assert len(questions) == 1
    assert (await asyncio.to_thread(marks.read_text)).split() == ["0", "1"]


@pytest.mark.parametrize("strike", STRIKES, ids=lambda strike: strike.__name__)
async def test_a_question_outlasts_whoever_dies_while_it_is_open(
    strike: Strike, stack: Stack, client: AsyncClient, marks: Path
):
    run = await client.runs.start("stepping/ask", {"marks": str(marks / "ask")})
    question = await asked(client, run.id)

    await strike(stack)
    await stack.is_whole()
    await answered(client, question)

    await assert_asked_once(client, run.id, marks / "ask")
    await stack.wait_for_service(client, "stepping")


async def test_an_answer_is_taken_while_the_service_and_its_worker_are_down(
    stack: Stack, client: AsyncClient, marks: Path
):
    run = await client.runs.start("stepping/ask", {"marks": str(marks / "ask")})
    question = await asked(client, run.id)

    hosts = await stack.hosts()
    await stack.kill("worker-machine", "host")
    taken = await answered(client, question)

    assert taken.state == "answered"
    assert not any(host.is_alive for host in hosts)
    await assert_asked_once(client, run.id, marks / "ask")
    await stack.is_whole()
    await stack.wait_for_service(client, "stepping")
