"""Boots as both clients offer them: all services brought up together, or taken down."""

from datetime import datetime

from pydantic import Field

from windlass.client.calls import Call, fresh_key
from windlass.client.desktops import Sends, SendsAsync
from windlass.client.records import Record

PATH = "/v1/boot"


class Boot(Record):
    """A boot (or a shutdown, by its `kind`); `up` and `failed` count its services once it is over."""

    boot_id: str
    number: int = 0
    kind: str = "boot"
    status: str = ""
    up: int = 0
    failed: int = 0
    asked_by_name: str = ""
    created_at: datetime | None = None
    ended_at: datetime | None = None


class BootMessage(Record):
    """What was said in a boot; `text` is all of it as a line."""

    seq: int
    type: str = ""
    step: str | None = None
    target: str | None = None
    message: str = ""
    result: str | None = None
    text: str = ""


class BootState(Record):
    """The newest boot and what was said in it; `next`: there is more after that seq."""

    boot: Boot | None = None
    locked: bool = False
    messages: list[BootMessage] = Field(default_factory=list[BootMessage])
    next: int | None = None


def start_boot(*, force: bool) -> Call[Boot]:
    """Bring all services up."""
    return Call("POST", PATH, Boot.model_validate, {"force": force}, key=fresh_key())


def read_boot(boot_id: str | None, after: int) -> Call[BootState]:
    """How a boot stands."""
    which = "" if boot_id is None else f"&id={boot_id}"
    return Call("GET", f"{PATH}?after={after}{which}", BootState.model_validate)


def stop_services() -> Call[Boot]:
    """Take all services down."""
    return Call("DELETE", PATH, Boot.model_validate)


class Boots:
    """All services, brought up together."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def start(self, *, force: bool = False) -> Boot:
        """Start every enabled service's program anew; `force` ends a boot that goes on."""
        return self._client.send(start_boot(force=force))

    def read(self, boot_id: str | None = None, *, after: int = 0) -> BootState:
        """How the newest boot stands, or one by its id, with what was said after a seq."""
        return self._client.send(read_boot(boot_id, after))

    def stop(self) -> Boot:
        """Take all services down until the next boot."""
        return self._client.send(stop_services())


class AsyncBoots:
    """All services, brought up together."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def start(self, *, force: bool = False) -> Boot:
        """Start every enabled service's program anew; `force` ends a boot that goes on."""
        return await self._client.send(start_boot(force=force))

    async def read(self, boot_id: str | None = None, *, after: int = 0) -> BootState:
        """How the newest boot stands, or one by its id, with what was said after a seq."""
        return await self._client.send(read_boot(boot_id, after))

    async def stop(self) -> Boot:
        """Take all services down until the next boot."""
        return await self._client.send(stop_services())
