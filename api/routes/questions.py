"""Questions: what waits for people, and their answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from api.bodies import Body
from api.dependencies import CursorsDep, EngineDep, requires
from api.paging import ListQuery, PageOf
from windlass.core.callers import Caller
from windlass.core.permissions import Permission
from windlass.core.questions import Question, QuestionFilter
from windlass.forms import json_schema

router = APIRouter(prefix="/v1", tags=["questions"])

QuestionReader = Annotated[Caller, Depends(requires(Permission.QUESTIONS_READ))]
QuestionAnswerer = Annotated[Caller, Depends(requires(Permission.QUESTIONS_ANSWER))]
State = Literal["open", "answered", "expired", "cancelled"]


class AnswerBody(Body):
    """What was filled in, by the names of the form's fields."""

    inputs: dict[str, Any] = Field(default_factory=dict[str, Any], examples=[{"answer": "yes"}])


class QuestionView(BaseModel):
    """A question as it stands; `errors` say why the service refused the answer before."""

    id: UUID
    run_id: UUID | None = Field(description="Null when a session asks.")
    session_id: UUID | None
    run_title: str
    agent: str
    kind: str
    name: str
    data: Any
    state: State
    elements: Sequence[dict[str, Any]]
    json_schema: dict[str, Any]
    asked_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    answered_by: UUID | None
    answered_by_name: str | None
    inputs: dict[str, Any] | None
    result: Any
    unsettled: bool = Field(description="Answered while the service was down: its handler has yet to look at it.")
    errors: dict[str, list[str]] | None


class QuestionQuery(ListQuery):
    """Which questions; every filter is optional."""

    state: State | None = None
    run_id: UUID | None = None
    session_id: UUID | None = None


@router.get("/questions")
async def oldest(
    query: Annotated[QuestionQuery, Query()], caller: QuestionReader, engine: EngineDep, cursors: CursorsDep
) -> PageOf[QuestionView]:
    """The questions of the runs and sessions you may see, the oldest first."""
    place = cursors.read(caller, "questions", query)
    after = None if place is None else (datetime.fromisoformat(place[0]), UUID(place[1]))
    wanted = QuestionFilter(query.state, query.run_id, query.session_id)
    found = await engine.questions.oldest(caller, wanted, limit=query.limit + 1, after=after)
    items, following = cursors.page(
        caller, "questions", query, found, lambda each: (each.asked_at.isoformat(), str(each.id))
    )
    return PageOf(items=[view(each) for each in items], next=following)


@router.get("/questions/{question_id}")
async def read(question_id: UUID, caller: QuestionReader, engine: EngineDep) -> QuestionView:
    """One question with its form."""
    return view(await engine.questions.get(caller, question_id))


@router.post("/questions/{question_id}/answer")
async def answer(question_id: UUID, body: AnswerBody, caller: QuestionAnswerer, engine: EngineDep) -> QuestionView:
    """Answer it; the first valid answer stands, and the run goes on. 422 names each field, 409 says who was first."""
    return view((await engine.questions.answer(caller, question_id, body.inputs)).question)


@router.get("/runs/{run_id}/questions")
async def of_run(run_id: UUID, caller: QuestionReader, engine: EngineDep) -> PageOf[QuestionView]:
    """Every question of a run (at most 200), the oldest first."""
    await engine.runs.get(caller, run_id)
    found = await engine.questions.oldest(caller, QuestionFilter(run_id=run_id), limit=200)
    return PageOf(items=[view(each) for each in found], next=None)


@router.post("/runs/{run_id}/questions/{question_id}/answer")
async def answer_of_run(
    run_id: UUID, question_id: UUID, body: AnswerBody, caller: QuestionAnswerer, engine: EngineDep
) -> QuestionView:
    """The same, by the run's address."""
    await engine.questions.of_run(caller, run_id, question_id)
    return await answer(question_id, body, caller, engine)


def view(question: Question) -> QuestionView:
    """The question as clients see it."""
    shown = {name: getattr(question, name) for name in QuestionView.model_fields if hasattr(question, name)}
    return QuestionView.model_validate({**shown, "json_schema": json_schema(question.elements)})
