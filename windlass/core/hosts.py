"""The hosts of services on this machine, asked for their handlers' word; where none answers, the work waits for one."""

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from windlass.contracts.hosts import LINE_BYTES, STOPPING, sockets_from
from windlass.contracts.ids import TenantId
from windlass.core.errors import FieldError, Invalid, WindlassError

PATIENCE_S = 10.0
AGAIN_S = 0.02  # a host that is ending is replaced, as a rule: then another one listens at its place
ENDING = {"op": "error", "reason": STOPPING}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class HandlerFailed(WindlassError):
    """The service's own handler failed; nothing was changed."""

    status = 500
    title = "The service failed"


class NothingLaunched(WindlassError):
    """The flow's handler returned something that is no launch; no run was started."""

    status = 400
    title = "Nothing launched"


class Hosts:
    """One question, one answer, on a connection of its own, of one replica after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turns = itertools.count()

    async def consult(self, tenant_id: TenantId, service_id: UUID, message: dict[str, Any]) -> dict[str, Any] | None:
        """What a handler says; None when no host answers in time. Raises Invalid, NothingLaunched, HandlerFailed."""
        said = await self._said(tenant_id, service_id, message, "consulted")
        if said is None:
            return None
        if said["outcome"] == "invalid":
            raise Invalid("The service refused what was filled in; nothing was changed.", _field_errors(said["fields"]))
        if said["outcome"] == "failed" and said["error"]["type"] == "NotLaunched":
            raise NothingLaunched(said["error"]["message"])
        if said["outcome"] == "failed":
            raise HandlerFailed(f"{said['error']['type']}: {said['error']['message']}"[:2000])
        return said

    async def describe(self, tenant_id: TenantId, service_id: UUID) -> dict[str, Any] | None:
        """What the service's host says of itself and its flows now; None when no host answers in time."""
        return await self._said(tenant_id, service_id, {"op": "describe"}, "description")

    async def pings(self, tenant_id: TenantId, service_id: UUID) -> list[dict[str, Any]]:
        """How each host of the service is that answers in time."""
        places = sockets_from(0, self._folder, str(tenant_id), str(service_id))
        said = await asyncio.gather(*(_told([place], {"op": "ping"}, "pong") for place in places))
        return [each for each in said if each is not None]

    async def _said(
        self, tenant_id: TenantId, service_id: UUID, message: dict[str, Any], op: str
    ) -> dict[str, Any] | None:
        places = sockets_from(next(self._turns), self._folder, str(tenant_id), str(service_id))
        return await _told(places, message, op)


def _field_errors(fields: dict[str, list[str]]) -> tuple[FieldError, ...]:
    return tuple(FieldError(f"inputs.{name}", text) for name, texts in fields.items() for text in texts)


async def _told(addresses: Sequence[Path], message: dict[str, Any], op: str) -> dict[str, Any] | None:
    """What the first that listens says; None when it says nothing in time, or something else."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                said = await _tried(addresses, message)
                if said != ENDING:
                    break
                await asyncio.sleep(AGAIN_S)
    except (OSError, TimeoutError, ValueError):  # ValueError: no JSON, or a line that is too long
        return None
    return said if said.get("op") == op else None  # a host of an earlier version says something else


async def _tried(addresses: Sequence[Path], message: dict[str, Any]) -> dict[str, Any]:
    """What a host says, and `ENDING` of one that went away before it took the question. Raises OSError, ValueError."""
    try:
        return await _ask(await _connected(addresses), message)
    except ConnectionResetError:  # the kernel's word for a line that nobody has read
        return ENDING


async def _connected(addresses: Sequence[Path]) -> Streams:
    """A connection to the first that listens. Raises OSError."""
    for address in addresses[:-1]:
        with suppress(OSError):
            return await asyncio.open_unix_connection(str(address), limit=LINE_BYTES)
    return await asyncio.open_unix_connection(str(addresses[-1]), limit=LINE_BYTES)


async def _ask(streams: Streams, message: dict[str, Any]) -> dict[str, Any]:
    reader, writer = streams
    try:
        writer.write(orjson.dumps(message) + b"\n")
        await writer.drain()
        line = await reader.readline()
        said: Any = orjson.loads(line) if line else {}
        if not isinstance(said, dict):
            raise ValueError("a host answered what is no object")
        return said  # pyright: ignore[reportUnknownVariableType] - JSON
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
