"""Runs that leave the lists, many at once, and what else has changed in them, as both clients offer it."""

from collections.abc import Sequence

from pydantic import Field

from windlass.client.calls import Call, RunFilter, fresh_key, given
from windlass.client.records import Record, Run


class Refused(Record):
    """A run that stays in the lists, and why."""

    id: str
    title: str = ""
    status: str | None = None
    reason: str = ""


class Archived(Record):
    """Runs that left the lists, those that stay, and whether more fit the filter."""

    ids: list[str]
    refused: list[Refused] = Field(default_factory=list[Refused])
    is_more: bool = False


class RunChanges(Record):
    """Runs that began or changed, the ids of those that left the lists, and what to ask with next."""

    items: list[Run] = Field(default_factory=list[Run])
    deleted: list[str] = Field(default_factory=list[str])
    cursor: str
    is_more: bool = False


def run_changes(since: str | None, limit: int) -> Call[RunChanges]:
    """What has changed since a cursor."""
    return Call("GET", "/v1/runs/changes", RunChanges.model_validate, query={"since": since, "limit": limit})


def archive_runs(ids: Sequence[str]) -> Call[Archived]:
    """Take these runs out of the lists."""
    return Call("POST", "/v1/runs/archive", Archived.model_validate, {"ids": list(ids)}, key=fresh_key())


def archive_all(wanted: RunFilter) -> Call[Archived]:
    """Take the ended runs of a filter out of the lists."""
    chosen = given(agent=wanted.agent, tag=wanted.tag, q=wanted.q, mine=wanted.mine or None)
    times = given(
        since=wanted.since and wanted.since.isoformat(),
        until=wanted.until and wanted.until.isoformat(),
        cost_above_usd=wanted.cost_above_usd,
    )
    body = {"filter": {"status": list(wanted.status), **chosen, **times}}
    return Call("POST", "/v1/runs/archive", Archived.model_validate, body, key=fresh_key())
