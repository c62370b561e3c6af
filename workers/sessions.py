"""How turns of sessions are wired, for the role that asks models."""

from datetime import UTC, datetime

from activities.models import ClaudeExecutor, Model
from activities.sessions import Mind, SessionActivities
from activities.uses import Hands, ToolActivities
from windlass.contracts.ids import SessionId
from windlass.contracts.sessions import CHANNEL
from windlass.core.approvals import Approvals
from windlass.core.artifacts import Artifacts
from windlass.core.events import Events
from windlass.core.turns import Turns
from windlass.core.workspaces import Workspaces
from workers.driving import heard
from workers.parts import Parts


def tool_activities(parts: Parts) -> ToolActivities:
    """The activities that use tools."""
    return ToolActivities(
        Hands(
            turns=Turns(parts.database, parts.notifier),
            events=Events(parts.database, parts.notifier),
            artifacts=Artifacts(parts.objects),
            workspaces=Workspaces(parts.database, parts.objects),
            approvals=Approvals(parts.database, parts.notifier, Artifacts(parts.objects)),
        )
    )


def session_activities(parts: Parts, model: Model) -> SessionActivities:
    """The activities of turns, and their ear for those that somebody interrupts."""
    activities = SessionActivities(
        Mind(
            executor=ClaudeExecutor(model, lambda: datetime.now(UTC).date()),
            turns=Turns(parts.database, parts.notifier),
            events=Events(parts.database, parts.notifier),
            artifacts=Artifacts(parts.objects),
        )
    )
    parts.listener.on(CHANNEL, heard(activities.interrupt_here, SessionId))
    return activities
