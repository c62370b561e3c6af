"""What runs follows what is wanted: hosts are started, adopted, replaced, restarted and ended."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.hosts import Line
from activities.adapters.processes import Execute, HostFolders, LocalHosts
from activities.adapters.sources import Sources
from activities.failures import ServiceFailed
from activities.services import ServiceKeeper
from stack import environment
from tests.core.records import VAULT, Records
from tests.forks import forked_hosts
from tests.owner import eventually as until
from tests.parts import lifeline, short_folder
from windlass.cli.flows import packed
from windlass.contracts.hosts import MEMORY_VARIABLE, socket_path
from windlass.core.database import Database
from windlass.core.outbound import Outbound
from windlass.core.services import NewService
from windlass.core.storage.local import LocalObjects
from windlass.core.vault import Vault
from windlass.core.wanted import WantedService
from workers.services import unsealing

TRIVIAL = """
from fastapi import Request
from windlass import Launch, ServeAPI, forms

app = ServeAPI()

@app.enter("/one", forms.Model(forms.Submit("Go")))
async def enter(request: Request) -> Launch:
    return Launch(request, one)

async def one() -> int:
    return 1
"""

UNWILLING = TRIVIAL.replace("ServeAPI()", "ServeAPI(lifespan=lambda app: open('/absent'))")


async def silence(_line: str) -> None:
    """Nobody listens to how far it has come."""


class Mine:
    """The services of one tenant: other tests share the database, their services are not ours to keep."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records.wanted, name)

    async def services(self) -> list[WantedService]:
        """What should be up."""
        return self._own(await self._records.wanted.services())

    async def strays(self, node: str) -> list[WantedService]:
        """What should not be up any more."""
        return self._own(await self._records.wanted.strays(node))

    def _own(self, services: list[WantedService]) -> list[WantedService]:
        return [each for each in services if each.tenant_id == self._records.tenant_id]


class Site:
    """A machine that keeps the services of one tenant."""

    def __init__(
        self, database: Database, records: Records, folder: Path, line: int, execute: Execute | None = None
    ) -> None:
        self.database, self.records = database, records
        python = str(environment.python(environment.place()))
        self.folders = HostFolders(folder / "hosts", folder / "logs", folder / "environments", python, line)
        self.objects = LocalObjects(folder / "objects")
        self.sources = Sources(folder / "sources", self.objects, Outbound())
        self.hosts = LocalHosts(self.folders, self.sources, unsealing(VAULT), execute=execute or forked_hosts().execute)
        self.project = folder
        self.woken: list[tuple[str, str]] = []

    @asynccontextmanager
    async def keeping(self, wanted: Any = None, **more: Any) -> AsyncGenerator[ServiceKeeper]:
        """A services worker, gone afterwards; its hosts stay."""
        wanted = wanted or Mine(self.records)
        keeper = ServiceKeeper(wanted, self.hosts, self._resume, "here", **more)
        task = asyncio.create_task(keeper.run())
        try:
            yield keeper
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def add(self, name: str = "texts", program: str = TRIVIAL, **wish: Any) -> None:
        """Write a program and want it served."""
        (self.project / f"{name}.py").write_text(program)
        await self.records.services.add(self.records.caller, NewService(name, str(self.project), f"{name}:app", **wish))

    async def change(self, change: str) -> None:
        """Change the service as an administrator does."""
        async with self.database.tenant(self.records.tenant_id) as connection:
            await connection.execute(f"update service set {change}")  # noqa: S608 - constants

    async def state(self, state: str) -> str:
        """Wait for a state and answer its reason."""

        async def is_so() -> bool:
            return (await self.records.services.get(self.records.caller, "texts")).state == state

        await until(is_so)
        return (await self.records.services.get(self.records.caller, "texts")).reason or ""

    async def living(self) -> list[int]:
        """The processes that serve now, by the record."""
        async with self.database.tenant(self.records.tenant_id) as connection:
            rows = await connection.fetch("select pid from host where ended_at is null and up_at is not null")
        return [row["pid"] for row in rows]

    async def ends(self) -> list[str]:
        """How hosts came to their ends."""
        async with self.database.tenant(self.records.tenant_id) as connection:
            rows = await connection.fetch("select end_reason from host where ended_at is not null order by started_at")
        return [row["end_reason"] for row in rows]

    async def another(self, pid: int) -> int:
        """Wait for another host than this one."""

        async def is_there() -> bool:
            living = await self.living()
            return len(living) == 1 and living != [pid]

        await until(is_there)
        (new,) = await self.living()
        return new

    async def _resume(self, tenant_id: str, run_id: str) -> None:
        self.woken.append((tenant_id, run_id))


@pytest.fixture
async def site(database: Database, records: Records) -> AsyncGenerator[Site]:
    await environment.ensure(environment.place())
    with short_folder() as folder, lifeline() as line:
        yield Site(database, records, folder, line)


async def test_a_wanted_service_is_started_and_described(site: Site):
    site.hosts = LocalHosts(site.folders, site.sources, unsealing(VAULT))  # whose environment the kernel shows
    await site.records.inherit(site.database, {"LEVEL": "no", "A": "1"}, {"TOKEN": "no", "LEVEL": "no", "B": "2"}, 900)
    await site.add(env={"LEVEL": "high"}, secrets={"TOKEN": "hush"})

    async with site.keeping():
        await site.state("running")

    assert (await site.records.services.get(site.records.caller, "texts")).flows == ("texts/one",)
    (pid,) = await site.living()
    said = (await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_text)).split("\0")
    assert {"LEVEL=high", "TOKEN=hush", "A=1", "B=2"} <= {*said}
    assert [each for each in said if each.startswith(("WINDLASS", "TEMPORAL", "ANTHROPIC"))] == [
        f"{MEMORY_VARIABLE}=900"
    ]


async def test_a_host_outlives_its_keeper_and_is_adopted_by_the_next(site: Site):
    await site.add()
    async with site.keeping():
        await site.state("running")
    before = await site.living()
    await site.change("state = 'deploying'")

    async with site.keeping():
        await site.state("running")

    assert await site.living() == before
    assert await site.ends() == []


async def test_a_host_that_dies_is_started_again(site: Site):
    await site.add()
    async with site.keeping():
        await site.state("running")
        (pid,) = await site.living()

        os.kill(pid, signal.SIGKILL)

        await site.another(pid)
        await site.state("running")
    assert await site.ends() == ["crashed"]


async def test_a_host_that_died_unwatched_is_lost_and_started_again(site: Site):
    await site.add()
    async with site.keeping():
        await site.state("running")
    (pid,) = await site.living()

    os.kill(pid, signal.SIGKILL)
    async with site.keeping():
        await site.another(pid)

    assert await site.ends() == ["lost"]


async def test_a_changed_service_gets_a_new_host(site: Site):
    await site.add()
    async with site.keeping() as keeper:
        await site.state("running")
        (pid,) = await site.living()

        await site.change("generation = generation + 1")
        keeper.look()

        await site.another(pid)
    assert await site.ends() == ["stopped"]


async def test_a_service_changed_while_nobody_watched_gets_a_new_host(site: Site):
    await site.add()
    async with site.keeping():
        await site.state("running")
    (pid,) = await site.living()

    await site.change("generation = generation + 1")
    async with site.keeping():
        await site.another(pid)

    assert await site.ends() == ["stopped"]


async def test_a_service_that_is_not_wanted_any_more_has_its_host_ended(site: Site):
    await site.add()
    async with site.keeping() as keeper:
        await site.state("running")

        await site.change("enabled = false")
        keeper.look()

        await until(lambda: _is_empty(site))
    assert await site.ends() == ["stopped"]


async def _is_empty(site: Site) -> bool:
    return await site.living() == []


async def test_a_service_that_does_not_start_says_why_and_harms_no_other(site: Site):
    await site.add(program="raise RuntimeError('my mistake')")
    await site.add("other")

    async with site.keeping():
        reason = await site.state("unhealthy")
        await until(lambda: _serves(site, "other"))

    first, *below = reason.splitlines()
    assert first == "It ended with exit code 3. RuntimeError: my mistake"
    assert "Traceback" in below[0]
    assert below[-1] == "RuntimeError: my mistake"
    assert "windlass/host" not in reason  # where the program is wrong, not how it was come to


async def _serves(site: Site, name: str) -> bool:
    return (await site.records.services.get(site.records.caller, name)).state == "running"


async def test_a_service_that_was_mended_comes_up_by_itself(site: Site):
    await site.add(program=UNWILLING)

    async with site.keeping():
        reason = (await site.state("deploy_failed")).splitlines()
        await asyncio.to_thread((site.project / "texts.py").write_text, TRIVIAL)

        assert await site.state("running") == ""
    assert reason[0].startswith("It was imported, and did not start. FileNotFoundError: ")


async def test_a_service_is_served_from_an_archive_and_then_from_another(site: Site):
    async def sent(content: str) -> str:
        async def pieces() -> AsyncGenerator[bytes]:
            yield packed(site.project / content)

        (site.project / content).mkdir()
        (site.project / content / "texts.py").write_text(TRIVIAL.replace('"/one"', f'"/{content}"'))
        kept = await site.objects.keep(f"{site.records.tenant_id}/sources", pieces())
        return f"archive:{kept.digest}"

    await site.add()
    await site.change(f"project = '{await sent('first')}'")
    async with site.keeping() as keeper:
        await site.state("running")
        (pid,) = await site.living()

        await site.change(f"project = '{await sent('second')}', generation = generation + 1")
        keeper.look()

        await site.another(pid)
        await until(lambda: _offers(site, "texts/second"))


async def _offers(site: Site, flow: str) -> bool:
    return (await site.records.services.get(site.records.caller, "texts")).flows == (flow,)


async def test_a_folder_that_does_not_exist_is_named(site: Site):
    await site.add()
    await site.change("project = '/nowhere/at/all'")
    (wanted,) = [each for each in await site.records.wanted.services() if each.tenant_id == site.records.tenant_id]

    with pytest.raises(ServiceFailed, match="/nowhere/at/all does not exist"):
        await site.hosts.prepare(wanted, silence)
    assert await site.hosts.find(wanted) is None


@pytest.mark.parametrize("change", ["update service set enabled = false", "delete from service"])
async def test_a_host_whose_service_went_while_nobody_watched_is_ended(site: Site, change: str):
    await site.add()
    async with site.keeping():
        await site.state("running")

    async with site.database.tenant(site.records.tenant_id) as connection:
        await connection.execute(change)
    async with site.keeping():
        await until(lambda: _is_empty(site))

    assert await site.ends() == ["stopped"]


async def test_whoever_comes_while_a_host_is_replaced_is_answered(site: Site):
    await site.add()
    async with site.keeping() as keeper:
        await site.state("running")
        (pid,) = await site.living()
        (wanted,) = await Mine(site.records).services()
        address = socket_path(site.project / "hosts", str(wanted.tenant_id), str(wanted.id))

        await site.change("generation = generation + 1")
        keeper.look()

        answered = [pid]
        while answered[-1] == pid:
            line = await Line.open(address)
            answered.append(int((await line.ask({"op": "ping"}))["pid"]))
            await line.close()
        assert await site.another(pid) == answered[-1]
        assert len(answered) > 10  # nobody was turned away while the new one started


async def test_replacing_a_host_holds_on_to_nothing_of_the_one_before(site: Site):
    await site.add()
    async with site.keeping() as keeper:
        await site.state("running")
        (pid,) = await site.living()
        before = len(os.listdir("/proc/self/fd"))

        await site.change("generation = generation + 1")
        keeper.look()
        await site.another(pid)

        async def is_even() -> bool:
            return len(os.listdir("/proc/self/fd")) <= before + 3

        await until(is_even)


async def test_a_new_host_that_does_not_come_up_leaves_the_one_before_in_its_place(site: Site):
    await site.add()
    async with site.keeping() as keeper:
        await site.state("running")
        before = await site.living()

        await asyncio.to_thread((site.project / "texts.py").write_text, "raise RuntimeError('my mistake')")
        await site.change("generation = generation + 1")
        keeper.look()
        await until(lambda: _says(site, "my mistake"))

        assert await site.living() == before
        await asyncio.to_thread((site.project / "texts.py").write_text, TRIVIAL)
        await site.another(*before)
    assert sorted(await site.ends()) == ["failed", "stopped"]


async def _says(site: Site, words: str) -> bool:
    service = await site.records.services.get(site.records.caller, "texts")
    return service.state == "running" and words in (service.reason or "")


async def test_secrets_that_were_sealed_with_another_key_are_said_to_be_and_not_left_away(site: Site):
    site.hosts = LocalHosts(site.folders, site.sources, unsealing(Vault(b"another secret, long enough as well")))
    await site.add(secrets={"TOKEN": "hush"})

    async with site.keeping():
        assert "Its secrets cannot be opened here" in await site.state("unhealthy")
