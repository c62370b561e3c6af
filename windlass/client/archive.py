"""Many runs out of the lists at once, as both clients offer it."""

from collections.abc import Sequence

from pydantic import Field

from windlass.client.calls import Call, RunFilter, fresh_key, given
from windlass.client.records import Record


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
