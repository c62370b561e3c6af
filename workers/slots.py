"""Slots: the fixed identity of a worker process, held by an advisory lock for as long as it lives."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from windlass.core.database import BROKEN, dial

BEAT_S = 2.0
RETAKE_S = 5.0
AGAIN_S, HELD_TRIES = 0.1, 45  # so often a slot may be held by an earlier connection of one's own

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

RENEW = """
insert into worker (slot, role, node, pid, started_at) values ($1, $2, $3, $4, $5)
on conflict (slot) do update set pid = excluded.pid, started_at = excluded.started_at, seen_at = clock_timestamp()
"""

TWINS = """
select extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float, count(*) from worker
where node = $1 and role = $2 and slot <> $3 and seen_at > clock_timestamp() - interval '30 seconds'
"""


class SlotLost(Exception):
    """Another process holds the slot: this one must stop its work."""


class Slot:
    """The n-th place of a role on a node; no two living processes hold the same one."""

    def __init__(self, url: str, node: str, role: str) -> None:
        self._url, self._node, self._role = url, node, role
        self._started_at = datetime.now(UTC)
        self._connection: Any = None
        self.name = ""

    async def take(self) -> str:
        """Take the first free slot and answer its name: `{node}/{role}-{n}`."""
        self._connection = await dial(self._url, name=f"slot {self._role}", timeout_s=RETAKE_S)
        number = 0
        while not await self._lock(f"{self._node}/{self._role}-{number}"):
            number += 1
        self.name = f"{self._node}/{self._role}-{number}"
        await self._renew()
        return self.name

    async def keep(self, lost: Callable[[], None]) -> None:
        """Renew the slot until cancelled; calls `lost` when somebody else has it."""
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self._renew()
            except BROKEN:
                try:
                    await self._retake()
                except SlotLost:
                    log.error("slot lost, stopping", slot=self.name)
                    return lost()

    async def release(self) -> None:
        """Give the slot back."""
        with suppress(*BROKEN):
            await self._connection.execute("delete from worker where slot = $1", self.name)
            await self._connection.close(timeout=1)

    async def wait_for_twins(self) -> None:
        """After a restart of the database, let the living workers of this role take their slots again first."""
        age, twins = await self._connection.fetchrow(TWINS, self._node, self._role, self.name)
        if twins and age < RETAKE_S:
            await asyncio.sleep(RETAKE_S - age)

    async def _retake(self) -> None:
        """Take the same slot again after the database was away. Raises SlotLost when another process has it."""
        held = 0
        while True:
            self._connection.terminate()  # a database that was only slow still holds the lock for it
            with suppress(*BROKEN):
                self._connection = await dial(self._url, name=f"slot {self._role}", timeout_s=RETAKE_S)
                if await self._lock(self.name):
                    log.info("slot taken again", slot=self.name)
                    return await self._renew()
                held += 1
                if held > HELD_TRIES:
                    raise SlotLost(self.name)
            await asyncio.sleep(AGAIN_S)

    async def _lock(self, name: str) -> bool:
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        return bool(await self._connection.fetchval("select pg_try_advisory_lock($1)", key))

    async def _renew(self) -> None:
        await self._connection.execute(RENEW, self.name, self._role, self._node, os.getpid(), self._started_at)
