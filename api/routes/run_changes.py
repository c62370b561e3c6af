"""What has changed in the list of runs since somebody asked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.dependencies import CursorsDep, EngineDep
from api.paging import ListQuery
from api.routes.runs import RunReader, RunView, view_run
from windlass.core.run_changes import Look, Mark, RunChanges


def get_changes(request: Request) -> RunChanges:
    """The changes, on this process's database."""
    return RunChanges(request.state.database)


ChangesDep = Annotated[RunChanges, Depends(get_changes)]

router = APIRouter(prefix="/v1/runs", tags=["runs"])
CURSOR = "run changes"


class ChangesQuery(BaseModel):
    """From where on; without it nothing is told but from where to ask next."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: str | None = Field(None, max_length=4000, description="The `cursor` of the answer before.")
    limit: int = Field(50, ge=1, le=200, description="How many changes at most.")

    @property
    def place(self) -> ListQuery:
        """The same as a cursor is read and made for; it fits every limit."""
        return ListQuery.model_construct(after=self.since)


class ChangesView(BaseModel):
    """Runs as they stand that began or changed, those that left the lists, and the `since` of the next call.

    `is_more`: there is more at once; ask again.
    """

    items: Sequence[RunView]
    deleted: Sequence[UUID]
    cursor: str
    is_more: bool


@router.get("/changes")
async def changes(
    query: Annotated[ChangesQuery, Query()],
    caller: RunReader,
    engine: EngineDep,
    changed: ChangesDep,
    cursors: CursorsDep,
) -> ChangesView:
    """The runs that began, changed their status or left the lists since then, each once; first only a cursor."""
    place = cursors.read(caller, CURSOR, query.place)
    if place is None:
        mark = await changed.now(caller)
        return ChangesView(
            items=[],
            deleted=[],
            cursor=cursors.make(caller, CURSOR, ListQuery.model_construct(), kept(mark)),
            is_more=False,
        )
    found = await changed.since(caller, mark_of(place), limit=query.limit)
    items = [view_run(run, caller, engine) for run in found.runs]
    cursor = cursors.make(caller, CURSOR, ListQuery.model_construct(), kept(found.mark))
    return ChangesView(items=items, deleted=found.gone, cursor=cursor, is_more=found.is_more)


def kept(mark: Mark) -> list[Any]:
    """A mark as a cursor keeps it."""
    looks = [[look.at.isoformat(), look.seen] for look in (mark.known, mark.next) if look is not None]
    return [looks, mark.place and [mark.place[0].isoformat(), str(mark.place[1])]]


def mark_of(place: list[Any]) -> Mark:
    """The mark that a cursor keeps."""
    (known, *following), at = place
    looks = [Look(datetime.fromisoformat(each), seen) for each, seen in (known, *following)]
    return Mark(*looks, place=at and (datetime.fromisoformat(at[0]), UUID(at[1])))
