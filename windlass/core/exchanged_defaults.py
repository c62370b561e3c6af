"""What services inherit, as it travels in documents: beside the services, and as a section of an organisation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from windlass.contracts.events import Payload
from windlass.core.callers import Caller
from windlass.core.service_defaults import NewDefaults, ServiceDefaults

NAME = "defaults"  # no service is called that


@dataclass(frozen=True, slots=True)
class ExchangedDefaults:
    """The defaults as they travel: of their secrets only the names."""

    env: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: tuple[str, ...] = ()
    replicas: int = 1
    memory_mib: int | None = None
    name: str = NAME

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "ExchangedDefaults":
        """The same, of JSON that was looked at."""
        return cls(said["env"], tuple(said["secrets"]), said["replicas"], said["limits"]["memory_mib"])

    def written(self) -> Payload:
        """The same as JSON."""
        said = {"name": self.name, "env": dict(self.env), "secrets": list(self.secrets), "replicas": self.replicas}
        return said | {"limits": {"memory_mib": self.memory_mib}}


async def read_defaults(defaults: ServiceDefaults, caller: Caller) -> ExchangedDefaults | None:
    """The defaults as they travel; None where nobody has said anything: elsewhere that changes nothing."""
    found = await defaults.get(caller)
    if found.updated_at is None:
        return None
    return ExchangedDefaults(found.env, found.secret_names, found.replicas, found.memory_mib)


async def bring_defaults(defaults: ServiceDefaults, caller: Caller, item: ExchangedDefaults) -> None:
    """Have these from now on; secrets stay. The second time nothing changes."""
    await defaults.put(caller, NewDefaults({**item.env}, None, item.replicas, item.memory_mib))


@dataclass(frozen=True, slots=True)
class DefaultsSection:
    """What its services inherit: one item, or none."""

    defaults: ServiceDefaults
    name: str = "service_defaults"

    async def all(self, caller: Caller) -> dict[str, Payload]:
        """The defaults, if somebody has said any."""
        found = await read_defaults(self.defaults, caller)
        return {} if found is None else {NAME: found.written()}

    def check(self, caller: Caller, item: Payload) -> None:
        """All there is to look at is how it is written."""

    async def bring(self, caller: Caller, before: Payload | None, item: Payload) -> None:
        """Have them from now on."""
        await bring_defaults(self.defaults, caller, ExchangedDefaults.of(item))
