"""Views of the list of runs that somebody has saved: the links to them, and the forms that save and forget one."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.pages.rendering import field, go, read_form
from api.pages.runs_list import RunsQuery, View
from api.routes.runs import RunReader
from windlass.core.callers import Caller
from windlass.core.errors import Conflict
from windlass.core.views import SavedView, Views

router = APIRouter(include_in_schema=False)

RUNS = "runs"
LONGEST = 40  # letters of a name
PLACE = ("after", "limit")  # where in the list, not what of it


async def get_views(request: Request) -> Views:
    """The views of people."""
    return Views(request.state.database)


ViewsDep = Annotated[Views, Depends(get_views)]


async def saved_views(views: Views, caller: Caller, query: RunsQuery) -> tuple[View, ...]:
    """The caller's own views; the one that is shown is left by choosing it again."""
    found = [(each.name, read(each.query)) for each in await views.kept(caller, RUNS)]
    return tuple(
        View(
            name, "/runs" if wanted.filters() == query.filters() else wanted.url(), wanted.filters() == query.filters()
        )
        for name, wanted in found
        if wanted is not None
    )


@router.post("/runs/views")
async def save(request: Request, caller: RunReader, views: ViewsDep) -> Response:
    """Keep what the list shows under a name."""
    form = read_form(request)
    name, query = field(form, "name", LONGEST), read(field(form, "query", 2000))
    if not name or query is None or not query.is_filtered:
        return go("/runs", "A view needs a name and a filter")
    try:
        await views.save(caller, RUNS, SavedView(name, query.url("")))
    except Conflict as full:
        return go(query.url(), full.detail)
    return go(query.url(), f"{name} is saved")


@router.post("/runs/views/forget")
async def forget(request: Request, caller: RunReader, views: ViewsDep) -> Response:
    """Throw a view away; the list goes on showing it."""
    form = read_form(request)
    query, name = read(field(form, "query", 2000)), field(form, "name", LONGEST)
    await views.forget(caller, RUNS, name)
    return go("/runs" if query is None else query.url(), f"{name} is forgotten")


def read(text: str) -> RunsQuery | None:
    """The filters in the query of an address, without a place in the list; None when they are none of this list."""
    try:
        pairs = parse_qsl(text.removeprefix("?"))
        return RunsQuery.model_validate({name: value for name, value in pairs if name not in PLACE})
    except ValidationError:
        return None
