"""Kodosumi's locks: questions of a run and their answers, which it calls leases."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.dependencies import EngineDep
from api.routes.compat.kodosumi.flows import by_field
from api.routes.compat.kodosumi.words import PREFIX, read_object
from api.routes.questions import QuestionAnswerer, QuestionReader
from windlass.core.errors import Invalid, NotFound

router = APIRouter(prefix=f"{PREFIX}/lock", tags=["compat"])

SENT: dict[str, Any] = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}


@router.get("/{run_id}/{question_id}")
async def lock(run_id: UUID, question_id: UUID, caller: QuestionReader, engine: EngineDep) -> Sequence[dict[str, Any]]:
    """The form of a lock that is open."""
    question = await engine.questions.of_run(caller, run_id, question_id)
    if not question.is_open:
        raise NotFound("open lock", question_id)
    return question.elements


@router.post("/{run_id}/{question_id}", response_class=JSONResponse, openapi_extra=SENT)
async def lease(
    run_id: UUID, question_id: UUID, request: Request, caller: QuestionAnswerer, engine: EngineDep
) -> JSONResponse:
    """Answer it, or hear by field what is wrong: both are a 200 here. The first answer stands, a second is a 409."""
    question = await engine.questions.of_run(caller, run_id, question_id)
    try:
        answer = await engine.questions.answer(caller, question_id, _sent(request))
    except Invalid as refused:
        return JSONResponse({"errors": by_field(refused), "elements": question.elements})
    return JSONResponse({"result": answer.question.result, "elements": question.elements})


def _sent(request: Request) -> dict[str, Any]:
    """The answer. Raises Invalid when it is no JSON object."""
    sent = read_object(request.state.body)
    if sent is None:
        raise Invalid("The answer must be a JSON object; the lock is still open.")
    return sent
