"""How turns of sessions are wired, for the role that asks models."""

from datetime import UTC, datetime

from activities.interrupts import Interrupts
from activities.models import ClaudeExecutor, Model
from activities.sessions import Mind, SessionActivities
from activities.uses import Hands, ToolActivities
from windlass.contracts.ids import SessionId
from windlass.contracts.sessions import CHANNEL
from windlass.core.approvals import Approvals
from windlass.core.artifacts import Artifacts
from windlass.core.events import Events
from windlass.core.server_uses import Offers
from windlass.core.turns import Turns
from windlass.core.workspaces import Workspaces
from workers.driving import heard
from workers.parts import Parts
from workers.servers import LateServers


def talking(parts: Parts, model: Model) -> tuple[SessionActivities, ToolActivities]:
    """The activities of turns and of their tools, with an ear for those that somebody interrupts."""
    interrupts = Interrupts()
    parts.listener.on(CHANNEL, heard(interrupts.look_here, SessionId))
    turns, events = Turns(parts.database, parts.notifier), Events(parts.database, parts.notifier)
    artifacts, offers = Artifacts(parts.objects), Offers(parts.database)
    executor = ClaudeExecutor(model, lambda: datetime.now(UTC).date())
    hands = Hands(
        turns=turns,
        events=events,
        artifacts=artifacts,
        workspaces=Workspaces(parts.database, parts.objects),
        approvals=Approvals(parts.database, parts.notifier, artifacts),
        offers=offers,
        servers=LateServers(parts),
        interrupts=interrupts,
    )
    return SessionActivities(Mind(executor, turns, events, artifacts, offers), interrupts), ToolActivities(hands)
