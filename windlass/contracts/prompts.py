"""Prompt tasks of desktops: what their workflow and its activities tell each other. Ids and small words, no content."""

from dataclasses import dataclass

from windlass.contracts.agents import MAX_ACTIONS
from windlass.contracts.desktops import STANDARD
from windlass.contracts.runs import DriveOutcome

# Durable names: they live in histories, renaming one is a migration.
WORKFLOW = "PromptWorkflow"
PREPARE = "read_skills"
THINK = "think"
ACT = "act"


@dataclass(frozen=True, slots=True)
class PromptInput:
    """A run whose model works in a desktop: which of its containers, where that is, and how far it may go."""

    tenant_id: str
    run_id: str
    desktop_id: str
    generation: int
    queue: str
    template: str = STANDARD
    max_actions: int = MAX_ACTIONS


@dataclass(frozen=True, slots=True)
class ThinkInput:
    """The next turn of a run: everything that was said and done before it is in the run's log."""

    tenant_id: str
    run_id: str
    turn: int
    template: str = STANDARD


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model wants done, in few words each; or how the run ended. `seq`: where its message is in the log."""

    seq: int = 0
    moves: tuple[str, ...] = ()
    outcome: DriveOutcome | None = None


@dataclass(frozen=True, slots=True)
class PrepareInput:
    """A desktop in which a model is about to work."""

    tenant_id: str
    run_id: str
    desktop_id: str


@dataclass(frozen=True, slots=True)
class ActInput:
    """One of the things a model wants done: the n-th of the turn whose message is at `seq`."""

    tenant_id: str
    run_id: str
    desktop_id: str
    generation: int
    turn: int
    place: int
    seq: int
