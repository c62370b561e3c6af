"""What services have where they say nothing themselves, as both clients offer it."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from windlass.client.calls import Call
from windlass.client.records import Json, Record

PATH = "/v1/services/defaults"


class ServiceLimits(Record):
    """What a process of a service may use; None: half of its machine."""

    memory_mib: int | None = None


class ServiceDefaults(Record):
    """The defaults of services, of variables only the names; `counts` says from when a change holds."""

    env: list[str] = Field(default_factory=list[str])
    secrets: list[str] = Field(default_factory=list[str])
    replicas: int = 1
    limits: ServiceLimits = Field(default_factory=ServiceLimits)
    updated_at: datetime | None = None
    updated_by: str = ""
    counts: str = ""

    def changed(self, env: Mapping[str, str | None], secrets: Mapping[str, str | None]) -> Json:
        """All of them with some variables changed: the others keep their values, and those that are None go."""
        known: Json = {"replicas": self.replicas, "limits": {"memory_mib": self.limits.memory_mib}}
        return {**known, "env": _with(self.env, env), "secrets": _with(self.secrets, secrets)}


def _with(names: list[str], changes: Mapping[str, str | None]) -> Json:
    kept: Json = dict.fromkeys(name for name in names if name not in changes)
    return kept | {name: value for name, value in changes.items() if value is not None}


def read_defaults() -> Call[ServiceDefaults]:
    """The defaults as they are."""
    return Call("GET", PATH, ServiceDefaults.model_validate)


def put_defaults(wish: Json) -> Call[ServiceDefaults]:
    """All of them anew: a variable that is not named goes, one that is None keeps its value."""
    return Call("PUT", PATH, ServiceDefaults.model_validate, wish)
