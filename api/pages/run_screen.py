"""The page of a run while it goes on: fed with events, it says what has to change."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import UUID

import orjson
from markupsafe import escape
from starlette.requests import Request

from api.authentication import csrf_token
from api.engine import Engine
from api.pages.addresses import RunAddress
from api.pages.formats import Viewer
from api.pages.fragments import Fragment, live_count, say
from api.pages.lines import GROUPS, line
from api.pages.logs import log
from api.pages.rendering import rail_counts, templates, viewer
from api.pages.run_loading import OUTPUT_KINDS, Loading
from api.pages.run_page import Choice, RunPage, announcement, run_page
from api.pages.run_views import Facts
from api.pages.shell import Frame, Place, Shell
from api.pages.spans import SPAN_KINDS
from api.pages.waterfall import Waterfall
from windlass.contracts.events import Event, EventKind
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.frames import Frame as LogFrame
from windlass.core.multiplex import LogUpdate, Update

STATE_KINDS = (*SPAN_KINDS, *OUTPUT_KINDS, EventKind.ERROR, EventKind.META)
CALM_S = 0.25  # between two drawings of everything but the log
MOST_LINES = 500  # in one write


class RunScreen:
    """One run as one person looks at it."""

    def __init__(self, loading: Loading, request: Request, facts: Facts, address: RunAddress) -> None:
        self._loading, self._request, self._facts, self._address = loading, request, facts, address
        self._shown: dict[str, str] = {}
        self._waterfall: Waterfall | None = None
        self._drawn_at = 0.0
        self.is_stale = True
        self._seq_seen: int = facts.last_seq
        self._seq_shown: int = -1  # the page may have been drawn earlier
        self._writing: dict[str, int] = {}  # attempt by item
        self.is_over = False

    @classmethod
    async def open(cls, engine: Engine, caller: Caller, topic: str, request: Request) -> "RunScreen":
        """The screen of `run:{id}`. Raises NotFound."""
        try:
            run_id = UUID(topic.removeprefix("run:"))
        except ValueError:
            raise NotFound("run", topic) from None
        address, loading = RunAddress.read(run_id, request.query_params), Loading(engine, caller)
        return cls(loading, request, await loading.facts(run_id, address), address)

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """New lines at once; everything else a few times a second at most."""
        seen = viewer(self._request)
        events, words = self._read(updates)
        fragments = self._lines(events, seen) + words
        if any(event.kind in STATE_KINDS for event in events):
            self._feed(events)
        if self.is_stale and (monotonic() - self._drawn_at >= CALM_S or self._has_ended(events)):
            await self._refresh()
            fragments += self._state(seen)
            if not self._facts.run.is_live:
                fragments.append(live_count(await rail_counts(self._loading.engine, self._loading.caller)))
        elif not updates and self._facts.run.is_live:
            fragments += self._moved(seen)
        if self._seq_seen != self._seq_shown:
            self._seq_shown = self._seq_seen
            fragments.append(Fragment("seq", f'<span class="seq" id="seq">seq {self._seq_seen}</span>'))
        self.is_over = self.is_over or self._has_ended(events)
        return fragments + self._said(events)

    def _read(self, updates: Sequence[Update]) -> tuple[list[Event], list[Fragment]]:
        events: list[Event] = []
        words: list[Fragment] = []
        for update in updates:
            if not isinstance(update, LogUpdate):
                continue
            if update.frame.seq is None:
                words += self._write(update.frame)
            else:
                events.append(read_event(update.frame))
        return events, words

    def _feed(self, events: Sequence[Event]) -> None:
        fresh = [event for event in events if event.seq > self._facts.last_seq]
        self._facts.spans.feed(fresh)
        outputs = [event for event in fresh if event.kind in OUTPUT_KINDS]
        if outputs:
            self._facts = replace(self._facts, outputs=(*self._facts.outputs, *outputs))
        self.is_stale = True

    async def _refresh(self) -> None:
        runs, caller = self._loading.engine.runs, self._loading.caller
        run = await runs.get(caller, self._facts.run.id)
        steps = (await runs.steps(caller, [run.id]))[run.id]
        questions = await self._loading.questions(run)
        files = await self._loading.files(run)
        self._facts = replace(self._facts, run=run, steps=steps, questions=questions, files=files)
        self.is_stale, self._drawn_at = False, monotonic()

    def _lines(self, events: Sequence[Event], seen: Viewer) -> list[Fragment]:
        if not events:
            return []
        self._seq_seen = max(self._seq_seen, events[-1].seq)
        if self._address.shown != "timeline":
            return []
        kinds = GROUPS.get(self._address.kinds)
        wanted = [event for event in events if kinds is None or event.kind in kinds][-MOST_LINES:]
        macro = templates().macro
        html = [macro("live_log", "event_row", line(event, seen, self._address.path)) for event in wanted]
        html += [f'<div id="w-{escape(item)}" data-gone></div>' for item in self._final(events)]
        return [Fragment("lines", "".join(html), "lines")] if html else []

    def _final(self, events: Sequence[Event]) -> list[str]:
        """The items whose text is complete now."""
        messages = [str(event.payload.get("item", "")) for event in events if event.kind is EventKind.MESSAGE]
        return [item for item in messages if self._writing.pop(item, None) is not None]

    def _write(self, frame: LogFrame) -> list[Fragment]:
        """Words of a message that is still being written; a higher attempt begins it anew."""
        if self._address.shown != "timeline" or self._address.kinds not in ("", "model"):
            return []
        payload: dict[str, Any] = orjson.loads(frame.data)["payload"]
        item, attempt, text = str(payload["item"]), int(payload["attempt"]), str(payload["text"])
        known = self._writing.get(item)
        if known is not None and attempt < known:
            return []
        if known == attempt:
            return [Fragment(f"w-{item}", str(escape(text)), "write")]
        self._writing[item] = attempt
        html = templates().macro("live_log", "writing", item, text, "")
        return [Fragment("lines", html, "lines")]

    def _state(self, seen: Viewer) -> list[Fragment]:
        page = self._page(seen)
        frame = Frame("", False, csrf_token(self._request, self._loading.caller), self._address.path)
        shell = Shell(self._loading.caller, seen, frame, Place("Runs", ()))
        values = {"view": page, "shell": shell}
        parts = {"run-head": "run_head", "run-facts": "run_facts", "tabs": "run_tabs", "aside": "run_aside_box"}
        if self._address.shown in ("output", "files", "cost"):
            parts["tab-content"] = f"run_{self._address.shown}"
        drawn = {target: templates().render(f"parts/{name}.html", values) for target, name in parts.items()}
        if not page.log.is_live and self._address.shown == "timeline":
            drawn["log-bar"] = templates().macro("live_log", "bar", page.log)
        changed = [Fragment(target, html) for target, html in drawn.items() if self._shown.get(target) != html]
        self._shown = drawn
        return changed + self._rows(page.waterfall, seen)

    def _moved(self, seen: Viewer) -> list[Fragment]:
        """The waterfall again, when time alone has moved its axis."""
        page = self._page(seen)
        before, now = self._waterfall, page.waterfall
        if self._address.shown != "timeline" or before is None or now is None or before.axis == now.axis:
            return []
        return self._rows(now, seen)

    def _rows(self, drawn: Waterfall | None, seen: Viewer) -> list[Fragment]:
        before, self._waterfall = self._waterfall, drawn
        if drawn is None or self._address.shown != "timeline":
            return []
        macro = templates().macro
        if before is None or before.axis != drawn.axis:
            return [Fragment("wf", macro("waterfall", "waterfall", drawn, self._address, seen.zone.key))]
        known = {row.id: row for row in before.rows}
        fragments: list[Fragment] = []
        above = ""
        for row in drawn.rows:
            if known.pop(row.id, None) != row:
                html = macro("waterfall", "row", row, self._address)
                fragments.append(Fragment("wf-rows", html, "row", above))
            above = row.id
        if drawn.map != before.map:
            names = {"wf-map": "overview", "wf-more": "earlier", "wf-later": "later"}
            fragments += [Fragment(id, macro("waterfall", name, drawn, self._address)) for id, name in names.items()]
        return [*fragments, *(Fragment(gone, how="drop") for gone in known)]

    def _page(self, seen: Viewer) -> RunPage:
        facts = replace(self._facts, last_seq=self._seq_seen)
        empty = log([], facts.last_seq, seen, self._address, is_live=facts.run.is_live)
        temporal_url = self._loading.engine.links.workflow(self._loading.caller.tenant_id, facts.run.id) or ""
        return run_page(facts, empty, self._loading.caller, seen, Choice(temporal_url=temporal_url))

    def _said(self, events: Sequence[Event]) -> list[Fragment]:
        done = [str(event.payload.get("name")) for event in events if event.payload.get("state") == "done"]
        ends = [str(event.payload["status"]) for event in events if self._has_ended([event])]
        sentences = [announcement(done), *(f"Run {status}" for status in ends)]
        return [say(sentence) for sentence in sentences if sentence]

    def _has_ended(self, events: Sequence[Event]) -> bool:
        ended = ("finished", "failed", "cancelled")
        return any(event.kind is EventKind.STATUS and event.payload.get("status") in ended for event in events)


def read_event(frame: LogFrame) -> Event:
    """The event of a frame."""
    said: dict[str, Any] = orjson.loads(frame.data)
    return Event(said["seq"], datetime.fromisoformat(said["at"]), EventKind(said["kind"]), said["payload"])
