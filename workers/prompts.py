"""How thinking in prompt tasks is wired, for the role that asks models."""

from activities.models import ClaudeExecutor
from activities.prompts import Mind, PromptActivities
from windlass.core.artifacts import Artifacts
from windlass.core.contents import Contents
from windlass.core.events import Events
from windlass.core.executions import Executions
from windlass.core.machines import Machines
from windlass.core.screenshots import Screenshots
from workers.parts import Parts


def thinking(parts: Parts, executor: ClaudeExecutor) -> PromptActivities:
    """The activities that ask a model what to do next in a desktop."""
    return PromptActivities(
        Mind(
            executor=executor,
            executions=Executions(parts.database, parts.notifier),
            events=Events(parts.database, parts.notifier),
            artifacts=Artifacts(Contents(parts.database, parts.objects)),
            screenshots=Screenshots(parts.database, parts.notifier),
            objects=parts.objects,
            machines=Machines(parts.database, parts.jobs, parts.notifier),
        )
    )
