"""Flows of services, how services are, and their archives, as both clients offer them."""

from datetime import datetime
from typing import Any

from pydantic import Field

from windlass.client.calls import Call, fresh_key, nothing, segment
from windlass.client.desktops import Sends, SendsAsync
from windlass.client.records import Json, Page, Record, Service

PATH = "/v1/services"


class Flow(Record):
    """A flow of a service; `edited` are the fields that somebody set, the figures those of the last 24 hours."""

    agent: str
    name: str = ""
    path: str = ""
    display: str = ""
    description: str = ""
    tags: list[str] = Field(default_factory=list[str])
    author: str | None = None
    organization: str | None = None
    enabled: bool = True
    available: bool = False
    edited: list[str] = Field(default_factory=list[str])
    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    live: int = 0
    mean_s: float | None = None


class FlowHealth(Record):
    """How a flow is: `alive`, `dead`, `not-found` or `unknown`."""

    name: str
    state: str = ""


class Checkup(Record):
    """How a service is; `answers` is None where nobody was asked."""

    name: str
    state: str = ""
    answers: bool | None = None
    message: str = ""
    flows: list[FlowHealth] = Field(default_factory=list[FlowHealth])
    took_ms: float | None = None
    pid: int | None = None
    runs: int | None = None
    loop_lag_s: float | None = None


class HostLog(Record):
    """What a host printed last; `text` is None where its machine is not that of the gateway."""

    id: str = ""
    replica: int = 1
    node: str = ""
    pid: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    text: str | None = None
    is_cut: bool = False
    rest: str = ""


class HostLogPage(Page[HostLog]):
    """What the hosts of a service printed, and the `since` to ask with for what they print from then on."""

    cursor: str = ""


class Checkups(Record):
    """How all services are."""

    checked_at: datetime | None = None
    items: list[Checkup] = Field(default_factory=list[Checkup])


def check_services() -> Call[Checkups]:
    """Ask the hosts of all services how they are."""
    return Call("POST", f"{PATH}/health", Checkups.model_validate)


def check_service(name: str) -> Call[Checkup]:
    """Ask the host of a service how it is."""
    return Call("POST", f"{PATH}/{segment(name)}/health", Checkup.model_validate)


def read_log(name: str, since: str) -> Call[HostLogPage]:
    """What the hosts of a service printed last, or since."""
    query = {"since": since} if since else {}
    return Call("GET", f"{PATH}/{segment(name)}/log", HostLogPage.model_validate, query=query)


def list_flows(service: str) -> Call[Page[Flow]]:
    """The flows of a service."""
    return Call("GET", f"{PATH}/{segment(service)}/flows", Page[Flow].model_validate)


def change_flow(agent: str, changes: Json) -> Call[Flow]:
    """Set what is said of a flow."""
    service, _, name = agent.partition("/")
    return Call("PATCH", f"{PATH}/{segment(service)}/flows/{segment(name)}", Flow.model_validate, changes)


def register(name: str, url: str) -> Call[Service]:
    """Have the flows of a service that others run in the catalogue."""
    return Call("POST", PATH, Service.model_validate, {"name": name, "url": url}, key=fresh_key())


def unregister(name: str) -> Call[None]:
    """Take a service out of the catalogue."""
    return Call("DELETE", f"{PATH}/{segment(name)}", nothing)


def send_archive(name: str, content: bytes) -> Call[Service]:
    """Have a service served from an archive."""
    return Call("PUT", f"{PATH}/{segment(name)}/archive", Service.model_validate, content=content)


class Flows:
    """The flows of services."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def list(self, service: str) -> Page[Flow]:
        """The flows of a service, also those that are switched off."""
        return self._client.send(list_flows(service))

    def change(self, agent: str, **changes: Any) -> Flow:
        """Set `display`, `description`, `tags`, `author`, `organization` or `enabled`; None: as the service says."""
        return self._client.send(change_flow(agent, changes))

    def register(self, name: str, url: str) -> Service:
        """Have the flows of a service that others run in the catalogue, as its OpenAPI document marks them."""
        return self._client.send(register(name, url))

    def unregister(self, name: str) -> None:
        """Take a service and its flows out of the catalogue."""
        self._client.send(unregister(name))

    def send(self, service: str, archive: bytes) -> Service:
        """Have a service served from a zip or tar.gz; its runs go on."""
        return self._client.send(send_archive(service, archive))

    def log(self, service: str, since: str = "") -> HostLogPage:
        """What the hosts of a service printed last, or since the `cursor` of an answer before.

        Those that serve come first, then the newest that have ended.
        """
        return self._client.send(read_log(service, since))

    def check(self, service: str) -> Checkup:
        """Ask the host of a service how it is."""
        return self._client.send(check_service(service))

    def check_all(self) -> Checkups:
        """Ask the hosts of all services how they are."""
        return self._client.send(check_services())


class AsyncFlows:
    """The flows of services."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def list(self, service: str) -> Page[Flow]:
        """The flows of a service, also those that are switched off."""
        return await self._client.send(list_flows(service))

    async def change(self, agent: str, **changes: Any) -> Flow:
        """Set `display`, `description`, `tags`, `author`, `organization` or `enabled`; None: as the service says."""
        return await self._client.send(change_flow(agent, changes))

    async def register(self, name: str, url: str) -> Service:
        """Have the flows of a service that others run in the catalogue, as its OpenAPI document marks them."""
        return await self._client.send(register(name, url))

    async def unregister(self, name: str) -> None:
        """Take a service and its flows out of the catalogue."""
        await self._client.send(unregister(name))

    async def send(self, service: str, archive: bytes) -> Service:
        """Have a service served from a zip or tar.gz; its runs go on."""
        return await self._client.send(send_archive(service, archive))

    async def log(self, service: str, since: str = "") -> HostLogPage:
        """What the hosts of a service printed last, or since the `cursor` of an answer before.

        Those that serve come first, then the newest that have ended.
        """
        return await self._client.send(read_log(service, since))

    async def check(self, service: str) -> Checkup:
        """Ask the host of a service how it is."""
        return await self._client.send(check_service(service))

    async def check_all(self) -> Checkups:
        """Ask the hosts of all services how they are."""
        return await self._client.send(check_services())
