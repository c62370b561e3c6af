"""Doors: where the program of a service is reached, by the service's name, and why it is not."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from windlass.contracts.hosts import sockets_from
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import NotFound, Unavailable, WindlassError

DOOR = """
select s.id, s.name, s.enabled, s.state, s.reason, s.url,
  (select h.node from host h where h.service_id = s.id and h.ended_at is null and h.up_at is not null
   order by h.started_at desc limit 1) as node
from service s where s.name = $1
"""


class BadGateway(WindlassError):
    """The service does not answer, answers what nobody understands, or broke off."""

    status = 502
    title = "The service did not answer"


class GatewayTimeout(WindlassError):
    """The service took too long."""

    status = 504
    title = "The service took too long"


class ServiceDown(Unavailable):
    """The service is not up."""

    title = "The service is not up"


@dataclass(frozen=True, slots=True)
class Door:
    """A service that is wanted, and the sockets its hosts listen on if they are on this machine; the first is next.

    `url` is where the document of one is that others run.
    """

    service_id: UUID
    name: str
    state: str
    reason: str | None
    node: str | None
    addresses: tuple[Path, ...]
    here: str
    url: str = ""

    def shut(self) -> WindlassError:
        """Why nobody opens."""
        if self.node not in (None, self.here):
            return BadGateway(
                f"The service {self.name} runs on the machine {self.node}, and this gateway on {self.here}: its own "
                f"routes are only reached through a gateway on its machine. Its agents run all the same."
            )
        why = f": {self.reason}" if self.reason else ""
        return ServiceDown(f"The service {self.name} is {self.state}{why}. Try again once it runs.")


class Doors:
    """The services of a tenant, as requests reach them."""

    def __init__(self, database: Database, folder: Path, here: str) -> None:
        self._database, self._folder, self._here = database, folder, here
        self._turns: Counter[UUID] = Counter()

    async def find(self, caller: Caller, name: str) -> Door:
        """The door of a service; one that should not be up has none. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(DOOR, name)
        if row is None or not row["enabled"]:
            raise NotFound("service", name)
        self._turns[row["id"]] += 1
        found = sockets_from(self._turns[row["id"]], self._folder, str(caller.tenant_id), str(row["id"]))
        told = (row["name"], row["state"], row["reason"], row["node"])
        return Door(row["id"], *told, tuple(found), self._here, row["url"])
