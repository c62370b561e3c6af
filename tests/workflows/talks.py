"""Sessions as a test has them: somebody talks, a scripted model answers, a worker in its own process may be killed."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from temporalio.api.enums.v1 import EventType

from stack.forks import Forks
from stack.temporal import Server
from tests.parts import short_folder
from tests.workflows.apart import Apart
from tests.workflows.engines import Engine, running_engine, settings_of, until
from windlass.contracts.events import Event, EventKind
from windlass.contracts.ids import workflow_id
from windlass.contracts.sessions import SessionSettings, SessionStatus
from windlass.core.letters import NewMessage
from windlass.core.questions import Question, QuestionFilter
from windlass.core.sessions import NewSession, Session
from windlass.core.transcripts import Message, ToolCall

Step = dict[str, Any]


def scripted(*steps: Step, words: str = "Go on.") -> str:
    """What to say so that the model answers like this."""
    return f"{words} <standin>{json.dumps(steps)}</standin>"


@dataclass(frozen=True, slots=True)
class Talks:
    """The gateway's half, and a worker that can be killed."""

    engine: Engine
    worker: Apart

    async def open(self, **settings: Any) -> "Talk":
        """Open a session."""
        wish = NewSession(SessionSettings.from_json(settings))
        opened = await self.engine.gateway.sessions.open(self.engine.caller, wish)
        return Talk(self, opened.id)


@dataclass(frozen=True, slots=True)
class Talk:
    """One session."""

    talks: Talks
    id: UUID

    async def say(self, *steps: Step, words: str = "Go on.", **more: Any) -> Message:
        """Say something that is answered like this."""
        engine, message = self.talks.engine, NewMessage(scripted(*steps, words=words), **more)
        return await engine.gateway.sessions.say(engine.caller, self.id, message)

    async def now(self) -> Session:
        """The session as it stands."""
        engine = self.talks.engine
        return await engine.gateway.sessions.get(engine.caller, self.id)

    async def settled(self, turn: int) -> Session:
        """The session after a turn."""

        async def is_settled() -> bool:
            session = await self.now()
            return session.turn >= turn and not session.status.is_at_work

        await until(is_settled, 120)
        return await self.now()

    async def works(self, turn: int = 1) -> None:
        """Wait until a turn is under way."""

        async def is_at_work() -> bool:
            session = await self.now()
            return (session.turn, session.status) == (turn, SessionStatus.RUNNING)

        await until(is_at_work, 120)

    async def answers(self) -> list[str]:
        """What the model said, in order."""
        return [message.content for message in await self.messages() if message.role == "assistant"]

    async def messages(self) -> list[Message]:
        """Everything that was said."""
        engine = self.talks.engine
        return await engine.gateway.sessions.messages(engine.caller, self.id, 0, 500)

    async def calls(self) -> list[ToolCall]:
        """What the model did, and what came of it."""
        engine = self.talks.engine
        return await engine.gateway.sessions.tool_calls(engine.caller, self.id, 0, 100)

    async def events(self, *kinds: EventKind) -> list[Event]:
        """What the log holds."""
        engine = self.talks.engine
        return await engine.gateway.events.read(engine.caller.tenant_id, self.id, kinds=kinds or None)

    async def writes(self) -> None:
        """Wait until words of an answer are on their way."""

        async def are_shown() -> bool:
            async with self.talks.engine.database.tenant(self.talks.engine.caller.tenant_id) as connection:
                query = "select exists (select from event_delta where stream_id = $1)"
                return bool(await connection.fetchval(query, self.id))

        await until(are_shown, 120)

    async def history(self) -> int:
        """How many events its workflow has left at its end, but for its own tasks: a busy machine tries those again."""
        await self.workflow.result()
        kinds = [EventType.Name(event.event_type) async for event in self.workflow.fetch_history_events()]
        return sum(not kind.startswith("EVENT_TYPE_WORKFLOW_TASK_") for kind in kinds)

    @property
    def workflow(self) -> Any:
        """Its workflow."""
        name = workflow_id(self.talks.engine.caller.tenant_id, "sessions", self.id)
        return self.talks.engine.client.get_workflow_handle(name)


async def asked(talks: Talks, talk: Talk) -> Question:
    """The open question of a session, once there is one."""
    questions: list[Question] = []

    async def is_open() -> bool:
        wanted = QuestionFilter("open", session_id=talk.id)
        questions[:] = await talks.engine.gateway.questions.oldest(talks.engine.caller, wanted)
        return bool(questions)

    await until(is_open, 120)
    return questions[0]


@asynccontextmanager
async def running_talks(
    forks: Forks, database_url: str, temporal: Server, model_url: str, **more: Any
) -> AsyncGenerator[Talks]:
    """Everything that holds conversations."""
    with short_folder() as folder:
        settings = settings_of(folder, database_url, temporal).model_copy(update={"standin_url": model_url, **more})
        worker = Apart(forks, settings, "runs")
        async with worker.running(), running_engine(settings, works=False) as engine:
            yield Talks(engine, worker)
