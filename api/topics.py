"""What can be followed in one stream: the logs of nouns, and the states pages look at."""

from collections.abc import Hashable, Mapping
from typing import Any

from api.engine import Engine
from windlass.contracts.questions import TOPIC as NEEDS
from windlass.contracts.sessions import TOPIC as SESSIONS
from windlass.core.callers import Caller
from windlass.core.health import Part, examine
from windlass.core.multiplex import LogTopic, Multiplexer
from windlass.core.permissions import Permission
from windlass.core.questions import QuestionFilter
from windlass.core.runs import RunFilter
from windlass.core.sessions import SessionFilter
from windlass.core.states import StateTopic
from windlass.core.wakeup import DESKTOPS, RUNS

SHOWN_RUNS = 50
HEALTH_S = 5.0


def open_topics(engine: Engine, health: list[Part]) -> Multiplexer:
    """Offer every topic there is: the logs of runs, sessions, desktops and tenants, and the states pages look at."""

    async def runs(caller: Caller) -> Mapping[str, Any]:
        newest = await engine.runs.newest(caller, RunFilter(), limit=SHOWN_RUNS)
        counts = await engine.tallies.counts(caller)
        lines = {
            str(run.id): {
                "title": run.title,
                "agent": run.agent,
                "status": run.status,
                "steps_kept": run.steps_kept,
                "created_at": run.created_at,
                "ended_at": run.ended_at,
            }
            for run in newest
        }
        return {"counts": {str(status): count for status, count in counts.items()}, **lines}

    async def needs(caller: Caller) -> Mapping[str, Any]:
        open_ones = await engine.questions.oldest(caller, QuestionFilter(state="open"), limit=SHOWN_RUNS)
        return {
            str(each.id): {
                "name": each.name,
                "run_id": str(each.run_id) if each.run_id else None,
                "session_id": str(each.session_id) if each.session_id else None,
                "run_title": each.run_title,
                "asked_at": each.asked_at,
                "expires_at": each.expires_at,
            }
            for each in open_ones
        }

    async def look(_caller: Caller) -> Mapping[str, Any]:
        report = await examine(health)
        return {"grade": report.grade, **{part.name: [part.grade, part.detail] for part in report.parts}}

    async def desktops(caller: Caller) -> Mapping[str, Any]:
        found = await engine.desktops.catalogue(caller)
        return {str(each.id): [each.name, each.status, each.reason, each.status_at, each.holder_name] for each in found}

    async def sessions(caller: Caller) -> Mapping[str, Any]:
        found = await engine.sessions.newest(caller, SessionFilter(), limit=SHOWN_RUNS)
        return {str(each.id): [each.title, each.status, each.turn, each.active_at] for each in found}

    engine.hub.states.add(StateTopic(SESSIONS, Permission.SESSIONS_READ, sessions))
    engine.hub.states.add(StateTopic(DESKTOPS, Permission.DESKTOPS_READ, desktops))
    engine.hub.states.add(StateTopic(RUNS, Permission.RUNS_READ, runs))
    engine.hub.states.add(StateTopic(NEEDS, Permission.QUESTIONS_READ, needs))
    engine.hub.states.add(StateTopic("health", Permission.RUNS_READ, look, _everybody, HEALTH_S))
    logs = [
        LogTopic("run", Permission.RUNS_READ, engine.runs.get),
        LogTopic("tenant", Permission.SCHEDULES_READ, engine.firings.log),
        LogTopic("desktop", Permission.DESKTOPS_READ, engine.desktops.get),
        LogTopic("boot", Permission.SERVICES_READ, engine.boots.get),
        LogTopic("session", Permission.SESSIONS_READ, engine.sessions.get, Permission.SESSIONS_READ_ALL),
    ]
    return Multiplexer(engine.hub, logs)


def _everybody(_caller: Caller) -> Hashable:
    return None
