"""Checkups of services: their hosts are really asked, and nothing is woken or changed by it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from windlass.core.callers import Caller
from windlass.core.database import Database, Row
from windlass.core.errors import NotFound
from windlass.core.hosts import Hosts

AT_ONCE = 8
ASLEEP = frozenset({"draft", "dead"})
QUERY = """
select s.id, s.name, s.state, s.replicas, s.url, coalesce(s.reason, '') as reason,
  array(select f.name from flow f where f.service_id = s.id order by f.position) as flows,
  (select h.node from host h where h.service_id = s.id and h.ended_at is null and h.up_at is not null
   order by h.started_at desc limit 1) as node
from service s where $1::text is null or s.name = $1 order by s.name
"""


@dataclass(frozen=True, slots=True)
class FlowHealth:
    """How a flow is: `alive`, `dead` with its host, `not-found` there any more, or `unknown` as nobody was asked."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Checkup:
    """How a service is: as recorded, and as its hosts just said; `answers` is None where nobody was asked.

    Of several replicas `pid` is that of the first, `runs` the sum and `loop_lag_s` the longest.
    """

    name: str
    state: str
    answers: bool | None
    message: str
    flows: tuple[FlowHealth, ...]
    took_ms: float | None = None
    pid: int | None = None
    runs: int | None = None
    loop_lag_s: float | None = None


class Checkups:
    """Asks the hosts of a tenant's services how they are."""

    def __init__(self, database: Database, hosts: Hosts, here: str) -> None:
        self._database, self._hosts, self._here = database, hosts, here

    async def of(self, caller: Caller, name: str) -> Checkup:
        """How one service is. Raises NotFound."""
        rows = await self._rows(caller, name)
        if not rows:
            raise NotFound("service", name)
        return await self._check(caller, rows[0])

    async def of_all(self, caller: Caller) -> list[Checkup]:
        """How all services are, by name."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def check(row: Row) -> Checkup:
            async with turns:
                return await self._check(caller, row)

        return await asyncio.gather(*(check(row) for row in await self._rows(caller, None)))

    async def _rows(self, caller: Caller, name: str | None) -> Sequence[Row]:
        async with self._database.tenant(caller.tenant_id) as connection:
            return await connection.fetch(QUERY, name)

    async def _check(self, caller: Caller, row: Row) -> Checkup:
        if row["state"] in ASLEEP:
            return _unasked(row, f"It is {'a draft' if row['state'] == 'draft' else 'off'}: nobody was asked.")
        if row["url"]:
            return _unasked(row, f"It runs elsewhere: nobody was asked. A refresh reads {row['url']} anew.")
        if row["node"] not in (None, self._here):
            where = f"It runs on the machine {row['node']}, and this gateway on {self._here}"
            return _unasked(row, f"{where}: nobody was asked. Its services worker says that it is {row['state']}.")
        began = time.perf_counter()
        pongs = await self._hosts.pings(caller.tenant_id, row["id"])
        said = await self._hosts.describe(caller.tenant_id, row["id"]) if pongs else None
        took_ms = round((time.perf_counter() - began) * 1000, 1)
        if said is None:
            return Checkup(
                row["name"], row["state"], answers=False, took_ms=took_ms,
                message=f"Its host does not answer. {row['reason']}".strip(), flows=_states(row, "dead"),
            )  # fmt: skip
        return _answered(row, took_ms, pongs, said)


def _unasked(row: Row, message: str) -> Checkup:
    return Checkup(row["name"], row["state"], answers=None, message=message, flows=_states(row, "unknown"))


def _answered(row: Row, took_ms: float, pongs: Sequence[Mapping[str, Any]], said: Mapping[str, Any]) -> Checkup:
    """What the host said, who is a program of the tenant's: nothing of it is taken for granted."""
    described = {f"{row['name']}/{name}" for name in _names(said.get("flows"))}
    found = tuple(FlowHealth(name, "alive" if name in described else "not-found") for name in row["flows"])
    alive = sum(each.state == "alive" for each in found)
    replicas = f" {len(pongs)} of {row['replicas']} replicas answer." if row["replicas"] > 1 else ""
    runs = [number for pong in pongs if (number := _number(pong.get("runs"))) is not None]
    lags = [float(pong["loop_lag_s"]) for pong in pongs if _number(pong.get("loop_lag_s")) is not None]
    return Checkup(
        row["name"], row["state"], answers=True, flows=found, took_ms=took_ms,
        message=f"It answers, and {alive} of {len(found)} flows with it.{replicas}",
        pid=_number(pongs[0].get("pid")), runs=sum(runs) if runs else None, loop_lag_s=max(lags, default=None),
    )  # fmt: skip


def _names(flows: Any) -> list[str]:
    """What a host calls its flows, if it says so at all."""
    try:
        return [str(each["name"]) for each in flows]
    except (TypeError, KeyError):
        return []


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _states(row: Row, state: str) -> tuple[FlowHealth, ...]:
    return tuple(FlowHealth(name, state) for name in row["flows"])
