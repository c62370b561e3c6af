"""Ways out: a desktop reaches what its template lists and nothing else, also after its worker was killed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from activities.adapters import firewall
from stack.forks import Forks
from stack.temporal import Server
from tests.activities.test_gates import server
from tests.desktops.machine import Desk, desk_settings, running_desk
from tests.parts import short_folder
from tests.workflows.apart import Apart
from tests.workflows.engines import until
from windlass.contracts.desktops import DesktopStatus, Template
from windlass.core.desktops import Desktop
from windlass.core.settings import Settings

NOBODY = "00000000-0000-0000-0000-000000000001"  # a desktop that there is not, with a hole
ASK = """
gate=${http_proxy#http://}; exec 3<>/dev/tcp/${gate%%:*}/${gate##*:} || exit 9
printf 'CONNECT %s HTTP/1.1\\r\\n\\r\\n' "$1" >&3; IFS= read -r -t 5 line <&3; echo "$line"
"""


@pytest.fixture(scope="module")
async def settings(database_url: str, temporal: Server, image: str) -> AsyncGenerator[Settings]:
    with short_folder() as folder:
        changes = {"egress_private": "127.0.0.0/8"}
        yield desk_settings(folder, database_url, temporal, image).model_copy(update=changes)


@pytest.fixture(scope="module")
async def worker(forks: Forks, settings: Settings) -> Apart:
    return Apart(forks, settings, "desktops")


@pytest.fixture(scope="module")
async def desk(settings: Settings, worker: Apart) -> AsyncGenerator[Desk]:
    async with running_desk(settings, lambda _: worker.running()) as running:
        yield running
        await running.delete_all()


@asynccontextmanager
async def on_all_addresses() -> AsyncGenerator[int]:
    """A port of this machine that is open wherever it can be reached, also at its end of a desktop's network."""
    async with await asyncio.start_server(lambda _reader, writer: writer.close(), "0.0.0.0", 0) as running:  # noqa: S104 - the test
        yield running.sockets[0].getsockname()[1]


async def asked(desk: Desk, desktop: Desktop, where: str) -> str:
    """What the gate of a desktop answers to somebody inside."""
    done = await desk.run(desktop.id, "bash", "-c", ASK, "bash", where)
    return done.out.decode().strip()


async def test_a_listed_server_is_reached_and_nothing_else_is(desk: Desk, worker: Apart):
    caller, neighbour = desk.somebody(), desk.somebody()
    async with server(b"") as listed, server(b"") as other, on_all_addresses() as beside:
        where = f"127.0.0.1:{listed}"
        await desk.gateway.desktop_templates.put(caller, "out", Template(egress=(where,)))
        desktop = await desk.made(caller, template="out")
        plain = await desk.made(neighbour)
        gate = (await desk.shell(desktop.id, "echo ${http_proxy#http://}")).out.decode().strip().replace(":", "/")

        open_way, closed_way = await asked(desk, desktop, where), await asked(desk, desktop, f"127.0.0.1:{other}")
        names = await desk.shell(desktop.id, "getent ahostsv4 example.org")
        around = await desk.shell(desktop.id, f"timeout 2 bash -c ': < /dev/tcp/{gate.split('/')[0]}/{beside}'")
        stranger = await desk.run(plain.id, "timeout", "2", "bash", "-c", f": < /dev/tcp/{gate}")
        told = await desk.shell(plain.id, "env | grep -ci proxy")
        installation = await desk.machines.installation()
        await firewall.pierce(firewall.Hole(installation, NOBODY, "windlnobody", "10.213.0.1", 3128))
        await worker.kill()
        unkept = await asked(desk, desktop, where)
        await worker.start()

        async def is_mended() -> bool:
            return await firewall.holes(installation) == [str(desktop.id)]

        async def is_open() -> bool:
            return "200" in await asked(desk, desktop, where)

        await until(is_open, 30)
        await until(is_mended, 30)

    assert open_way == "HTTP/1.1 200 Connection established"
    assert closed_way == "HTTP/1.1 403 Forbidden"
    assert 0 not in (names.code, around.code, stranger.code)
    assert (told.out, unkept) == (b"0\n", "")
    await desk.gateway.desktops.stop(caller, desktop.id)
    await desk.becomes(caller, desktop.id, DesktopStatus.OFFLINE)
    assert await firewall.holes(installation) == []
    await asyncio.gather(
        desk.gateway.desktops.remove(caller, desktop.id), desk.gateway.desktops.remove(neighbour, plain.id)
    )


async def test_only_images_of_desktops_that_are_there_are_used(desk: Desk):
    caller = desk.somebody()
    base = await desk.docker.ask("GET", "/images/debian:bookworm-slim/json")
    ours = await desk.docker.ask("GET", f"/images/{desk.engine.settings.desktop_image}/json")
    put = desk.gateway.desktop_templates.put
    await put(caller, "ours", Template(image=ours["Id"]))
    await put(caller, "strange", Template(image=base["Id"]))
    await put(caller, "missing", Template(image="sha256:" + "0" * 64))

    made = await desk.made(caller, template="ours")
    lost = [await desk.create(caller, template=name) for name in ("strange", "missing")]
    ended = [await desk.becomes(caller, desktop.id, DesktopStatus.LOST) for desktop in lost]

    assert made.image == ours["Id"]
    assert "is not one of desktops" in ended[0].reason
    assert "is not on this machine" in ended[1].reason
    for desktop in (made, *lost):
        await desk.gateway.desktops.remove(caller, desktop.id)
