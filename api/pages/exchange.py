"""The page on which services are written down as a document, and such a document is taken in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.errors import BadRequest
from api.middleware.bodies import check_json
from api.pages.rendering import field, page, read_form, viewer
from api.pages.shell import Place
from api.routes.exchange import DocumentBody, checked
from api.routes.services import ServiceWriter
from api.routes.tenant_exchange import TenantDocumentBody, TenantExchangeDep, sent
from windlass.core.callers import Caller
from windlass.core.errors import Forbidden, Invalid
from windlass.core.exchange import Outcome
from windlass.core.tenant_exchange import NEEDED

router = APIRouter(include_in_schema=False)

CHARACTERS = 1024 * 1024  # of a document: what a request may have
SHAPES = {"added": "finished", "changed": "repeated", "same": "idle", "refused": "failed"}


TENANT = re.compile(r'"kind"\s*:\s*"windlass\.tenant/')


@dataclass(frozen=True, slots=True)
class Shown:
    """What became of the items of a document, by their names."""

    rows: Sequence[tuple[str, Outcome]]
    backup_id: UUID | None


@router.get("/services/exchange")
async def exchange(request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Where to get a document and where to give one."""
    return await _show(request, caller, engine)


@router.post("/services/exchange")
async def take(request: Request, caller: ServiceWriter, engine: EngineDep, tenant: TenantExchangeDep) -> Response:
    """Take a document of services or of the whole organisation in, or say what would become of it."""
    form = read_form(request)
    text, is_dry = field(form, "document", CHARACTERS), field(form, "deed", 10) != "import"
    try:
        check_json("json", text.encode())
        body = (TenantDocumentBody if TENANT.search(text) else DocumentBody).model_validate_json(text)
    except (BadRequest, Invalid) as wrong:
        return await _show(request, caller, engine, text, problems=((wrong.detail, "document"),))
    except ValidationError as wrong:
        problems = tuple(
            (f"{'.'.join(map(str, each['loc'])) or 'The document'}: {each['msg']}", "document")
            for each in wrong.errors()
        )
        return await _show(request, caller, engine, text, problems=problems)
    if isinstance(body, TenantDocumentBody):
        try:
            whole = await tenant.take(caller, sent(body), is_dry=is_dry)
        except Forbidden as wrong:
            return await _show(request, caller, engine, text, problems=((wrong.detail, "document"),))
        rows = [
            (f"{section.replace('_', ' ')}: {each.name}", each)
            for section, found in whole.sections.items()
            for each in found
        ]
        return await _show(request, caller, engine, text, Shown(rows, whole.backup_id))
    done = await engine.exchange.take(caller, checked(body), is_dry=is_dry)
    return await _show(request, caller, engine, text, Shown([(each.name, each) for each in done.items], done.backup_id))


async def _show(
    request: Request,
    caller: Caller,
    engine: Engine,
    text: str = "",
    done: Shown | None = None,
    problems: tuple[tuple[str, str], ...] = (),
) -> Response:
    values = {
        "text": text,
        "done": done,
        "problems": problems,
        "shapes": SHAPES,
        "backups": await engine.exchange.backups(caller),
        "seen": viewer(request),
        "characters": CHARACTERS,
        "may_all": all(caller.may(each) for each in NEEDED),
        "title": "Export and import",
    }
    place = Place("Services", (("Services", "/services"), ("Export and import", "")))
    return await page(request, caller, "exchange.html", place, values, 422 if problems else 200)
