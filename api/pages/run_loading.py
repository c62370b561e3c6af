"""Reading what the page of a run shows: its record, steps and tries, and the part of its log that is drawn."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.engine import Engine
from api.pages.addresses import RunAddress
from api.pages.formats import Viewer
from api.pages.lines import read_text
from api.pages.logs import OPENS_WITH, Log, kinds_of, log
from api.pages.run_views import MOST_FILES, Facts
from api.pages.spans import SPAN_KINDS, Span, SpanReader
from windlass.contracts.events import Event, EventKind
from windlass.contracts.files import ROOTS
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.files import FileQuery, RunFile
from windlass.core.permissions import Permission
from windlass.core.questions import Question, QuestionFilter
from windlass.core.runs import Run

OUTPUT_KINDS = (EventKind.RESULT, EventKind.FINAL)
DRAWN_KINDS = (*SPAN_KINDS, *OUTPUT_KINDS)
MOST_PAGES = 6  # of 500 events; a longer run is drawn from its step records
SEARCHED_PAGES = 20
MOST_OUTPUTS = 200
MOST_QUESTIONS = 20


@dataclass(frozen=True, slots=True)
class Loading:
    """Reads runs for one caller."""

    engine: Engine
    caller: Caller

    async def facts(self, run_id: UUID, address: RunAddress) -> Facts:
        """All but the log. Raises NotFound."""
        run = await self.engine.runs.get(self.caller, run_id)
        tries = await self.engine.runs.tries(self.caller, run)
        steps = (await self.engine.runs.steps(self.caller, [run.id]))[run.id]
        head = await self.engine.events.head(self.caller.tenant_id, run_id)
        spans, outputs = await self._spans(run)
        earlier = [await self._root(each) for each in tries if each.id != run.id] if address.together else []
        known = tuple(root for root in earlier if root is not None)
        questions = await self.questions(run)
        made = await self.engine.tasks.made_of(self.caller, run.root_id)
        files = await self.files(run)
        elements = await self._elements(run.agent) if address.shown == "inputs" else ()
        return Facts(run, steps, tries, spans, head.last_seq, outputs, questions, files, known, made, elements)

    async def _elements(self, agent: str) -> Sequence[Mapping[str, Any]]:
        """The form of an agent; nothing where there is no such agent any more."""
        if not self.caller.may(Permission.AGENTS_READ):
            return ()
        with suppress(NotFound):
            return (await self.engine.agents.get(self.caller, agent)).elements
        return ()

    async def files(self, run: Run) -> Sequence[RunFile]:
        """What went in and what came out: of each root one more than is shown, to know whether there are more."""
        if not self.caller.may(Permission.FILES_READ):
            return ()
        roots = [FileQuery(root, limit=MOST_FILES + 1) for root in ROOTS]
        return [each for root in roots for each in await self.engine.files.list(self.caller, run.id, root)]

    async def questions(self, run: Run) -> Sequence[Question]:
        """What the run asks, the open ones first."""
        if not self.caller.may(Permission.QUESTIONS_READ):
            return ()
        found = await self.engine.questions.oldest(self.caller, QuestionFilter(run_id=run.id), limit=MOST_QUESTIONS)
        return sorted(found, key=lambda each: not each.is_open)

    async def log(self, run: Run, last_seq: int, viewer: Viewer, address: RunAddress) -> Log:
        """The lines of the log that the view opens with."""
        if address.shown == "events":
            events = await self._searched(run.id, address, viewer)
        elif address.shown == "timeline":
            events = await self._tail(run.id, last_seq, address)
        else:
            events = []
        return log(events, last_seq, viewer, address, is_live=run.is_live)

    async def _spans(self, run: Run) -> tuple[SpanReader, list[Event]]:
        spans = SpanReader(run.agent, is_prompt=run.pin is not None)
        events = await self._drawn(run.id)
        steps = (await self.engine.runs.steps(self.caller, [run.id]))[run.id]
        outputs = [event for event in events if event.kind in OUTPUT_KINDS][-MOST_OUTPUTS:]
        if len(events) >= MOST_PAGES * OPENS_WITH:
            spans.feed([event for event in events if event.kind is not EventKind.STEP])
            spans.take_records(steps)
            outputs = await self._kinds(run.id, OUTPUT_KINDS)
        else:
            spans.take_over(steps)
            spans.feed(events)
        return spans, outputs

    async def _root(self, run: Run) -> Span | None:
        spans, _ = await self._spans(run)
        return spans.root()

    async def _drawn(self, run_id: UUID) -> list[Event]:
        return await self._kinds(run_id, DRAWN_KINDS)

    async def _kinds(self, run_id: UUID, kinds: Sequence[EventKind], pages: int = MOST_PAGES) -> list[Event]:
        found: list[Event] = []
        after = 0
        for _ in range(pages):
            more = await self.engine.events.read(self.caller.tenant_id, run_id, after, kinds=kinds)
            found += more
            if len(more) < OPENS_WITH:
                break
            after = more[-1].seq
        return found

    async def _tail(self, run_id: UUID, last_seq: int, address: RunAddress) -> list[Event]:
        kinds = kinds_of(address.kinds)
        if kinds is None:
            return await self.engine.events.read(self.caller.tenant_id, run_id, max(0, last_seq - OPENS_WITH))
        return (await self._kinds(run_id, kinds, SEARCHED_PAGES))[-OPENS_WITH:]

    async def _searched(self, run_id: UUID, address: RunAddress, viewer: Viewer) -> list[Event]:
        kinds, after = kinds_of(address.kinds), address.after or 0
        if not address.query:
            return await self.engine.events.read(self.caller.tenant_id, run_id, after, kinds=kinds)
        wanted = address.query.casefold()
        every = await self._kinds(run_id, kinds or list(EventKind), SEARCHED_PAGES)
        return [event for event in every if wanted in read_text(event, viewer)[0].casefold()][:OPENS_WITH]
