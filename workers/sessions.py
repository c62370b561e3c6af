"""How turns of sessions are wired, for the role that asks models."""

from collections.abc import Callable, Mapping

from activities.adapters.fences import Bubblewrap, NoFence, Unfenced
from activities.errands import Errands
from activities.interrupts import Interrupts
from activities.linked_runs import Linked
from activities.models import ClaudeExecutor
from activities.onward import OnwardActivities
from activities.sessions import Mind, SessionActivities
from activities.shells import Fence, Shells
from activities.uses import Hands, ToolActivities
from windlass.contracts.ids import SessionId
from windlass.contracts.sessions import CHANNEL
from windlass.core.approvals import Approvals
from windlass.core.artifacts import Artifacts
from windlass.core.attachments import Attachments
from windlass.core.contents import Contents
from windlass.core.events import Events
from windlass.core.inquiries import Inquiries
from windlass.core.linked_runs import LinkedRuns
from windlass.core.server_uses import Offers
from windlass.core.turns import Turns
from windlass.core.workspaces import Workspaces
from workers.driving import heard
from workers.parts import Parts, form_secrets
from workers.servers import LateServers

FENCES: Mapping[str, Callable[[], Fence]] = {"fence": Bubblewrap, "open": Unfenced, "off": NoFence}


def talking(parts: Parts, executor: ClaudeExecutor) -> tuple[SessionActivities, ToolActivities, OnwardActivities]:
    """The activities of turns, of their tools and of both, with an ear for those that somebody interrupts."""
    interrupts = Interrupts()
    parts.listener.on(CHANNEL, heard(interrupts.look_here, SessionId))
    turns, events = Turns(parts.database, parts.notifier), Events(parts.database, parts.notifier)
    contents, offers = Contents(parts.database, parts.objects), Offers(parts.database)
    artifacts, workspaces = Artifacts(contents), Workspaces(parts.database, contents)
    inquiries = Inquiries(parts.database, parts.notifier, artifacts)
    linked = Linked(LinkedRuns(parts.database, parts.notifier, form_secrets(parts.settings)), artifacts)
    hands = Hands(
        turns=turns,
        events=events,
        artifacts=artifacts,
        workspaces=workspaces,
        approvals=Approvals(parts.database, inquiries),
        offers=offers,
        servers=LateServers(parts),
        interrupts=interrupts,
        errands=Errands(inquiries, linked, turns, workspaces),
        shells=Shells(workspaces, FENCES[parts.settings.shell](), parts.settings.home / "shells"),
    )
    mind = Mind(
        executor=executor,
        turns=turns,
        events=events,
        artifacts=artifacts,
        attachments=Attachments(parts.database, contents),
        offers=offers,
        inquiries=inquiries,
    )
    talks = SessionActivities(mind, interrupts)
    return talks, ToolActivities(hands), OnwardActivities(hands, talks)
