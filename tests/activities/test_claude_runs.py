"""A run of the built-in agent, as the driving activity sees it."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from activities.adapters.claude import ClaudeMessages
from activities.claude import ClaudeExecution
from activities.executors import Began, Ended, Report, Reported, TryAgain, Writing
from activities.models import CallLog, ClaudeExecutor, ModelCall, ModelRequest, Reply
from windlass.contracts.events import EventKind
from windlass.contracts.ids import RunId, TenantId, new_id
from windlass.contracts.runs import DriveEnd
from windlass.core.executions import Attached
from windlass.core.prices import BOOK


def execution(
    claude: ClaudeMessages, *steps: dict[str, Any], attempt: int = 1, stored: dict[str, Any] | None = None
) -> ClaudeExecution:
    record = {"inputs": {"prompt": f"<standin>{json.dumps(steps)}</standin>"}}
    attached = Attached(TenantId(new_id()), RunId(new_id()), 1, 3, record)
    return ClaudeExecution(ClaudeExecutor(claude, lambda: BOOK[0].since), attached, attempt, stored)


async def collect(running: ClaudeExecution) -> list[Report]:
    try:
        return [report async for report in running.reports()]
    finally:
        await running.close()


async def test_an_answer_streams_is_kept_and_ends_the_run(claude: ClaudeMessages):
    reports = await collect(execution(claude, {"text": "One two."}))

    assert isinstance(reports[0], Began)
    assert [report.text for report in reports if isinstance(report, Writing)] == ["One ", "two."]
    events = [report.event for report in reports if isinstance(report, Reported)]
    assert [(event.kind, event.pseq) for event in events] == [(EventKind.MESSAGE, 1), (EventKind.USAGE, 2)]
    assert reports[-1] == Ended(DriveEnd.FINISHED, {"Markdown": {"body": "One two."}})


async def test_an_answer_on_record_is_not_asked_for_again(claude: ClaudeMessages):
    reports = await collect(execution(claude, {"status": 500}, stored={"text": "Kept."}))

    assert reports[-1] == Ended(DriveEnd.FINISHED, {"Markdown": {"body": "Kept."}})


async def test_a_saved_agent_says_who_answers_and_how_long(claude: ClaudeMessages):
    asked: list[ModelCall] = []

    class Noting(ClaudeExecutor):
        async def run(self, call: ModelCall, log: CallLog, cancelled: asyncio.Event) -> Reply:
            asked.append(call)
            return await super().run(call, log, cancelled)

    pinned = {"version": 3, "driver": "claude", "description": "Reads.", "system": "Be stern."}
    pinned |= {"model": "claude-opus-5-5", "max_tokens": 9, "budget_usd": 2.5}
    record = {"agent": "reviewer", "inputs": {"prompt": "Hi", "system": "Be rude."}, "pinned": pinned}
    attached = Attached(TenantId(new_id()), RunId(new_id()), 1, 3, record)
    executor = Noting(claude, lambda: BOOK[0].since)

    reports = await collect(ClaudeExecution(executor, attached, 1, None, Decimal(2)))
    late = await collect(ClaudeExecution(executor, attached, 2, None, Decimal("2.5")))

    meta = {"summary": "reviewer", "entry_point": "claude", "description": "Reads.", "version": "3"}
    assert reports[0] == Began(meta)
    assert asked[0].request == ModelRequest("Hi", "Be stern.", "claude-opus-5-5", 9)
    assert isinstance(reports[-1], Ended)
    assert isinstance(late[-1], Ended)
    assert (reports[-1].end, late[-1].end) == (DriveEnd.FINISHED, DriveEnd.FAILED)
    assert ((late[-1].error or {})["type"], len(asked)) == ("CostLimit", 1)


async def test_what_may_pass_is_tried_again_when_the_provider_says(claude: ClaudeMessages):
    with pytest.raises(TryAgain) as raised:
        await collect(execution(claude, {"status": 429, "retry_after": 7}))

    assert (raised.value.delay_s, raised.value.is_expected) == (7, True)


async def test_the_last_try_and_a_final_error_end_the_run(claude: ClaudeMessages):
    last = await collect(execution(claude, {"status": 429}, attempt=6))
    final = await collect(execution(claude, {"status": 401}))

    assert [(r.end, (r.error or {})["type"]) for r in (last[-1], final[-1]) if isinstance(r, Ended)] == [
        (DriveEnd.FAILED, "RateLimited"),
        (DriveEnd.FAILED, "Auth"),
    ]


async def test_a_stop_ends_the_run_cancelled_and_keeps_what_was_said(claude: ClaudeMessages):
    running = execution(claude, {"text": "One two.", "hang": 1})
    reports: list[Report] = []

    async for report in running.reports():
        reports.append(report)
        if isinstance(report, Writing):
            await running.stop()
    await running.close()

    assert reports[-1] == Ended(DriveEnd.CANCELLED)
    message = next(r.event.payload for r in reports if isinstance(r, Reported) and r.event.kind is EventKind.MESSAGE)
    assert (message["text"], message["stop_reason"]) == ("One ", "cancelled")


async def test_a_mistake_of_ours_reaches_whoever_drives(claude: ClaudeMessages):
    class BrokenExecutor(ClaudeExecutor):
        async def run(self, call: ModelCall, log: object, cancelled: object) -> Reply:
            raise LookupError("mistake")

    attached = Attached(TenantId(new_id()), RunId(new_id()), 1, 3, {"inputs": {"prompt": "Hi"}})

    with pytest.raises(LookupError, match="mistake"):
        await collect(ClaudeExecution(BrokenExecutor(claude, lambda: BOOK[0].since), attached, 1, None))
