"""Boots on a real Temporal server: every service comes up anew, and nobody is in anybody's way."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from activities.boot import progress_of
from tests.core.records import somebody
from tests.workflows.engines import Engine, until
from windlass.contracts.boot import line
from windlass.contracts.hosts import socket_path
from windlass.contracts.ids import TenantId, new_id
from windlass.core.boot import Ailing, Boot, Boots, Standing
from windlass.core.errors import Conflict
from windlass.core.services import NewService
from windlass.core.wakeup import PollOnly
from workers.parts import sockets

TRIVIAL = """
from fastapi import Request
from windlass import Launch, ServeAPI, forms

app = ServeAPI()

@app.enter("/one", forms.Model(forms.Submit("Go")))
async def one_form(request: Request) -> Launch:
    return Launch(request, one)

@app.enter("/two", forms.Model(forms.Submit("Go")))
async def two_form(request: Request) -> Launch:
    return Launch(request, one)

async def one() -> int:
    return 1
"""
BUT_ONE = f"import sys\nassert open('refused').read() not in str(sys.argv), 'not this one'\n{TRIVIAL}"
WAIT = "Path('began').touch()\nwhile not Path('go').exists():\n    time.sleep(0.02)\n"
SLOW = f"import time\nfrom pathlib import Path\n{WAIT}{TRIVIAL}"


class Dead:
    """A gateway that is killed before it can tell anybody of a boot."""

    def booted(self, tenant_id: TenantId, boot_id: UUID) -> None:
        """Nobody hears of it."""


@pytest.fixture
def house(engine: Engine) -> Engine:
    """The engine for an organisation of one's own: a boot is about all services of one."""
    return replace(engine, caller=somebody())


@pytest.fixture(autouse=True)
async def quiet(house: Engine) -> AsyncGenerator[None]:
    """Afterwards nothing of it is kept up."""
    yield
    async with house.database.tenant(house.caller.tenant_id) as connection:
        await connection.execute("update service set enabled = false")


async def add(house: Engine, folder: Path, name: str, program: str = TRIVIAL, replicas: int = 1) -> Path:
    """A service that nobody has started yet."""
    place = folder / name
    await asyncio.to_thread(place.mkdir)
    (place / "program.py").write_text(program)
    await house.gateway.services.add(house.caller, NewService(name, str(place), "program:app", replicas=replicas))
    return place


async def booted(house: Engine) -> Boot:
    """Boot, and wait for the end."""
    boot = await house.gateway.boots.start(house.caller, new_id())
    return await ended(house, boot.id)


async def ended(house: Engine, boot_id: UUID) -> Boot:
    """The boot after its end."""

    async def is_over() -> bool:
        return not (await house.gateway.boots.get(house.caller, boot_id)).is_running

    await until(is_over)
    return await house.gateway.boots.get(house.caller, boot_id)


async def lines(house: Engine, boot: Boot) -> list[str]:
    """What was said, as lines; how long things took is cut off."""
    said = await house.gateway.boots.messages(house.caller, boot.id)
    return [text for each in said if (text := line(each.payload))]


async def test_a_boot_tells_of_every_step_in_order(house: Engine, tmp_path: Path):
    place = await add(house, tmp_path, "bench", replicas=2)

    boot = await booted(house)
    service = await house.gateway.services.get(house.caller, "bench")
    second = socket_path(sockets(house.settings), str(house.caller.tenant_id), str(service.id), replica=2)
    (place / "refused").write_text(second.stem)
    (place / "program.py").write_text(BUT_ONE)
    again = "\n".join(await lines(house, await booted(house)))

    said = await lines(house, boot)
    wanted = [
        "\u2139 Boot started at ",
        "▶ [DEPLOY] Starting deployment",
        "  • [bench] Prepared → ",
        "  • [bench] Started → process ",
        "  [bench] Reached final state → RUNNING",
        "✓ Deployment complete (1/1 running)",
        "▶ [REGISTER] Registering flow endpoints",
        "  • [bench] Discovered 2 flow endpoint(s) → one, two",
        "✓ Flow registration complete (2 discovered)",
        "▶ [RETRIEVE] Testing flow endpoints",
        "  [bench] HEAD /bench/one → 200 OK (alive)",
        "  [bench] HEAD /bench/two → 200 OK (alive)",
        "✓ Retrieved 2 flow endpoints (2 alive, 0 dead)",
        "▶ [UPDATE] Updating service metadata",
        "  [bench] Updated meta → ",
        "✓ Metadata update complete (",
        "✔ Boot completed at ",
    ]
    rest = iter(said)
    assert all(any(each.startswith(start) for each in rest) for start in wanted), said
    assert (
        "  [bench] Replica 2 reached final state → RUNNING" in said[: said.index("✓ Deployment complete (1/1 running)")]
    )
    assert (boot.status, boot.up, boot.failed) == ("finished", 1, 0)
    assert "0 new, 2 preserved" in again
    assert "replica 2 did not come up and is tried again: The process before goes on serving" in again
    assert "not all replicas are there yet" not in again


async def test_a_broken_service_is_told_of_and_breaks_no_other(house: Engine, tmp_path: Path):
    await add(house, tmp_path, "broken", "raise RuntimeError('my mistake')")
    await add(house, tmp_path, "sound")

    boot = await booted(house)

    assert (boot.status, boot.up, boot.failed) == ("finished", 1, 1)
    said = "\n".join(await lines(house, boot))
    assert "✗ [broken] did not come up, the others are not touched: It ended with exit code 3." in said
    assert "RuntimeError: my mistake" in said
    assert "  [sound] Reached final state → RUNNING" in said


def test_of_each_replica_the_end_is_told_and_at_last_which_are_not_there_yet():
    progress, now = {"generation": 2, "end": "up"}, datetime.now(UTC)
    ailing = {3: Ailing("unhealthy", "It ended.\nA traceback"), 4: Ailing("running", "The process before goes on.")}
    standing = Standing("running", "", 2, 2, progress, now, (), (), 5, frozenset({1, 2}), ailing)

    said = [line(each) for each in progress_of("bench", standing, is_late=True).values()]

    assert standing.late == (5,)
    assert said == [
        "  [bench] Reached final state → RUNNING",
        "  [bench] Replica 2 reached final state → RUNNING",
        "⚠ [bench] replica 3 did not come up and is tried again, others serve: It ended.\n      A traceback",
        "⚠ [bench] replica 4 did not come up and is tried again: The process before goes on.",
        "⚠ [bench] not all replicas are there yet, and come by themselves: 5",
    ]
    assert len(progress_of("bench", standing)) == 4
    failed = {"generation": 2, "end": "failed", "failure": {"phase": "start", "reason": "It ended."}}
    first = replace(standing, progress=failed, ailing={1: Ailing("unhealthy", "It ended.")}, replicas=2)
    assert [line(each) for each in progress_of("bench", first).values()] == [
        "✗ [bench] did not come up, its other replicas serve: It ended.",
        "  [bench] Reached final state → UNHEALTHY",
        "  [bench] Replica 2 reached final state → RUNNING",
    ]


async def test_one_boot_at_a_time_unless_by_force(house: Engine, tmp_path: Path):
    place = await add(house, tmp_path, "slow", SLOW)
    first = await house.gateway.boots.start(house.caller, new_id())
    assert await house.gateway.boots.start(house.caller, first.id) == first  # the same wish again

    with pytest.raises(Conflict, match="already in progress"):
        await house.gateway.boots.start(house.caller, new_id())
    second = await house.gateway.boots.start(house.caller, new_id(), force=True)
    (place / "go").touch()

    assert (await ended(house, first.id)).status == "cancelled"
    assert (await lines(house, first))[-1] == "✗ Boot cancelled"
    assert (await ended(house, second.id)).status == "finished"


async def test_a_host_that_is_killed_while_it_is_booted_is_started_again(house: Engine, tmp_path: Path):
    place = await add(house, tmp_path, "slow", f"import os\nopen('pid', 'w').write(str(os.getpid()))\n{SLOW}")
    boot = await house.gateway.boots.start(house.caller, new_id())

    async def is_killed() -> bool:
        """One that was started for the service being added may be in the boot's way, and is gone already."""
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((place / "pid").read_text() or 0), signal.SIGKILL)
            return True
        return False

    await until(is_killed)
    (place / "go").touch()

    assert (await ended(house, boot.id)).up == 1


async def test_a_boot_whose_gateway_died_after_it_was_recorded_is_started_by_another(house: Engine):
    recorded = await Boots(house.database, PollOnly(), Dead()).start(house.caller, new_id())

    assert (await ended(house, recorded.id)).status == "finished"


async def test_another_organisation_has_boots_of_its_own(house: Engine):
    boot = await booted(house)
    stranger = somebody()

    assert await house.gateway.boots.latest(stranger) == []
    assert await house.gateway.boots.messages(stranger, boot.id) == []
