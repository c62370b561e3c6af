"""Forms that are posted as to Kodosumi's panel: a run is started or a lock answered, or our page says what is wrong."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.dependencies import EngineDep, RequestUuid
from api.errors import BadRequest
from api.pages import questions, start
from api.pages.forms import errors_by_field, read_inputs
from api.pages.rendering import Form, go, read_form
from api.pages.start_form import Filled
from api.routes.compat.kodosumi.flows import EXTRA, Posted, launched
from api.routes.compat.kodosumi.words import PREFIX
from api.routes.questions import QuestionAnswerer
from api.routes.runs import RunStarter
from windlass.contracts.events import Payload
from windlass.core.agents import Agent
from windlass.core.errors import Invalid

router = APIRouter(prefix=f"{PREFIX}/inputs", include_in_schema=False)

Json = dict[str, Any]
CANCEL, TOKEN = "__cancel__", "csrf_token"


@router.post("/-/{path:path}")
async def post_form(path: str, request: Request, caller: RunStarter, engine: EngineDep, new: RequestUuid) -> Response:
    """Start a run with the fields of a form and go to its page; or the form again, with what is wrong."""
    form = read_fields(request)
    if CANCEL in form:
        return go("/")
    agent = await engine.agents.at(caller, path)
    posted = Posted(sent(agent.elements, form), request.headers.get(EXTRA, ""), new)
    try:
        run = await launched(engine, caller, agent, posted)
    except Invalid as wrong:
        return await start.form_page(request, caller, engine, agent, refilled(agent, form, wrong), 422)
    return go(f"/runs/{run.id}")


@router.post("/lock/{run_id}/{question_id}")
async def post_lock(
    run_id: UUID, question_id: UUID, request: Request, caller: QuestionAnswerer, engine: EngineDep
) -> Response:
    """Answer a lock with the fields of a form and go to its run; or the form again. The first answer stands: 409."""
    form = read_fields(request)
    asked = await engine.questions.of_run(caller, run_id, question_id)
    if CANCEL in form:
        return go(asked.place)
    try:
        await engine.questions.answer(caller, question_id, sent(asked.elements, form))
    except Invalid as wrong:
        again = questions.Filled(read_inputs(asked.elements, form, ""), errors_by_field(wrong.errors))
        return await questions.show(request, caller, asked, again, 422)
    return go(asked.place)


def read_fields(request: Request) -> Form:
    """The fields of the form. Raises BadRequest: of another kind of body none would be seen."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise BadRequest("Send the fields as application/x-www-form-urlencoded.")
    return read_form(request)


def sent(elements: tuple[Payload, ...], form: Mapping[str, list[str]]) -> Json:
    """What the fields say, as their names are in Kodosumi: without a prefix, and `off` is off."""
    boxes = {str(each.get("name")) for each in elements if each.get("type") == "boolean"}
    read = read_inputs(elements, form, "")
    plain = {name: texts[-1] for name, texts in form.items() if name != TOKEN and (name in boxes or name not in read)}
    return read | plain


def refilled(agent: Agent, form: Form, wrong: Invalid) -> Filled:
    """The form as it was sent, beside what is wrong with it."""
    errors = errors_by_field(wrong.errors) or {"_global_": [wrong.detail]}
    return Filled(read_inputs(agent.elements, form, ""), errors=errors)
