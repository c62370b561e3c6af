"""Words on their way may be lost with a connection of the database; the answer they end in is paid for, and is kept."""

import asyncio
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.adapters.claude import ClaudeMessages
from activities.driving import Driving
from activities.exchanges import Exchange, Recorder, Spot
from activities.executors import Began, Writing
from activities.models import ClaudeExecutor, ModelError, ModelRequest
from tests.activities.agents import FINISHED, Scripted
from tests.core.records import Records
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId
from windlass.contracts.runs import DriveEnd
from windlass.core.artifacts import Artifacts
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.events import Delta, Events
from windlass.core.storage.local import LocalObjects
from windlass.core.wakeup import PollOnly


class Cut(Events):
    """A log whose connection breaks whenever words on their way are added."""

    async def append_deltas(
        self, tenant_id: TenantId, stream_id: UUID, deltas: Sequence[Delta], *, epoch: int | None = None
    ) -> None:
        """Break."""
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


@pytest.fixture
def cut(database: Database) -> Cut:
    return Cut(database, PollOnly())


@pytest.fixture
def artifacts(database: Database, tmp_path: Path) -> Artifacts:
    return Artifacts(Contents(database, LocalObjects(tmp_path)))


async def test_the_answer_of_a_turn_is_kept(cut: Cut, artifacts: Artifacts, records: Records, claude: ClaudeMessages):
    kept: list[NewEvent] = []

    async def append(events: Sequence[NewEvent]) -> bool:
        kept.extend(events)
        return True

    async def ask() -> ModelError | None:
        recorder = Recorder(cut, artifacts, append, records.tenant_id, records.tenant_id)
        executor = ClaudeExecutor(claude, lambda: date(2026, 11, 21))
        question = ModelRequest(f"<standin>{json.dumps([{'text': 'One two.'}])}</standin>")
        return await Exchange(executor, recorder, Spot("turn-1-1", 1, 100)).ask(question, asyncio.Event())

    assert await ActivityEnvironment().run(ask) is None
    assert [event.kind for event in kept] == [EventKind.MESSAGE, EventKind.USAGE]


async def test_a_run_of_a_prompt_goes_on(cut: Cut, artifacts: Artifacts, records: Records):
    attached = await records.attach(await records.start())
    driving = Driving(records.executions, artifacts, cut, attached, lambda progress: None)

    outcome = await driving.follow(Scripted(Began({}), Writing("message", 1, "One "), FINISHED))

    assert outcome.end is DriveEnd.FINISHED
