"""What the installation does by itself, as both clients offer it to the operator of the platform."""

from datetime import datetime

from pydantic import Field

from windlass.client.calls import Call, segment
from windlass.client.desktops import Sends, SendsAsync
from windlass.client.records import Page, Record

PATH = "/v1/admin/system-schedules"


class SystemReport(Record):
    """What a system schedule did at one due time; without an end it is under way, or `problem` says why it failed."""

    due_at: datetime | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    counts: dict[str, int] = Field(default_factory=dict[str, int])
    problem: str = ""
    words: str = ""


class SystemSchedule(Record):
    """A system schedule: what it is for, when it is due, and what it did last."""

    name: str
    means: str = ""
    when: str = ""
    time_zone: str = ""
    next_at: datetime | None = None
    last: SystemReport | None = None


def list_system_schedules() -> Call[Page[SystemSchedule]]:
    """Every system schedule."""
    return Call("GET", PATH, Page[SystemSchedule].model_validate)


def list_reports(name: str, limit: int, after: str | int | None) -> Call[Page[SystemReport]]:
    """What one of them did."""
    query = {"limit": limit, "after": after}
    return Call("GET", f"{PATH}/{segment(name)}/reports", Page[SystemReport].model_validate, query=query)


class SystemSchedules:
    """What the installation does by itself."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def list(self) -> Page[SystemSchedule]:
        """Every system schedule, and what it did last."""
        return self._client.send(list_system_schedules())

    def reports(self, name: str, *, limit: int = 50, after: str | int | None = None) -> Page[SystemReport]:
        """What one of them did, the newest due time first."""
        return self._client.send(list_reports(name, limit, after))


class AsyncSystemSchedules:
    """What the installation does by itself, awaited."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def list(self) -> Page[SystemSchedule]:
        """Every system schedule, and what it did last."""
        return await self._client.send(list_system_schedules())

    async def reports(self, name: str, *, limit: int = 50, after: str | int | None = None) -> Page[SystemReport]:
        """What one of them did, the newest due time first."""
        return await self._client.send(list_reports(name, limit, after))
