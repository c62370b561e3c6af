"""Questions: what a run asks a person, and where it stands."""

from enum import StrEnum

DEFAULT_TIMEOUT_S = 10_800.0
TOPIC = "needs"  # the state topic of everything that waits for people
CHANNEL = "answer"  # carries the id of a run to whichever process drives it


class QuestionKind(StrEnum):
    """What is asked for: a form of the service, a yes or no, or anything an agent thought of."""

    FORM = "form"
    APPROVAL = "approval"
    ASK = "ask"


class QuestionState(StrEnum):
    """Where a question is in its life."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
