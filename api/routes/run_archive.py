"""Many runs out of the lists at once."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api.bodies import Body
from api.dependencies import EngineDep
from api.routes.runs import RunDeleter
from windlass.contracts.runs import RunStatus
from windlass.core.callers import Caller
from windlass.core.run_archive import MOST, Archived, RunArchive
from windlass.core.runs import RunFilter


def get_archive(request: Request, engine: EngineDep) -> RunArchive:
    """The way out of the lists, on this process's database."""
    return RunArchive(request.state.database, engine.runs)


ArchiveDep = Annotated[RunArchive, Depends(get_archive)]

router = APIRouter(prefix="/v1/runs", tags=["runs"])


class ArchiveFilter(Body):
    """Which runs; every condition is optional, as in the list."""

    status: list[RunStatus] = Field(default_factory=list[RunStatus], max_length=10)
    agent: str | None = Field(None, max_length=200)
    tag: str | None = Field(None, max_length=100)
    q: str | None = Field(None, max_length=200)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    mine: bool = False
    cost_above_usd: Decimal | None = Field(None, ge=0, le=1_000_000)

    def wanted(self, caller: Caller) -> RunFilter:
        """The same as the core asks for it."""
        mine = caller.person_id if self.mine else None
        spans = (self.since, self.until)
        return RunFilter(
            tuple(self.status), self.agent, self.tag, self.q, *spans, created_by=mine, above_usd=self.cost_above_usd
        )


class ArchiveBody(Body):
    """Runs by their ids, or all that a filter fits: one of the two."""

    ids: list[UUID] | None = Field(None, min_length=1, max_length=MOST)
    filter: ArchiveFilter | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "ArchiveBody":
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give ids or a filter")
        return self


class RefusedView(BaseModel):
    """A run that stays, and why."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    status: RunStatus | None
    reason: str


class ArchivedView(BaseModel):
    """What has left the lists and what stays; `is_more`: more runs fit the filter, ask again."""

    model_config = ConfigDict(from_attributes=True)

    ids: Sequence[UUID]
    refused: Sequence[RefusedView]
    is_more: bool


@router.post("/archive", response_model=ArchivedView)
async def archive_many(body: ArchiveBody, caller: RunDeleter, archive: ArchiveDep) -> Archived:
    """Take many ended runs out of the lists, at most 500 a call; live ones are refused by name, the rest goes."""
    if body.filter is None:
        return await archive.put(caller, body.ids or ())
    return await archive.put_all(caller, body.filter.wanted(caller))
