"""Who may do what: one frozen table of roles and permissions."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a person is within one tenant, from the most to the least."""

    OWNER = "owner"
    ADMIN = "admin"
    BUILDER = "builder"
    OPERATOR = "operator"
    VIEWER = "viewer"

    def outranks(self, other: "Role") -> bool:
        """Whether this role may give, change and take the other."""
        order = list(Role)
        return order.index(self) < order.index(other)


class Permission(StrEnum):
    """What a route may ask for: `noun:verb`."""

    ME_READ = "me:read"
    ME_WRITE = "me:write"
    AGENTS_READ = "agents:read"
    AGENTS_WRITE = "agents:write"
    RUNS_READ = "runs:read"
    RUNS_READ_ALL = "runs:read-all"
    RUNS_START = "runs:start"
    RUNS_CANCEL = "runs:cancel"
    RUNS_DELETE = "runs:delete"
    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    QUESTIONS_READ = "questions:read"
    QUESTIONS_ANSWER = "questions:answer"
    SERVICES_READ = "services:read"
    SERVICES_WRITE = "services:write"
    SERVERS_READ = "servers:read"
    SERVERS_WRITE = "servers:write"
    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    TASKS_WRITE_ALL = "tasks:write-all"
    SCHEDULES_READ = "schedules:read"
    SCHEDULES_WRITE = "schedules:write"
    DESKTOPS_READ = "desktops:read"
    DESKTOPS_READ_ALL = "desktops:read-all"
    DESKTOPS_WRITE = "desktops:write"
    DESKTOPS_CONFIGURE = "desktops:configure"
    SESSIONS_READ = "sessions:read"
    SESSIONS_READ_ALL = "sessions:read-all"
    SESSIONS_WRITE = "sessions:write"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    KEYS_ALL = "keys:all"
    AUDIT_READ = "audit:read"
    TENANTS_READ = "tenants:read"
    TENANTS_CREATE = "tenants:create"
    TENANTS_WRITE = "tenants:write"
    TENANTS_OWN = "tenants:own"
    PLATFORM_READ = "platform:read"


P = Permission

_EVERYBODY = frozenset(
    {P.ME_READ, P.ME_WRITE, P.AGENTS_READ, P.RUNS_READ, P.SERVICES_READ, P.MEMBERS_READ, P.TENANTS_READ, P.KEYS_READ}
    | {P.KEYS_WRITE, P.QUESTIONS_READ, P.SERVERS_READ, P.TASKS_READ, P.SCHEDULES_READ, P.DESKTOPS_READ}
    | {P.SESSIONS_READ, P.FILES_READ}
)
_SEE = frozenset({P.RUNS_READ_ALL, P.DESKTOPS_READ_ALL, P.SESSIONS_READ_ALL})
_WORK = frozenset(
    {P.RUNS_START, P.RUNS_CANCEL, P.RUNS_DELETE, P.QUESTIONS_ANSWER, P.TASKS_WRITE, P.SCHEDULES_WRITE, P.DESKTOPS_WRITE}
    | {P.SESSIONS_WRITE, P.FILES_WRITE}
)
_BUILD = frozenset({P.AGENTS_WRITE, P.SERVERS_WRITE, P.SERVICES_WRITE, P.TASKS_WRITE_ALL})
_ADMINISTER = frozenset(
    {P.MEMBERS_WRITE, P.KEYS_ALL, P.AUDIT_READ, P.TENANTS_CREATE, P.TENANTS_WRITE, P.DESKTOPS_CONFIGURE}
)
_OWN = frozenset({P.TENANTS_OWN})

ROLES: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.OWNER: _EVERYBODY | _SEE | _WORK | _BUILD | _ADMINISTER | _OWN,
        Role.ADMIN: _EVERYBODY | _SEE | _WORK | _BUILD | _ADMINISTER,
        Role.BUILDER: _EVERYBODY | _SEE | _WORK | _BUILD,
        Role.OPERATOR: _EVERYBODY | _WORK,
        Role.VIEWER: _EVERYBODY | _SEE,
    }
)

OF_A_RUN = frozenset({P.FILES_READ, P.FILES_WRITE})
"""What a run itself may do: reach its own files, no others."""

OPERATOR_OF_PLATFORM = frozenset({P.PLATFORM_READ})
"""What the flag on a person adds, whatever their role: the installation, no tenant's content."""

PERSONAL = frozenset({P.ME_WRITE, P.TENANTS_CREATE, P.TENANTS_OWN, P.PLATFORM_READ})
"""What only a person who signed in may do; no API key carries it."""
