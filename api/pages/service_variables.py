"""Variables and secrets of a service's environment, set and taken away one by one on its page."""

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.dependencies import EngineDep
from api.pages.rendering import field, go, read_form, typed
from api.pages.service_flows import Said, show_service
from api.routes.services import ServiceChangeBody, ServiceWriter

router = APIRouter(include_in_schema=False)

LONGEST = 10_000


@router.post("/services/{name}/variables")
async def change(name: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Set one or take it away; the others stay. Its hosts are replaced and its runs go on."""
    form = read_form(request)
    kind = "secrets" if field(form, "kind", 10) == "secrets" else "env"
    variable, is_taken = field(form, "variable", 200), field(form, "deed", 10) == "take"
    value = None if is_taken else typed(form, "value", LONGEST + 1)
    try:
        if value == "":
            raise ValueError
        body = ServiceChangeBody.model_validate({kind: {variable: value}})
    except (ValidationError, ValueError):
        problems = _problems(kind, value or "")
        return await show_service(request, caller, engine, name, Said(problems=problems, variable=(kind, variable)))
    await engine.services.change(caller, name, body.wish())
    return go(f"/services/{name}", f"{variable} is {'taken away' if is_taken else 'set'}")


def _problems(kind: str, value: str) -> tuple[tuple[str, str], ...]:
    """What is wrong, as the form says it; the value is not shown again."""
    if not value:
        return (("Value is required. To do without the variable, take it away", f"{kind}-value"),)
    if len(value) > LONGEST:
        return ((f"Value must have at most {LONGEST:,} characters", f"{kind}-value"),)
    return (("Name must be letters, digits and _, at most 100, and not begin with a digit", f"{kind}-name"),)
