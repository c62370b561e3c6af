"""A run that asks is held by its workflow and its row alone, and goes on from its steps when somebody answers."""

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.enums.v1 import EventType

from tests.workflows.engines import Engine, Meeting, until
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RunStatus
from windlass.core.errors import Invalid
from windlass.core.questions import AlreadyClosed, Question, QuestionFilter
from windlass.core.runs import Run


async def waiting(engine: Engine, run: Run, count: int = 1) -> list[Question]:
    """The open questions of a run that nobody drives any more."""

    async def open_ones() -> list[Question]:
        return await engine.gateway.questions.oldest(engine.caller, QuestionFilter(run_id=run.id, state="open"))

    async def is_parked() -> bool:
        if len(await open_ones()) < count:
            return False
        if (await engine.workflow(run.id).describe()).raw_description.pending_activities:
            return False
        history = await engine.workflow(run.id).fetch_history()
        return history.events[-1].event_type == EventType.EVENT_TYPE_TIMER_STARTED

    await until(is_parked)
    return await open_ones()


@pytest.mark.usefixtures("agents")
async def test_a_parked_question_holds_no_activity_and_its_answer_lets_the_run_go_on(engine: Engine, meeting: Meeting):
    run = await engine.start("agents/ask", meeting.inputs)
    (question,) = await waiting(engine, run)
    described = await engine.workflow(run.id).describe()
    status = (await engine.get(run.id)).status

    answer = await engine.gateway.questions.answer(engine.caller, question.id, {"amount": "7"})
    over = await engine.ended(run.id)

    assert not described.raw_description.pending_activities
    assert (status, question.elements[0]["text"]) == (RunStatus.AWAITING, "# Decide about lunch")
    assert (answer.question.result, answer.is_unsettled) == ({"decided": 7}, False)
    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "decided 7"})
    assert await engine.statuses(run.id) == ["queued", "starting", "running", "awaiting", "running", "finished"]
    kinds = [str(each.kind) for each in await engine.events(run.id, EventKind.QUESTION, EventKind.ANSWER)]
    assert kinds == ["question", "answer"]


@pytest.mark.usefixtures("agents")
async def test_the_form_and_the_handler_refuse_and_the_question_stays_open(engine: Engine, meeting: Meeting):
    run = await engine.start("agents/ask", meeting.inputs)
    (question,) = await waiting(engine, run)

    for wrong, fields in (
        ({"amount": "many"}, ["inputs.amount"]),
        ({"amount": 13}, ["inputs.amount", "inputs._global_"]),
    ):
        with pytest.raises(Invalid) as refused:
            await engine.gateway.questions.answer(engine.caller, question.id, wrong)
        assert [error.field for error in refused.value.errors] == fields
    await engine.gateway.questions.answer(engine.caller, question.id, {"amount": 12})
    over = await engine.ended(run.id)

    assert over.result == {"str": "decided 12"}
    with pytest.raises(AlreadyClosed, match="Ada answered it"):
        await engine.gateway.questions.answer(engine.caller, question.id, {"amount": 1})


async def test_a_run_whose_host_died_while_it_asked_goes_on_from_its_steps_and_asks_once(
    engine: Engine, meeting: Meeting
):
    service = await engine.serve("askers")
    run = await engine.start("askers/ask", meeting.inputs)
    (question,) = await waiting(engine, run)

    os.kill(await engine.host_of(service), signal.SIGKILL)
    await until(lambda: engine.host_of(service))
    await engine.gateway.questions.answer(engine.caller, question.id, {"amount": 3})
    over = await engine.ended(run.id)

    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "decided 3"})
    assert (meeting.count("step-0"), meeting.count("step-1")) == (1, 1)
    assert len(await engine.events(run.id, EventKind.QUESTION)) == 1


@pytest.mark.usefixtures("agents")
async def test_two_questions_are_open_at_once_and_each_gets_its_answer(engine: Engine, meeting: Meeting):
    run = await engine.start("agents/ask_two", meeting.inputs)
    words = {"Where?": "here", "Which?": "left"}
    asked = await waiting(engine, run, 2)

    answer = engine.gateway.questions.answer
    await asyncio.gather(*(answer(engine.caller, each.id, {"answer": words[each.name]}) for each in asked))
    over = await engine.ended(run.id)

    assert over.result == {"__list__": [{"str": "here"}, {"str": "left"}]}


@pytest.mark.usefixtures("agents")
async def test_nobody_answers_in_time_and_the_agent_goes_on(engine: Engine, meeting: Meeting):
    run = await engine.start("agents/ask", {**meeting.inputs, "n": 4})
    await waiting(engine, run)

    over = await engine.ended(run.id)

    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "nobody answered"})
    states = [event.payload["state"] for event in await engine.events(run.id, EventKind.QUESTION)]
    assert states == ["open", "expired"]
    assert await engine.statuses(run.id) == ["queued", "starting", "running", "awaiting", "running", "finished"]


@pytest.mark.usefixtures("agents")
async def test_a_time_limit_does_not_count_the_wait_for_people(engine: Engine, meeting: Meeting):
    run = await engine.start("agents/ask", meeting.inputs, timeout_s=4)
    (question,) = await waiting(engine, run)

    async def limit_is_over() -> bool:
        return datetime.now(UTC) - run.created_at > timedelta(seconds=5)

    await until(limit_is_over)
    await engine.gateway.questions.answer(engine.caller, question.id, {"amount": 3})
    over = await engine.ended(run.id)

    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "decided 3"})


@pytest.mark.usefixtures("agents")
async def test_a_cancel_ends_a_run_that_asks_and_withdraws_the_question(engine: Engine, meeting: Meeting):
    run = await engine.start("agents/ask", meeting.inputs)
    (question,) = await waiting(engine, run)

    await engine.gateway.runs.cancel(engine.caller, run.id)
    over = await engine.ended(run.id)

    assert over.status is RunStatus.CANCELLED
    assert (await engine.gateway.questions.get(engine.caller, question.id)).state == "cancelled"


@pytest.mark.usefixtures("agents")
async def test_a_retry_gives_the_kept_answer_without_asking(engine: Engine, meeting: Meeting):
    run = await engine.start("agents/ask", meeting.inputs)
    (question,) = await waiting(engine, run)
    await engine.gateway.questions.answer(engine.caller, question.id, {"amount": 5})
    await engine.ended(run.id)

    again = await engine.gateway.runs.retry(engine.caller, run.id)
    over = await engine.ended(again.id)

    assert over.result == {"str": "decided 5"}
    assert await engine.events(again.id, EventKind.QUESTION) == []
    assert meeting.count("step-0") == 1
