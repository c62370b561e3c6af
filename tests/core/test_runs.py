"""What people may do to the runs of their tenant."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.core.asked import ask
from tests.core.records import Records, done, records_of, step
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import new_id
from windlass.contracts.runs import RunStatus
from windlass.core.audit import Audit, AuditFilter
from windlass.core.database import Database
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.permissions import Role
from windlass.core.run_steps import kept_keys
from windlass.core.run_tallies import RunTallies
from windlass.core.runs import RunFilter, StartRun


async def titles(records: Records, **wanted: object) -> list[str]:
    return [run.title for run in await records.runs.newest(records.caller, RunFilter(**wanted))]  # pyright: ignore[reportArgumentType]


async def outbox(database: Database, records: Records) -> list[str]:
    async with database.tenant(records.tenant_id) as connection:
        return [row["message"] for row in await connection.fetch("select message from outbox order by id")]


async def test_a_started_run_is_queued_with_its_first_event_and_outbox_line(database: Database, records: Records):
    run = await records.start("hi", title="Hello", tags=("a", "b"), timeout_s=60, max_attempts=3)

    assert (run.status, run.agent, run.title, run.tags) == (RunStatus.QUEUED, "claude", "Hello", ("a", "b"))
    assert (run.timeout_s, run.max_attempts, run.attempt, run.try_, run.root_id) == (60, 3, 1, 1, run.id)
    assert (run.created_by, run.created_by_name) == (records.caller.person_id, "Ada")
    events = await records.events.read(records.tenant_id, run.id)
    assert [(event.seq, str(event.kind), event.payload) for event in events] == [(1, "status", {"status": "queued"})]
    assert await outbox(database, records) == ["start"]
    assert records.letters.kept == [("start", records.tenant_id, run.id)]


async def test_a_start_that_cannot_be_leaves_nothing_behind(database: Database, records: Records):
    with pytest.raises(NotFound):
        await records.runs.start(records.caller, StartRun("nobody/nothing", {}))
    with pytest.raises(Invalid) as refused:
        await records.runs.start(records.caller, StartRun("claude", {}))

    assert [error.field for error in refused.value.errors] == ["inputs.prompt"]
    assert await titles(records) == []
    assert await outbox(database, records) == []
    assert records.letters.kept == []


async def test_the_title_is_the_agents_summary_when_none_is_given(records: Records):
    assert (await records.start()).title == "Claude"


async def test_another_tenant_cannot_see_or_touch_the_run(database: Database, jobs: Database, records: Records):
    run = await records.start()
    other = records_of(database, jobs)

    for attempt in (other.runs.get, other.runs.cancel, other.runs.retry, other.runs.archive):
        with pytest.raises(NotFound):
            await attempt(other.caller, run.id)
    assert await other.runs.newest(other.caller, RunFilter()) == []
    assert await RunTallies(database).counts(other.caller) == {}
    assert await other.runs.steps(other.caller, [run.id]) == {run.id: []}


async def test_not_found_and_not_yours_are_the_same_answer(records: Records):
    run = await records.start()
    operator, nobody = records.colleague(Role.OPERATOR), new_id()

    with pytest.raises(NotFound) as not_yours:
        await records.runs.get(operator, run.id)
    with pytest.raises(NotFound) as unknown:
        await records.runs.get(operator, nobody)

    assert str(not_yours.value).replace(str(run.id), "…") == str(unknown.value).replace(str(nobody), "…")


async def test_an_operator_sees_own_runs_and_a_viewer_everybodys(database: Database, records: Records):
    operator, viewer = records.colleague(Role.OPERATOR), records.colleague(Role.VIEWER)
    mine = await records.start(caller=operator, title="mine")
    await records.start(title="the owner's")

    assert [run.id for run in await records.runs.newest(operator, RunFilter())] == [mine.id]
    assert len(await records.runs.newest(viewer, RunFilter())) == 2
    assert await RunTallies(database).counts(operator) == {RunStatus.QUEUED: 1}


async def test_a_list_is_newest_first_and_goes_on_after_a_place(records: Records):
    for number in range(5):
        await records.start(title=str(number))

    first = await records.runs.newest(records.caller, RunFilter(), limit=2)
    rest = await records.runs.newest(records.caller, RunFilter(), after=(first[-1].created_at, first[-1].id))

    assert [run.title for run in (*first, *rest)] == ["4", "3", "2", "1", "0"]


async def test_a_list_can_be_narrowed(records: Records):
    red = await records.start("find me", title="Red", tags=("warm",))
    await records.start("something", title="Blue_100%", tags=("cold",))
    await records.finish(red)

    assert await titles(records, status=(RunStatus.FINISHED,)) == ["Red"]
    assert await titles(records, status=(RunStatus.QUEUED, RunStatus.FINISHED)) == ["Blue_100%", "Red"]
    assert await titles(records, tag="warm") == ["Red"]
    assert await titles(records, agent="claude") == ["Blue_100%", "Red"]
    assert await titles(records, agent="other/agent") == []
    assert await titles(records, text="FIND") == ["Red"]
    assert await titles(records, since=red.created_at + timedelta(microseconds=1)) == ["Blue_100%"]
    assert await titles(records, until=red.created_at + timedelta(microseconds=1)) == ["Red"]


@pytest.mark.parametrize("text", ["%", "_", "100%", "e_1"])
async def test_signs_of_patterns_mean_themselves(records: Records, text: str):
    await records.start(title="Blue_100%")
    await records.start(title="Red")

    assert await titles(records, text=text) == ["Blue_100%"]


async def test_a_cancel_is_a_wish_until_the_agent_has_stopped(database: Database, records: Records):
    run = await records.start()

    wished = await records.runs.cancel(records.caller, run.id, "enough")
    again = await records.runs.cancel(records.caller, run.id, "really")

    assert (wished.status, wished.cancel_reason) == (RunStatus.QUEUED, "enough")
    assert again.cancel_reason == "enough"
    assert await outbox(database, records) == ["start", "cancel"]
    assert records.letters.kept[1:] == [("cancel", records.tenant_id, run.id)] * 2


async def test_what_has_ended_cannot_be_cancelled_and_what_lives_not_be_retried_or_archived(records: Records):
    live, over = await records.start(), await records.finish(await records.start())

    with pytest.raises(Conflict):
        await records.runs.cancel(records.caller, over.id)
    with pytest.raises(Conflict):
        await records.runs.retry(records.caller, live.id)
    with pytest.raises(Conflict):
        await records.runs.archive(records.caller, live.id)


async def test_an_archived_run_is_in_no_list_and_its_events_stay(records: Records):
    run = await records.finish(await records.start())

    await records.runs.archive(records.caller, run.id)

    assert await titles(records) == []
    with pytest.raises(NotFound):
        await records.runs.get(records.caller, run.id)
    assert len(await records.events.read(records.tenant_id, run.id)) == 5


async def test_a_retry_copies_finished_steps_and_keeps_the_wish(database: Database, records: Records):
    wish = StartRun("claude", {"prompt": "hi"}, "Title", ("tag",), 60, 2, {"from": "elsewhere"})
    run = await records.runs.start(records.caller, wish)
    attached = await records.attach(run)
    await records.say(attached, *done("first", {"n": 1}), step("second", "started"))
    await records.end(run, RunStatus.FAILED)

    again = await records.runs.retry(records.caller, run.id)

    assert (again.try_, again.retry_of, again.root_id, again.steps_kept) == (2, run.id, run.id, 1)
    assert (again.title, again.tags, again.timeout_s, again.max_attempts) == ("Title", ("tag",), 60, 2)
    taken = await records.attach(again)
    assert [(each["name"], each["state"], each["result"]) for each in taken.record["steps"]] == [
        ("first", "done", {"n": 1})
    ]
    assert taken.record["extra"] == {"from": "elsewhere"}
    first = (await records.events.read(records.tenant_id, again.id))[0]
    assert first.payload == {"status": "queued", "reason": "try 2, after one that failed"}
    assert (await records.runs.get(records.caller, run.id)).status is RunStatus.FAILED


async def test_tries_are_numbered_even_when_many_are_asked_for_at_once(records: Records):
    run = await records.finish(await records.start())

    tries = await asyncio.gather(*(records.runs.retry(records.caller, run.id) for _ in range(6)))

    assert sorted(again.try_ for again in tries) == [2, 3, 4, 5, 6, 7]


async def test_a_retry_checks_new_inputs_and_the_step_it_starts_from(records: Records):
    run = await records.finish(await records.start())

    with pytest.raises(Invalid):
        await records.runs.retry(records.caller, run.id, inputs={"prompt": ""})
    with pytest.raises(Invalid, match="no step 'elsewhere'"):
        await records.runs.retry(records.caller, run.id, from_="elsewhere")


async def test_steps_are_kept_up_to_the_one_a_retry_starts_from(records: Records):
    run = await records.start()
    attached = await records.attach(run)
    await records.say(attached, *done("a"), step("b", "started"), *done("beside b"), step("b", "done"), *done("c"))
    steps = (await records.runs.steps(records.caller, [run.id]))[run.id]

    assert kept_keys(steps, None) == ["key of a", "key of b", "key of beside b", "key of c"]
    assert kept_keys(steps, "c") == ["key of a", "key of b", "key of beside b"]
    assert kept_keys(steps, "key of b") == ["key of a"]
    assert kept_keys(steps, "start") == []


async def test_failures_that_were_seen_are_put_aside(records: Records):
    run = await records.start()
    await records.end(run, RunStatus.FAILED)

    await records.runs.mark_seen(records.caller)

    assert (await records.runs.get(records.caller, run.id)).seen_at is not None


async def test_usage_adds_up_on_the_run(records: Records):
    run = await records.start()
    attached = await records.attach(run)
    first = {"input_tokens": 3, "output_tokens": 4, "cache_read_tokens": 5, "cost_usd": "0.5"}
    unknown = {"input_tokens": 1, "output_tokens": 1, "cache_read_tokens": 0, "cost_usd": None}

    await records.say(
        attached,
        NewEvent(EventKind.USAGE, first, "claude:1", 1),
        NewEvent(EventKind.USAGE, unknown, "claude:1", 2),
        NewEvent(EventKind.MESSAGE, {"role": "assistant", "text": "hi", "standin": True}, "claude:1", 3),
    )

    used = await records.runs.get(records.caller, run.id)
    assert (used.model_calls, used.input_tokens, used.output_tokens, used.cached_tokens) == (2, 4, 5, 5)
    assert (used.cost_usd, used.standin) == (0.5, True)


async def test_what_people_do_to_runs_is_audited(database: Database, records: Records):
    run = await records.finish(await records.start())
    other = await records.start()
    await records.runs.cancel(records.caller, other.id)
    await records.runs.retry(records.caller, run.id)
    await records.runs.archive(records.caller, run.id)

    entries = await Audit(database).newest(records.caller, AuditFilter())

    assert [entry.action for entry in entries] == ["run.delete", "run.retry", "run.cancel", "run.start", "run.start"]


async def test_runs_are_found_by_what_they_cost_who_started_them_and_whether_they_ask(records: Records):
    theirs = records.colleague(Role.OPERATOR)
    dear, asking = await records.start(title="dear"), await records.start(title="asking")
    await records.start(title="theirs", caller=theirs)
    usage = NewEvent(EventKind.USAGE, {"input_tokens": 1, "output_tokens": 1, "cost_usd": "6.50"}, "claude:1", 1)
    await records.say(await records.attach(dear), usage)
    await ask(records.executions, records.tenant_id, asking.id)

    assert await titles(records, above_usd=Decimal("5")) == ["dear"]
    assert await titles(records, created_by=theirs.person_id) == ["theirs"]
    assert await titles(records, is_asking=True) == ["asking"]


async def test_a_question_whose_time_is_up_makes_no_run_wait(records: Records):
    run = await records.start()
    await ask(records.executions, records.tenant_id, run.id, seconds=-1)

    assert await titles(records, is_asking=True) == []


async def test_words_are_looked_for_in_ids_and_tags_too(records: Records):
    tagged, other = await records.start(title="one", tags=("finance",)), await records.start(title="two")

    assert await titles(records, text="FINANCE") == [tagged.title]
    assert await titles(records, text=str(other.id)[-8:]) == [other.title]
