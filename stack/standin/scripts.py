"""Scripts: what a prompt asks the stand-in to answer.

A prompt may carry `<standin>[{"text": "hi"}, {"status": 429, "times": 1}]</standin>`, one step or a list. The last
script in the conversation counts, and the number of assistant messages after it is the step that is due, so the
server keeps no state and resume, fork, retry and concurrency all replay correctly.
"""

import json
import re
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from stack.standin.refusals import Refused

Json = dict[str, Any]  # the Messages API is JSON, and the stand-in is its server side

SCRIPT = re.compile(r"<standin>(.*?)</standin>", re.DOTALL)
PLAIN_CHUNK_DELAY_S = 0.03
QUOTE_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Step:
    """One answer; every field is optional in a script."""

    text: str = ""
    thinking: str = ""
    tool: Json | None = None
    """A call `{name, input, id?}`; `tools` holds several."""
    tools: list[Json] = field(default_factory=list[Json])
    delay: float = 0
    """Seconds before the answer begins."""
    chunk_delay: float = 0
    """Seconds before each piece of it."""
    status: int | None = None
    """An HTTP error instead of an answer, with `error` (its type), `message`, and the three headers below."""
    error: str = ""
    message: str = "Scripted error."
    retry_after: str | float | None = None
    retry_after_ms: float | None = None
    should_retry: bool | None = None
    stream_error: str | None = None
    """The type of an error sent inside the stream, before the first piece."""
    drop: int | None = None
    """Pieces after which the connection breaks."""
    cut: int | None = None
    """Pieces after which the stream ends politely, unfinished."""
    hang: int | None = None
    """Pieces after which nothing more comes."""
    window: int | None = None
    """Tokens that fit: a longer request is refused as too long."""
    blind: bool = False
    """Whether a request with a picture or a document is refused, as one that cannot be read is."""
    times: int | None = None
    """How many equal requests meet the trouble before the step answers plainly: the one thing that is counted."""
    stop_reason: str | None = None
    usage: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def breaks_after(self) -> int | None:
        """Pieces before the stream goes wrong; None when it does not."""
        if self.stream_error is not None:
            return 0
        return next((n for n in (self.drop, self.cut, self.hang) if n is not None), None)

    def without_trouble(self) -> "Step":
        """The same answer, given plainly."""
        return replace(self, status=None, stream_error=None, drop=None, cut=None, hang=None)


KEYS = frozenset(entry.name for entry in fields(Step))


def find_step(body: Json) -> Step:
    """What to answer: the due step of the last script, or the labelled sample answer."""
    assistants = 0
    for message in reversed(cast(list[Json], body["messages"])):
        if message.get("role") == "assistant":
            assistants += 1
        elif scripts := SCRIPT.findall(text_of(message.get("content"))):
            return due(read_script(scripts[-1]), assistants)
    if scripts := SCRIPT.findall(text_of(body.get("system"))):
        return due(read_script(scripts[-1]), assistants)
    return Step(text=sample_answer(body), chunk_delay=PLAIN_CHUNK_DELAY_S)


def due(steps: list[Step], index: int) -> Step:
    """The step at an index; past the end the script says so."""
    return steps[index] if index < len(steps) else Step(text="The script is over.")


def read_script(text: str) -> list[Step]:
    """Read a script: one step or a list of steps."""
    try:
        read = json.loads(text)
    except ValueError as error:
        raise Refused(400, f"The script is not JSON: {error}.") from error
    listed = cast(list[object], read) if isinstance(read, list) else [read]
    if not listed:
        raise Refused(400, "The script has no steps.")
    return [read_step(step) for step in listed]


def read_step(step: object) -> Step:
    """Read one step; an unknown key is refused, so that a typing mistake does not pass for an answer."""
    if not isinstance(step, dict):
        raise Refused(400, "A step of the script must be an object.")
    given = cast(Json, step)
    if unknown := sorted(given.keys() - KEYS):
        raise Refused(400, f"A step of the script has unknown keys: {', '.join(unknown)}.")
    return Step(**given)


def text_of(content: object) -> str:
    """The text of a message's content, whether it is a string or a list of blocks."""
    if isinstance(content, str):
        return content
    blocks = cast(list[Json], content) if isinstance(content, list) else []
    return "\n".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")


def sample_answer(body: Json) -> str:
    """A few sentences that say what they are and refer to the prompt."""
    said = [text_of(m.get("content")) for m in cast(list[Json], body["messages"]) if m.get("role") == "user"]
    words = " ".join(said[-1].split()) if said else ""
    quote = words if len(words) <= QUOTE_CHARACTERS else words[: QUOTE_CHARACTERS - 1] + "…"
    return (
        "This is a scripted stand-in answer: no model was asked, because ANTHROPIC_API_KEY is not set. "
        f"Your prompt reads: “{quote}” "
        "A real model would answer it here, streamed word by word like this sentence. "
        "Set ANTHROPIC_API_KEY and start again to get real answers."
    )
