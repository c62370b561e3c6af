"""A gateway with its pages beside a desk, people at it, and a viewer that speaks the protocol of screens."""

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.api.people import Gateway, Person, running_gateway
from tests.desktops.machine import Desk
from tests.parts import free_ports
from tests.workflows.engines import until
from windlass.core.rfb import GREETING

XTERM = "setsid xterm -geometry 100x40+0+0 -e 'touch ~/ready; exec bash' >/dev/null 2>&1 </dev/null &"
CENTRE = (400, 300)


@asynccontextmanager
async def gateway_of(desk: Desk) -> AsyncGenerator[Gateway]:
    """A gateway on a port, on the database and with the secret of the desk."""
    changes = {"port": free_ports(1)[0], "signup": "open"}
    async with running_gateway(desk.engine.settings.model_copy(update=changes)) as running:
        yield running


async def has(desk: Desk, desktop_id: UUID, path: str) -> bool:
    """Whether there is a file in the home."""
    return (await desk.shell(desktop_id, f"test -e ~/{path}")).code == 0


async def terminal(desk: Desk, desktop_id: UUID) -> None:
    """Open a terminal on the screen."""
    await desk.shell(desktop_id, XTERM)
    await until(lambda: has(desk, desktop_id, "ready"))


@asynccontextmanager
async def idle_desktop(person: Person) -> AsyncGenerator[UUID]:
    """A desktop of theirs whose screen answers, for as long as the block."""
    made = await person.http.post("/v1/desktops", json={})
    assert made.status_code == 202, made.text
    address = f"/v1/desktops/{made.json()['id']}"

    async def is_idle() -> bool:
        return (await person.http.get(address)).json()["status"] == "idle"

    try:
        await until(is_idle, 60)
        yield UUID(made.json()["id"])
    finally:
        await person.http.delete(address)


async def ticket(person: Person, desktop_id: UUID, mode: str = "view") -> dict[str, Any]:
    """What opens the screen."""
    answer = await person.http.post(f"/v1/desktops/{desktop_id}/view", json={"mode": mode})
    assert answer.status_code == 200, answer.text
    return answer.json()


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks, or acts."""

    line: ClientConnection

    async def greet(self) -> bytes:
        """Sign in as viewers do; answers what the screen says of itself."""
        assert await self.line.recv() == GREETING
        await self.line.send(GREETING)
        assert await self.line.recv() == b"\x01\x01"
        await self.line.send(b"\x01")
        assert await self.line.recv() == bytes(4)
        await self.line.send(b"\x00")
        said = await self.line.recv()
        assert isinstance(said, bytes)
        return said

    async def types(self, text: str) -> None:
        """Click into the screen and type a line."""
        for mask in (0, 1, 0):
            await self.line.send(struct.pack(">BBHH", 5, mask, *CENTRE))
        for sign in f"{text}\n":
            code = 0xFF0D if sign == "\n" else ord(sign)
            await self.line.send(struct.pack(">BBHI", 4, 1, 0, code) + struct.pack(">BBHI", 4, 0, 0, code))

    async def to_the_end(self) -> None:
        """Take what comes until the connection is closed. Raises ConnectionClosed."""
        async with asyncio.timeout(20):
            while True:
                await self.line.recv()

    async def sees(self) -> int:
        """Ask for the whole screen; how many bytes of it come at first."""
        await self.line.send(struct.pack(">BxHi", 2, 1, 0))
        await self.line.send(struct.pack(">BBHHHH", 3, 0, 0, 0, 1280, 800))
        return len(await self.line.recv())


@asynccontextmanager
async def viewing(gateway: Gateway, person: Person, opened: dict[str, Any], **headers: str) -> AsyncGenerator[Viewer]:
    """The screen, open."""
    address = gateway.url.replace("http", "ws") + opened["url"]
    protocols = [Subprotocol(each) for each in opened["protocols"]]
    bearer = {"authorization": f"Bearer {person.token}"} | headers
    async with connect(address, subprotocols=protocols, additional_headers=bearer, max_size=None) as line:
        yield Viewer(line)
