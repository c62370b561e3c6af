"""The activities of runs as every role that drives some is wired with them, and their ears."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar
from uuid import UUID

import structlog

from activities.executors import Executor
from activities.runs import STOP_CHANNEL, Outside, RunActivities
from activities.rush import Rush
from windlass.contracts import questions
from windlass.contracts.ids import RunId
from windlass.core.artifacts import Artifacts
from windlass.core.contents import Contents
from windlass.core.events import Events
from windlass.core.executions import Executions
from workers.parts import Parts

T = TypeVar("T")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def run_activities(parts: Parts, executors: Mapping[str, Executor], rush: Rush) -> RunActivities:
    """The activities of runs that these executors carry out, and their ear for runs that must stop."""
    activities = RunActivities(
        Outside(
            executions=Executions(parts.database, parts.notifier),
            artifacts=Artifacts(Contents(parts.database, parts.objects)),
            events=Events(parts.database, parts.notifier),
            wakeup=parts.notifier,
            executors=executors,
            rush=rush,
        )
    )
    parts.listener.on(STOP_CHANNEL, heard(activities.stop_here, RunId))
    parts.listener.on(questions.CHANNEL, heard(activities.answer_here, RunId))
    return activities


def heard(act: Callable[[T], Coroutine[Any, Any, object]], named: Callable[[UUID], T]) -> Callable[[str], None]:
    """Do something to the run or session whose id is heard; what fails is found out again by the next poll."""
    acting: set[asyncio.Task[object]] = set()

    def hear(text: str) -> None:
        task = asyncio.ensure_future(act(named(UUID(text))))
        acting.add(task)
        task.add_done_callback(_forget)

    def _forget(task: asyncio.Task[object]) -> None:
        acting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("what was heard had no effect", reason=repr(task.exception()))

    return hear
