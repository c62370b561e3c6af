"""The role `services`: keeps the hosts of this machine's services up."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress

from activities.adapters.environments import Limits
from activities.adapters.processes import HostFolders, LocalHosts, Unseal
from activities.adapters.sources import Sources
from activities.services import Resume, ServiceKeeper
from windlass.core.outbound import Outbound
from windlass.core.service_defaults import PLACE
from windlass.core.services import CHANGED_CHANNEL, sealed_for
from windlass.core.settings import Settings
from windlass.core.vault import Vault
from windlass.core.wanted import Wanted, WantedService
from workers.parts import Parts, sockets
from workers.slots import Slot


async def serve(parts: Parts) -> None:
    """Serve the role until told to stop; the hosts stay up for the next worker to adopt."""
    settings = parts.settings
    slot = Slot(settings.require_database_url(), settings.node, "services")
    await slot.take()
    folders = HostFolders(
        sockets=sockets(settings),
        logs=settings.home / "logs",
        environments=settings.home / "environments",
        python=str(settings.host_python or sys.executable),
        lifeline=settings.lifeline_fd,
    )
    limits = Limits(settings.environment_minutes * 60.0, settings.environment_most_mib << 20)
    wanted = Wanted(parts.database, parts.jobs, parts.notifier)
    sources = Sources(settings.home / "sources", parts.objects, Outbound(settings.outbound_allow))
    keeper = ServiceKeeper(
        wanted,
        LocalHosts(folders, sources, unsealing(Vault(settings.require_secret_key())), limits),
        resumer(settings),
        settings.node,
    )
    parts.listener.on(CHANGED_CHANNEL, lambda _name: keeper.look())
    tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(slot.keep(parts.stopping.set))]
    try:
        await parts.stopping.wait()
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        await slot.release()


def unsealing(vault: Vault) -> Unseal:
    """Opens the secrets of a service for its host; what it says itself stands before what it inherits."""

    def unseal(service: WantedService) -> Mapping[str, str]:
        own = _opened(vault, service, sealed_for(service.id), service.secrets)
        inherited = _opened(vault, service, PLACE, service.inherited_secrets)
        return {**{name: each for name, each in inherited.items() if name not in service.env}, **own}

    return unseal


def _opened(vault: Vault, service: WantedService, place: str, sealed: bytes | None) -> dict[str, str]:
    return {} if sealed is None else vault.open(service.tenant_id, place, sealed)


def resumer(settings: Settings) -> Resume:
    """Tells the workflow of a parked run to drive it again."""
    made: list[Resume] = []

    async def resume(tenant_id: str, run_id: str) -> None:
        if not made:
            from workers import resuming  # noqa: PLC0415 - Temporal's client: 0.4 s, 40 MB, and few runs park

            made.append(resuming.resumer(settings))
        await made[0](tenant_id, run_id)

    return resume
