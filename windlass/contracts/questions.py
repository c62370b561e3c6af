"""Questions: what a run asks a person, and where it stands."""

import json
import unicodedata
from enum import StrEnum

DEFAULT_TIMEOUT_S = 10_800.0
TOPIC = "needs"  # the state topic of everything that waits for people
CHANNEL = "answer"  # carries the id of a run to whichever process drives it
UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Co", "Cn", "Cs"})  # what is not drawn, or turns what is drawn round


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


def exactly(given: object, *, indent: int | None = None) -> str:
    """JSON of what would be done, for whoever decides: characters that cannot be seen are written as escapes."""
    text = json.dumps(given, indent=indent, ensure_ascii=False)
    return "".join(json.dumps(each)[1:-1] if each != "\n" and _is_unseen(each) else each for each in text)


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in UNSEEN
