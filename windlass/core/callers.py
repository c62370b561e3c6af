"""Who is calling: the one value every core function takes to know its tenant and what is allowed."""

from dataclasses import dataclass
from uuid import UUID

from windlass.contracts.ids import PersonId, TenantId
from windlass.core.database import Connection
from windlass.core.errors import Forbidden
from windlass.core.permissions import ROLES, Permission, Role

MEMBER = """
select m.role, p.name from membership m join person p on p.id = m.person_id join tenant t on t.id = m.tenant_id
where m.person_id = $1 and m.active and t.deleted_at is null
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from: the client's address, what it calls itself, and the id of the request."""

    address: str = ""
    agent: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class RunLife:
    """The life of a run that calls: which attempt, in which host, and what it calls itself there."""

    run_id: UUID
    attempt: int
    boot_id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """A person in one tenant, by a sign-in session or by an API key; or a run of theirs that reaches its own files."""

    tenant_id: TenantId
    person_id: PersonId
    name: str
    role: Role
    permissions: frozenset[Permission]
    email: str = ""
    tenant_name: str = ""
    session_id: UUID | None = None
    key_id: str | None = None
    address: str = ""
    request_id: str = ""
    is_operator: bool = False
    must_change_password: bool = False
    life: RunLife | None = None

    @property
    def id(self) -> str:
        """The name requests are counted and remembered under: the run, the key, else the person."""
        if self.life is not None:
            return f"run/{self.life.run_id}"
        return f"key/{self.key_id}" if self.key_id else f"person/{self.person_id}"

    def may(self, permission: Permission) -> bool:
        """Whether the permission is held here and now."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Go on only with the permission."""
        if not self.may(permission):
            raise Forbidden(f"This needs the permission {permission}.")


async def member(connection: Connection, tenant_id: TenantId, person_id: UUID) -> Caller | None:
    """A person with what their role allows now, for what goes on in their name; None: they are not here any more."""
    row = await connection.fetchrow(MEMBER, person_id)
    if row is None:
        return None
    role = Role(row["role"])
    return Caller(tenant_id, PersonId(person_id), row["name"], role, ROLES[role])
