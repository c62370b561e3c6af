"""Question cards: what a run asks, its form, and who answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.formats import Clock, Viewer, took
from api.pages.forms import Buttons, Field, buttons, errors_by_field, fields, problems, read_inputs, rearranged
from api.pages.rendering import go, page, read_form, viewer
from api.pages.shell import Place
from api.routes.questions import QuestionAnswerer, QuestionReader
from windlass.contracts.questions import QuestionKind, exactly
from windlass.core.approvals import DENY, ONCE
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.permissions import Permission
from windlass.core.questions import Question, QuestionFilter

router = APIRouter(include_in_schema=False)

SHOWN = 20
KEYS = {ONCE: "A", DENY: "D"}
SHORT = 3  # fields that a card on the home page may have to be answered there


@dataclass(frozen=True, slots=True)
class Card:
    """One question as it is drawn: open with its form, or closed with what became of it."""

    id: UUID
    place: str
    run_title: str
    agent: str
    name: str
    state: str
    age: Clock
    asked_at: datetime
    expires: str
    data: str
    said: str
    fields: tuple[Field, ...]
    buttons: Buttons
    problems: tuple[tuple[str, str], ...]
    may_answer: bool
    kind: str
    may_hand_over: bool = False
    """Whether it may be given to somebody else, together with the session that asks."""
    is_of_budget: bool = False

    @property
    def decisions(self) -> tuple[tuple[str, str, str, str], ...]:
        """What may be decided about a use of a tool, each as a button (field, value, text, key)."""
        asked = [each for each in self.fields if each.look == "radio"] if self.kind == QuestionKind.APPROVAL else []
        named = ((each.sent_as, option) for each in asked for option in each.options)
        return tuple((field, option.name, option.label, KEYS.get(option.name, "")) for field, option in named)

    @property
    def then(self) -> str:
        """What becomes of it when nobody answers in time."""
        if self.decisions:
            return "then it expires, and is not done"
        if self.place.startswith("/runs/"):
            return "then the run goes on without an answer"
        return "then the turn ends" if self.is_of_budget else "then the turn goes on without an answer"

    @property
    def is_open(self) -> bool:
        """Whether it waits."""
        return self.state == "open"

    @property
    def path(self) -> str:
        """Where it can be answered."""
        return f"{self.place}/questions/{self.id}"

    @property
    def quick(self) -> tuple[tuple[str, str, str], ...]:
        """The usual answers as buttons (field, value, text), when there is nothing else to fill in."""
        asked = [each for each in self.fields if each.look not in ("prose", "hidden")]
        if len(asked) != 1 or asked[0].look not in ("radio", "select") or asked[0].multiple or self.buttons.actions:
            return ()
        options = asked[0].options
        return tuple((asked[0].sent_as, each.name, each.label) for each in options) if len(options) <= SHORT else ()


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as somebody left it, and what is wrong with it."""

    values: Mapping[str, Any] | None = None
    errors: Mapping[str, Sequence[str]] | None = None


def card(question: Question, caller: Caller, seen: Viewer, filled: Filled | None = None) -> Card:
    """A question as one person sees it."""
    filled = filled or Filled(errors=question.errors if question.is_open else None)
    drawn = [each.on(str(question.id)) for each in fields(question.elements, filled.values, filled.errors)]
    return Card(
        id=question.id,
        place=question.place,
        run_title=question.run_title,
        agent=question.agent,
        name=question.name,
        state=question.state,
        age=took(question.asked_at, question.answered_at if not question.is_open else None, seen.now),
        asked_at=question.asked_at,
        expires=seen.when(question.expires_at),
        data="" if question.data in (None, {}, "") or question.is_of_budget else _shown(question.data),
        said=said(question, seen),
        fields=tuple(drawn),
        buttons=buttons(question.elements, "Answer"),
        problems=tuple(problems(drawn, filled.errors)),
        kind=question.kind,
        may_answer=question.is_open and caller.may(Permission.QUESTIONS_ANSWER),
        may_hand_over=question.session_id is not None and caller.may(Permission.SESSIONS_WRITE),
        is_of_budget=question.is_of_budget,
    )


def said(question: Question, seen: Viewer) -> str:
    """What became of a question that is closed."""
    if question.state == "answered":
        when = seen.when(question.answered_at) if question.answered_at else ""
        checked = " The service will look at it when the run goes on." if question.unsettled else ""
        return f"{question.answered_by_name or 'Somebody'} answered it, {when}.{checked}"
    if question.state == "expired":
        return f"It expired, {seen.when(question.expires_at)}: nobody answered in time."
    whose = "run" if question.session_id is None else "turn"
    return f"It was withdrawn: the {whose} does not wait for it any more." if question.state == "cancelled" else ""


def _shown(data: Any) -> str:
    return data if isinstance(data, str) else exactly(data, indent=2)


async def needs(engine: Engine, caller: Caller, seen: Viewer) -> tuple[Card, ...]:
    """Everything that waits for this person, what has waited longest first."""
    if not caller.may(Permission.QUESTIONS_ANSWER):
        return ()
    found = await engine.questions.oldest(caller, QuestionFilter(state="open"), limit=SHOWN)
    return tuple(card(each, caller, seen) for each in found)


@router.get("/runs/{run_id}/questions/{question_id}")
async def question(
    run_id: UUID, question_id: UUID, request: Request, caller: QuestionReader, engine: EngineDep
) -> Response:
    """One question with its form."""
    return await show(request, caller, await _of_run(engine, caller, run_id, question_id))


@router.post("/runs/{run_id}/questions/{question_id}")
async def answer(
    run_id: UUID, question_id: UUID, request: Request, caller: QuestionAnswerer, engine: EngineDep
) -> Response:
    """Take the answer and go back to the run, or show the form again with what is wrong."""
    return await take(request, caller, engine, await _of_run(engine, caller, run_id, question_id))


@router.get("/sessions/{session_id}/questions/{question_id}")
async def approval(
    session_id: UUID, question_id: UUID, request: Request, caller: QuestionReader, engine: EngineDep
) -> Response:
    """What a turn of a session asks."""
    return await show(request, caller, await _of_session(engine, caller, session_id, question_id))


@router.post("/sessions/{session_id}/questions/{question_id}")
async def decide(
    session_id: UUID, question_id: UUID, request: Request, caller: QuestionAnswerer, engine: EngineDep
) -> Response:
    """Take the decision and go back to the session."""
    return await take(request, caller, engine, await _of_session(engine, caller, session_id, question_id))


async def take(request: Request, caller: Caller, engine: Engine, asked: Question) -> Response:
    """Take the answer and go back to who asked, or show the form again with what is wrong."""
    form = read_form(request)
    values = read_inputs(asked.elements, form)
    if (changed := rearranged(values, form)) is not None:
        return await show(request, caller, asked, Filled(changed))
    try:
        await engine.questions.answer(caller, asked.id, values)
    except Invalid as wrong:
        return await show(request, caller, asked, Filled(values, errors_by_field(wrong.errors)), 422)
    except Conflict:
        return await show(request, caller, await engine.questions.get(caller, asked.id), status=409)
    goes_on = "" if asked.is_of_budget else ", the run goes on" if asked.session_id is None else ", the turn goes on"
    return go("/" if form.get("back") == ["home"] else asked.place, f"Answered{goes_on}")


async def _of_run(engine: Engine, caller: Caller, run_id: UUID, question_id: UUID) -> Question:
    found = await engine.questions.get(caller, question_id)
    if found.run_id != run_id:
        raise NotFound("question", question_id)
    return found


async def _of_session(engine: Engine, caller: Caller, session_id: UUID, question_id: UUID) -> Question:
    found = await engine.questions.get(caller, question_id)
    if found.session_id != session_id:
        raise NotFound("question", question_id)
    return found


async def show(
    request: Request, caller: Caller, asked: Question, filled: Filled | None = None, status: int = 200
) -> Response:
    """The page of one question."""
    noun = "Runs" if asked.session_id is None else "Sessions"
    crumbs = ((noun, f"/{noun.lower()}"), (asked.place[-8:], asked.place), ("Question", ""))
    values = {"it": card(asked, caller, viewer(request), filled), "title": asked.name}
    return await page(request, caller, "question.html", Place(noun, crumbs), values, status)
