"""What a model is told of an agent that it started."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from activities.linked_runs import Linked
from activities.occasions import Occasion
from tests.core.planned import enrol
from tests.core.records import ELSEWHERE, SECRETS, Records
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import new_id
from windlass.core.artifacts import Artifacts
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.executions import FINAL, TERMINAL
from windlass.core.linked_runs import LinkedRuns
from windlass.core.runs import RunFilter
from windlass.core.storage.local import LocalObjects
from windlass.core.wakeup import PollOnly


async def test_a_result_that_is_kept_elsewhere_is_told_as_the_text_it_is(
    records: Records, database: Database, tmp_path: Path
):
    artifacts = Artifacts(Contents(database, LocalObjects(tmp_path)))
    given = {"agent": "claude", "inputs": {"prompt": "At length?"}}
    occasion = Occasion(records.tenant_id, new_id(), 1, 1, datetime.now(UTC), new_id(), 60, given)
    run = await records.start("At length?", id=occasion.run_id)
    attached = await records.attach(run)
    final = await artifacts.fold(records.tenant_id, run.id, {"Markdown": {"body": "long " * 10_000}})
    end = NewEvent(EventKind.STATUS, {"status": "finished"}, attached.producer, TERMINAL)
    await records.say(attached, NewEvent(EventKind.FINAL, final, attached.producer, FINAL), end)

    came = await Linked(LinkedRuns(database, PollOnly(), SECRETS), artifacts).carry_out(occasion, asyncio.Event())

    assert (came.outcome, came.more) == ("done", {"run_id": str(run.id)})
    assert came.text.startswith("long long ")
    assert "34000 characters left out" in came.text


async def test_an_agent_that_others_run_is_not_started_and_the_model_is_told_why(
    records: Records, database: Database, tmp_path: Path
):
    await records.serve("texts", "shout")
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute(ELSEWHERE)
    await enrol(database, records.caller)
    given = {"agent": "texts/shout", "inputs": {"text": "hi"}}
    occasion = Occasion(records.tenant_id, new_id(), 1, 1, datetime.now(UTC), records.caller.person_id, 60, given)
    linked = Linked(LinkedRuns(database, PollOnly(), SECRETS), Artifacts(Contents(database, LocalObjects(tmp_path))))

    came = await linked.carry_out(occasion, asyncio.Event())

    assert (came.outcome, came.text.partition(",")[0]) == ("failed", "texts/shout runs elsewhere")
    assert await records.runs.newest(records.caller, RunFilter()) == []
