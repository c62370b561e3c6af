"""A run from its start to its end, on real parts."""

import json

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.common import SearchAttributeKey

from tests.workflows.engines import Engine, Meeting, until
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RunStatus
from windlass.core.runs import Run
from workers.runtime import BUILD

pytestmark = pytest.mark.usefixtures("agents")
HISTORY_EVENTS = 14
HISTORY_BYTES = 5_000


async def test_a_run_goes_from_queued_to_finished_and_keeps_its_answer(engine: Engine):
    run = await engine.finished("agents/trivial")

    assert (run.status, run.result, run.error) == (RunStatus.FINISHED, {"str": "done"}, None)
    assert await engine.statuses(run.id) == ["queued", "starting", "running", "finished"]
    kinds = [str(event.kind) for event in await engine.events(run.id)]
    assert kinds == ["status", "status", "inputs", "meta", "status", "final", "status"]


async def test_a_title_of_many_bytes_is_cut_for_temporal_and_the_run_starts(engine: Engine):
    run = await engine.finished("agents/trivial", title="\u65e5" * 200)

    described = await engine.workflow(run.id).describe()
    assert (run.status, run.title) == (RunStatus.FINISHED, "\u65e5" * 200)
    assert await described.static_summary() == "\u65e5" * 133


async def test_a_trivial_run_keeps_to_its_history_budget(engine: Engine):
    run = await engine.finished("agents/trivial", timeout_s=60)

    history = await engine.workflow(run.id).fetch_history()
    assert len(history.events) <= HISTORY_EVENTS
    assert sum(event.ByteSize() for event in history.events) <= HISTORY_BYTES


async def test_a_run_that_fails_has_its_error_and_then_its_status(engine: Engine):
    run = await engine.finished("agents/fail", {"n": 2})

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert (run.error["type"], run.error["message"]) == ("ValueError", "no luck in attempt 1")
    assert "agents.py" in run.error["traceback"]
    last = (await engine.events(run.id))[-2:]
    assert [str(event.kind) for event in last] == ["error", "status"]
    assert last[-1].payload == {"status": "failed", "attempt": 1}


async def test_a_failed_attempt_is_followed_by_the_next(engine: Engine):
    run = await engine.finished("agents/fail", {"n": 2}, max_attempts=3)

    assert (run.status, run.attempt, run.result, run.error) == (RunStatus.FINISHED, 2, {"int": 2}, None)
    assert await engine.statuses(run.id) == ["queued", "starting", "running", "starting", "running", "finished"]
    attempts = [event.payload.get("attempt") for event in await engine.events(run.id, EventKind.STATUS)]
    assert attempts == [None, 1, 1, 2, 2, None]
    actions = [event.payload for event in await engine.events(run.id, EventKind.ACTION)]
    assert actions == [{"str": "attempt 1"}, {"str": "attempt 2"}]


async def test_a_run_whose_attempts_are_used_up_fails_with_the_last_error(engine: Engine):
    run = await engine.finished("agents/fail", {"n": 9}, max_attempts=2, backoff_s=2)

    assert (run.status, run.attempt) == (RunStatus.FAILED, 2)
    events = [each async for each in engine.workflow(run.id).fetch_history_events()]
    timers = [each.timer_started_event_attributes for each in events if each.HasField("timer_started_event_attributes")]
    assert [each.start_to_fire_timeout.seconds for each in timers] == [2]
    assert run.error is not None
    assert run.error["message"] == "no luck in attempt 2"


async def test_a_run_over_its_time_limit_is_stopped_and_fails(engine: Engine, meeting: Meeting):
    run = await engine.finished("agents/wait", meeting.inputs, timeout_s=1)

    assert run.status is RunStatus.FAILED
    assert run.error == {"type": "TimedOut", "message": "The run took longer than its limit of 1 s."}
    assert meeting.count("cancelled") == 1


async def test_what_the_handler_computed_reaches_the_agent(engine: Engine):
    run = await engine.finished("agents/greet", {"folder": "Ada"})

    assert run.result == {"str": "Ada!"}


async def test_inputs_too_large_for_an_event_reach_the_agent(engine: Engine):
    run = await engine.finished("agents/greet", {"folder": "long " * 20_000})

    assert run.status is RunStatus.FINISHED
    (shown,) = await engine.events(run.id, EventKind.INPUTS)
    assert "folder" not in shown.payload.get("dict", {})


async def test_a_result_too_large_for_an_event_is_kept_whole(engine: Engine):
    name = "long" * 25_000

    run = await engine.finished("agents/greet", {"folder": name})

    assert run.result is not None
    assert run.result["str"]["size_bytes"] > 100_000
    assert await engine.gateway.artifacts.whole(engine.caller.tenant_id, run.result) == {"str": f"{name}!"}


async def test_a_run_of_many_steps_can_be_read_in_temporal_alone(engine: Engine, meeting: Meeting):
    run = await engine.start("agents/steps", {**meeting.inputs, "n": 30})
    await meeting.appears("step-28")

    async def beats() -> bool:
        described = await engine.workflow(run.id).describe()
        beat = described.raw_description.pending_activities[0].heartbeat_details.payloads
        return bool(beat) and json.loads(beat[0].data) == {"step": "step 28", "n": 29, "kept": 28, "seq": 62}

    await until(beats)
    meeting.leave("go")
    await engine.ended(run.id)

    details = await current_details(engine, run)
    assert "30 steps kept" in details
    assert all(f"| step {n} | done | 1 |" in details for n in range(30))


async def test_a_workflow_says_what_it_is_and_where_its_page_is(engine: Engine):
    run = await engine.finished("agents/trivial", title="The smallest run")

    described = await engine.workflow(run.id).describe()
    assert await described.static_summary() == "The smallest run · agents/trivial"
    assert f"/runs/{run.id})" in (await described.static_details() or "")
    expected = {
        "Tenant": str(engine.caller.tenant_id),
        "Noun": "run",
        "Status": "finished",
        "Agent": "agents/trivial",
        "Owner": str(engine.caller.person_id),
    }
    assert {
        name: described.typed_search_attributes[SearchAttributeKey.for_keyword(name)] for name in expected
    } == expected
    decided = [
        event.workflow_task_completed_event_attributes.worker_version.build_id
        async for event in engine.workflow(run.id).fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    assert set(decided) == {BUILD}


async def current_details(engine: Engine, run: Run) -> str:
    """What Temporal's pages show of a run."""
    answer = await engine.workflow(run.id).query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return answer.current_details
