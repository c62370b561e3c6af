"""What a services worker reads and writes: which services should be up, and how they are doing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from windlass.contracts.hosts import MEMORY_VARIABLE
from windlass.contracts.ids import ServiceId, TenantId
from windlass.core.database import Database
from windlass.core.wakeup import Wakeup

ReplicaKey = tuple[ServiceId, int]


@dataclass(frozen=True, slots=True)
class WantedService:
    """A replica of a service that should be up on this node."""

    id: ServiceId
    tenant_id: TenantId
    name: str
    project: str
    import_path: str
    env: dict[str, str]
    generation: int
    secrets: bytes | None = field(default=None, repr=False)  # sealed
    python: str = ""  # the version it asks for
    replica: int = 1
    inherited: Mapping[str, str] = field(default_factory=dict[str, str])  # variables of the organisation's services
    inherited_secrets: bytes | None = field(default=None, repr=False)  # sealed

    @property
    def key(self) -> "ReplicaKey":
        """Which replica of which service."""
        return self.id, self.replica


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The process that serves a replica now."""

    boot_id: str
    pid: int
    node: str
    generation: int


STARTING = (
    "insert into host (boot_id, tenant_id, service_id, node, generation, replica) values ($1, $2, $3, $4, $5, $6)"
)
NEW_HOST = """
insert into host (boot_id, tenant_id, service_id, node, pid, generation, replica, up_at)
values ($1, $2, $3, $4, $5, $6, $7, now())
on conflict (boot_id) do update set pid = excluded.pid, node = excluded.node, up_at = coalesce(host.up_at, now())
returning generation
"""
NOBODYS = 0  # the generation of a host that was never written down: whatever is wanted takes its place
STRAYS = """
select distinct h.service_id as id, h.tenant_id, coalesce(s.name, 'deleted') as name, '' as project, '' as import_path,
       '{}'::jsonb as env, 0 as generation, h.replica
from host h left join service s on s.id = h.service_id
where h.ended_at is null and h.node = $1 and (s.enabled is not true or s.stopped or h.replica > s.replicas)
"""
TELL = "select tell_replica($1, $2, $3, $4, $5)"
FAILED = "select tell_replica($1, $2, $3, $4, $5, $6)"
WANTED = """
select s.id, s.tenant_id, s.name, s.project, s.import_path, s.env, s.generation, s.secrets, s.python, replica,
  coalesce(jsonb_strip_nulls(jsonb_build_object('{memory}', d.memory_mib::text)) || d.env, '{}')
    as inherited,
  d.secrets as inherited_secrets
from service s cross join generate_series(1, s.replicas) as replica
left join service_defaults d on d.tenant_id = s.tenant_id
where s.enabled and not s.stopped and s.state <> 'draft' and s.url = '' order by s.id, replica
""".replace("{memory}", MEMORY_VARIABLE)
UNBORN = """
select boot_id from host
where service_id = $1 and replica = $2 and node = $3 and ended_at is null and up_at is null
"""
OTHERS = """
select boot_id from host
where service_id = $1 and replica = $2 and node = $3 and ended_at is null and boot_id <> $4
"""
FLOWS = """
insert into flow (tenant_id, service_id, name, path, summary, description, tags, meta, elements, schema, position)
select $1, $2, $3 || '/' || (flow->>'name'), flow->>'path',
       coalesce(flow->>'summary', ''), coalesce(flow->>'description', ''),
       array(select jsonb_array_elements_text(coalesce(nullif(flow->'tags', 'null'), '[]'))),
       flow - '{name,path,summary,description,tags,elements,schema}'::text[], flow->'elements', flow->'schema', place
from jsonb_array_elements($4) with ordinality as f(flow, place)
on conflict do nothing
"""


class Wanted:
    """The services of all tenants, as the worker that keeps them up sees them."""

    def __init__(self, database: Database, jobs: Database, wakeup: Wakeup) -> None:
        self._database = database
        self._jobs = jobs
        self._wakeup = wakeup

    async def services(self) -> list[WantedService]:
        """Every wanted replica of every enabled service of every tenant."""
        async with self._jobs.open() as connection:
            return [WantedService(**row) for row in await connection.fetch(WANTED)]

    async def strays(self, node: str) -> list[WantedService]:
        """Replicas that are not wanted any more, and whose hosts on this node have not ended by the record."""
        async with self._jobs.open() as connection:
            return [WantedService(**row) for row in await connection.fetch(STRAYS, node)]

    async def record_start(self, service: WantedService, boot_id: str, node: str) -> None:
        """A host is about to be started: whoever comes after its worker finds it by this."""
        async with self._database.tenant(service.tenant_id) as connection:
            await connection.execute(
                STARTING, boot_id, service.tenant_id, service.id, node, service.generation, service.replica
            )

    async def record_found(self, service: WantedService, boot_id: str, pid: int, node: str) -> int:
        """A host answers that an earlier worker started: watch over it. Returns the generation it was started with."""
        async with self._database.tenant(service.tenant_id) as connection:
            return await connection.fetchval(
                NEW_HOST, boot_id, service.tenant_id, service.id, node, pid, NOBODYS, service.replica
            )

    async def unborn(self, service: WantedService, node: str) -> list[str]:
        """Hosts of a replica that were started on this node and have not served yet, by their boot ids."""
        async with self._database.tenant(service.tenant_id) as connection:
            return [row["boot_id"] for row in await connection.fetch(UNBORN, *service.key, node)]

    async def record_up(self, service: WantedService, facts: HostFacts, description: dict[str, Any]) -> None:
        """The host answers: keep its flows and forms. The second time nothing changes."""
        async with self._database.tenant(service.tenant_id) as connection:
            await connection.execute(
                NEW_HOST, facts.boot_id, service.tenant_id, service.id, facts.node, facts.pid, facts.generation,
                service.replica,
            )  # fmt: skip
            named: str | None = await connection.fetchval(TELL, service.tenant_id, *service.key, "running", None)
            query = "update service set isolation = $2 where id = $1"
            await connection.execute(query, service.id, description.get("isolation", "shared"))
            await connection.execute("delete from flow where service_id = $1", service.id)
            name = named or service.name  # it may be called otherwise since the host was started
            await connection.execute(FLOWS, service.tenant_id, service.id, name, description["flows"])
        self._wakeup.touch("health")

    async def record_state(self, service: WantedService, state: str, reason: str | None) -> None:
        """The replica is `deploying`, `running` or `unhealthy`, and why; the service is as its best replica is."""
        async with self._database.tenant(service.tenant_id) as connection:
            await connection.execute(TELL, service.tenant_id, *service.key, state, reason)
        self._wakeup.touch("health")

    async def record_failure(self, service: WantedService, state: str, reason: str) -> None:
        """The replica did not come up with this generation, and why; `running`: its host of an earlier one goes on."""
        async with self._database.tenant(service.tenant_id) as connection:
            await connection.execute(FAILED, service.tenant_id, *service.key, state, reason, service.generation)
        self._wakeup.touch("health")

    async def forget(self, service: WantedService) -> None:
        """The replica is not wanted any more, and gone. The second time nothing changes."""
        async with self._database.tenant(service.tenant_id) as connection:
            await connection.execute(TELL, service.tenant_id, *service.key, None, None)
        self._wakeup.touch("health")

    async def record_progress(self, service: WantedService, progress: Mapping[str, Any]) -> None:
        """How far its keeper has come with this generation of its first replica, which speaks for the service."""
        if service.replica > 1:
            return
        query = "update service set progress = $2 where id = $1 and generation = $3"
        async with self._database.tenant(service.tenant_id) as connection:
            await connection.execute(query, service.id, progress, service.generation)

    async def record_end(self, service: WantedService, boot_id: str, reason: str) -> None:
        """A host is gone: it `crashed`, was `stopped`, `failed` to serve, or was `lost` while nobody watched.

        The first reason stays.
        """
        query = "update host set ended_at = now(), end_reason = $2 where boot_id = $1 and ended_at is null"
        async with self._database.tenant(service.tenant_id) as connection:
            await connection.execute(query, boot_id, reason)

    async def others(self, service: WantedService, node: str, boot_id: str) -> list[str]:
        """Hosts of a replica on this node besides that one, by the record: their boot ids."""
        async with self._database.tenant(service.tenant_id) as connection:
            return [row["boot_id"] for row in await connection.fetch(OTHERS, *service.key, node, boot_id)]
