"""A conversation that has become too long for its model: what came before is told in short, and it goes on."""

from collections.abc import Iterator, Sequence

from activities.dialogues import (
    SUMMARY,
    answer_of,
    answers_of,
    covered,
    is_answer,
    latest_summary,
    of_turn,
    summaries_of,
    taken_up,
)
from activities.exchanges import Exchange
from activities.models import CANCELLED, ModelRequest
from activities.transcripts import calls
from windlass.contracts.events import Event, EventKind, NewEvent, Payload
from windlass.contracts.sessions import SessionSettings

TOO_LONG = "ContextWindow"
MOST_PER_TURN = 3
ROOMS = (400_000, 100_000, 25_000)  # characters of what is summed up: a quarter of the last when that is too long too
WORDS, RESULT = 20_000, 2_000  # characters of one message, and of what one use of a tool came to
MOST_TOKENS = 4_096
PRODUCER = "summary"
CUT = "\n[… left out …]\n"
TOLD = "The conversation became too long for the model. It goes on with a summary of what came before."
SYSTEM = "You sum up conversations between people and an assistant, so that the assistant can go on with its work."
ORDER = """Sum up the conversation below for the assistant that goes on with it and will see nothing else of it.
Keep what was asked for and what is still open, what was decided and why, what was found out, which files were made or
changed, and every name, number and path that may be needed again. Say it plainly, without comment.

<conversation>
{}
</conversation>"""


class Summing(Exchange):
    """One call that sums up what came before: recorded as a note with the summary, not as something said."""

    upto = 0

    async def emit(self, kind: EventKind, payload: Payload) -> None:
        """Take the summary and what it cost; what broke off is none."""
        if kind is EventKind.MESSAGE:
            if payload["stop_reason"] in (CANCELLED, "refusal") or not str(payload["text"]).strip():
                return
            payload = {"level": "info", "text": TOLD, "summary": payload["text"], "upto": self.upto, **self._spot.more}
            kind = EventKind.LOG
        folded = await self._recorder.fold(payload)
        producer = PRODUCER if kind is EventKind.LOG or self._reported else f"{PRODUCER}:{self._attempt}"
        self._reported.append(NewEvent(kind, folded, producer, self._spot.place + (kind is EventKind.USAGE)))

    async def delta(self, item: str, ord: int, text: str) -> None:
        """Nobody reads a summary as it is written."""


def end_of_past(events: Sequence[Event], turn: int, call: int) -> int | None:
    """Up to where the conversation can be summed up: what came before the turn, else what the turn has done by now.

    None: there is nothing more to leave out, or that was tried often enough. An answer of this call broke off at the
    end of the window: it is summed up with the rest.
    """
    if sum(each.payload["turn"] == turn for each in summaries_of(events)) >= MOST_PER_TURN:
        return None
    done = covered(events)
    began = min((each.seq for each in of_turn(events, EventKind.STATUS, turn)), default=0)
    broke_off = answer_of(events, turn, call) is not None
    if not broke_off and any(is_answer(each) and done < each.seq < began for each in events):
        return began - 1
    return events[-1].seq if any(each.seq > done for each in answers_of(events, turn)) else None


def question(events: Sequence[Event], upto: int, settings: SessionSettings, room: int) -> ModelRequest:
    """What is asked for a summary of everything up to there, in so many characters."""
    told = "\n\n".join(_lines(events, upto))
    if len(told) > room:
        told = told[: room // 4] + CUT + told[-(room - room // 4) :]
    return ModelRequest(
        prompt=ORDER.format(told),
        system=SYSTEM,
        model=settings.model,
        max_tokens=min(settings.max_tokens, MOST_TOKENS),
    )


def _lines(events: Sequence[Event], upto: int) -> Iterator[str]:
    """What was said and done, from the last summary on."""
    known, done = latest_summary(events), covered(events)
    if known is not None:
        yield SUMMARY.format(known.payload["summary"])
    took = dict(taken_up(events, done))
    for event in events:
        if done < event.seq <= upto:
            yield from (_spoken(each) for each in took.get(event.seq, ()))
            yield from _told(event)


def _spoken(event: Event) -> str:
    """What somebody said, where a turn took it up."""
    return f"{event.payload.get('name') or 'Somebody'}: {_short(str(event.payload.get('text') or ''), WORDS)}"


def _told(event: Event) -> Iterator[str]:
    """What the model said and did, and what came of it."""
    said = event.payload
    text = str(said.get("text") or "")
    if is_answer(event):
        if text.strip():
            yield f"Assistant: {_short(text, WORDS)}"
        for each in calls(said):
            yield f"Assistant used {each['name']}: {_short(str(each.get('input') or {}), RESULT)}"
    elif event.kind is EventKind.TOOL_RESULT:
        yield f"{said.get('name')} came to: {_short(text, RESULT)}"


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room // 2] + CUT + text[-(room // 2) :]
