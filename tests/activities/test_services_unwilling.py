"""Services whose hosts do not do as they are told: slow, silent, not started, or kept while the database is away."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from activities.adapters import processes
from stack import environment
from tests.activities.test_services import TRIVIAL, UNWILLING, Mine, Site
from tests.core.records import Records
from tests.owner import eventually as until
from tests.parts import lifeline, short_folder
from windlass.core.database import Away, Database
from windlass.core.wanted import WantedService
from windlass.host.__main__ import GRACE_S, LINGER_S
from windlass.host.care import CLOSE_S

SLOW = "import os, time\nopen('began', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"


@pytest.fixture
async def site(database: Database, records: Records) -> AsyncGenerator[Site]:
    await environment.ensure(environment.place())
    with short_folder() as folder, lifeline() as line:
        yield Site(database, records, folder, line)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def began(site: Site) -> int:
    """The process that has begun to import the service."""
    mark = site.project / "began"

    async def has_begun() -> bool:
        return mark.exists() and mark.read_text() != ""

    await until(has_begun)
    return int(mark.read_text())


async def silenced(site: Site) -> int:
    """The host of the service that is up, which says and does nothing any more."""
    await site.state("running")
    (pid,) = await site.living()
    os.kill(pid, signal.SIGSTOP)
    return pid


async def test_a_host_that_nobody_wants_any_more_while_it_starts_is_ended(site: Site):
    await site.add(program=SLOW)
    async with site.keeping() as keeper:
        pid = await began(site)

        await site.change("enabled = false")
        keeper.look()

        await until(lambda: gone(pid))


def test_nobody_kills_a_host_that_still_does_what_it_may_when_it_is_told_to_end():
    assert LINGER_S + GRACE_S + CLOSE_S < processes.STOP_S


async def test_a_silent_host_that_nobody_wants_holds_up_no_other(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("activities.adapters.processes.STOP_S", 600)
    await site.add()
    async with site.keeping() as keeper:
        pid = await silenced(site)

        await site.change("enabled = false")
        await site.add("other")
        keeper.look()
        await until(lambda: serves(site, "other"))

        assert is_alive(pid)
        os.kill(pid, signal.SIGCONT)
        await until(lambda: gone(pid))


async def test_a_silent_host_is_ended_when_its_service_goes(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("activities.adapters.processes.STOP_S", 1)
    await site.add()
    async with site.keeping() as keeper:
        pid = await silenced(site)

        await site.change("enabled = false")
        keeper.look()

        await until(lambda: gone(pid))
        await until(lambda: stopped(site))


async def test_a_host_without_a_sign_of_life_is_replaced(site: Site, monkeypatch: pytest.MonkeyPatch):
    """A regular expression that backtracks for hours stops every thread of its process, the watchdog's too."""
    monkeypatch.setattr("activities.adapters.processes.ANSWER_S", 0.5)
    await site.add()
    async with site.keeping(silent_s=2.0):
        pid = await silenced(site)

        await site.another(pid)
        assert not is_alive(pid)
    assert await site.ends() == ["crashed"]


class Forgetful(Mine):
    """Records that cannot be written once: the database went away at that moment."""

    def __init__(self, records: Records) -> None:
        super().__init__(records)
        self.failures = 1

    async def record_failure(self, *facts: Any) -> None:
        """Fail the first time."""
        if self.failures:
            self.failures -= 1
            raise Away("The database went away.")
        await self._records.wanted.record_failure(*facts)


async def test_a_failure_that_could_not_be_recorded_does_not_end_the_keeping(site: Site):
    await site.add(program="raise RuntimeError('my mistake')")
    wanted = Forgetful(site.records)

    async with site.keeping(wanted):
        assert "my mistake" in await site.state("unhealthy")
        await asyncio.to_thread((site.project / "texts.py").write_text, TRIVIAL)
        await site.state("running")

    assert wanted.failures == 0


class Noting(Mine):
    """Records that remember which states there were."""

    def __init__(self, records: Records) -> None:
        super().__init__(records)
        self.states: list[str] = []

    async def record_state(self, service: WantedService, state: str, reason: str | None) -> None:
        """Remember it."""
        self.states.append(state)
        await self._records.wanted.record_state(service, state, reason)

    async def record_failure(self, service: WantedService, state: str, reason: str) -> None:
        """Remember it."""
        self.states.append(state)
        await self._records.wanted.record_failure(service, state, reason)


async def test_a_host_that_is_killed_while_it_starts_says_nothing_about_its_service(site: Site):
    """Runs of an unhealthy service fail; those of one that is about to come up wait."""
    wanted = Noting(site.records)
    await site.add(
        program=f"import os\nif not os.path.exists('began'):\n    {SLOW.strip().replace(chr(10), '; ')}\n{TRIVIAL}"
    )

    async with site.keeping(wanted):
        os.kill(await began(site), signal.SIGKILL)
        await site.state("running")

    assert wanted.states == ["deploying"]


async def test_a_service_whose_hosts_are_killed_whenever_they_start_is_unhealthy(site: Site):
    await site.add(program="import os\nos.kill(os.getpid(), 9)")

    async with site.keeping():
        assert "ended by signal 9" in await site.state("unhealthy")


async def test_a_service_that_did_not_start_is_tried_again_within_half_a_minute(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("activities.services.PAUSE_FIRST_S", 400.0)
    monkeypatch.setattr("activities.services.LOST_MOST", 1)
    await site.add(program=UNWILLING)

    async with site.keeping():
        reason = await site.state("deploy_failed")

    assert reason.startswith("Try 1, the next one in 30 s. It was imported, and did not start. FileNotFoundError: ")


async def gone(pid: int) -> bool:
    return not is_alive(pid)


async def serves(site: Site, name: str) -> bool:
    return (await site.records.services.get(site.records.caller, name)).state == "running"


async def stopped(site: Site) -> bool:
    return await site.ends() == ["stopped"]
