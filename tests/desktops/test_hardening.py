"""What a desktop cannot do, each tried from inside by whoever owns it."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator

import pytest

from tests.desktops.machine import Desk
from windlass.contracts.desktops import DesktopStatus, Template
from windlass.core.callers import Caller
from windlass.core.desktops import Desktop


@pytest.fixture(scope="module")
async def caller(desk: Desk) -> Caller:
    return desk.somebody()


@pytest.fixture(scope="module")
async def desktop(desk: Desk, caller: Caller) -> AsyncGenerator[Desktop]:
    """A desktop that the tests of this file try to break out of."""
    made = await desk.made(caller)
    yield made
    await desk.gateway.desktops.remove(caller, made.id)


async def test_it_has_no_capability_and_can_gain_none(desk: Desk, desktop: Desktop):
    for process in ("self", "1"):
        status = (await desk.shell(desktop.id, f"cat /proc/{process}/status")).out.decode()

        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0000000000000000"}
        assert facts["NoNewPrivs"] == "1"
        assert facts["Uid"].split() == ["1000"] * 4


@pytest.mark.parametrize(
    ("place", "flags"),
    [
        ("/", {"ro"}),
        ("/tmp", {"rw", "nosuid", "nodev", "size=262144k"}),  # noqa: S108 - in the desktop
        ("/run", {"nosuid", "nodev", "noexec", "size=16384k"}),
        ("/dev/shm", {"nosuid", "nodev", "noexec", "size=262144k"}),  # noqa: S108 - in the desktop
    ],
)
async def test_what_is_mounted_is_bounded(desk: Desk, desktop: Desktop, place: str, flags: set[str]):
    mounts = (await desk.shell(desktop.id, "cat /proc/mounts")).out.decode().splitlines()

    assert flags <= {flag for line in mounts if line.split()[1] == place for flag in line.split()[3].split(",")}


@pytest.mark.parametrize(
    "attempt",
    [
        "touch /usr/bin/mine",
        "touch /var/tmp/mine",
        "touch /opt/windlass/entrypoint.sh",
        "mount -t tmpfs none /home",
        "unshare --user --map-root-user true",
        "su -c true",
        "echo x > /proc/sys/kernel/hostname",
        "echo '#!/bin/sh' > /run/x && chmod +x /run/x && /run/x",
        "test -e /var/run/docker.sock",
    ],
)
async def test_it_refuses(desk: Desk, desktop: Desktop, attempt: str):
    assert (await desk.shell(desktop.id, f"({attempt}) </dev/null >/dev/null 2>&1")).code != 0


async def test_it_can_write_where_it_should(desk: Desk, desktop: Desktop):
    done = await desk.shell(desktop.id, "touch ~/mine /tmp/mine && echo '#!/bin/sh' > ~/x && chmod +x ~/x && ~/x")

    assert done.code == 0


async def test_its_limits_are_those_of_its_template(desk: Desk, desktop: Desktop):
    host = (await desk.inspect(desktop.id))["HostConfig"]

    template = Template()
    assert (host["Memory"], host["MemorySwap"]) == (template.memory_bytes, template.memory_bytes)
    assert (host["NanoCpus"], host["PidsLimit"]) == (10**9, template.processes)
    assert [host[name] for name in ("Privileged", "PortBindings", "PublishAllPorts") if host[name]] == []
    assert host["LogConfig"]["Config"] == {"max-file": "2", "max-size": "5m"}
    assert host["RestartPolicy"]["Name"] == "no"
    ulimits = {each["Name"]: (each["Soft"], each["Hard"]) for each in host["Ulimits"]}
    assert ulimits == {"core": (0, 0), "fsize": (1 << 31, 1 << 31), "nofile": (4096, 4096)}


async def test_a_fork_bomb_stays_inside(desk: Desk, caller: Caller, desktop: Desktop):
    bomb = "for n in $(seq 400); do sleep 2 & done 2>/dev/null; echo $n"

    done = await desk.shell(desktop.id, f"({bomb}) 2>&1 | grep -c 'Cannot fork\\|Resource temporarily' || true")

    assert done.code in (0, 2)
    assert (await desk.gateway.desktops.get(caller, desktop.id)).status is DesktopStatus.IDLE


async def test_memory_over_the_limit_ends_the_process_and_not_the_desktop(desk: Desk, caller: Caller, desktop: Desktop):
    done = await desk.shell(desktop.id, "head -c 2000000000 /dev/zero | tail > /dev/null")

    assert done.code != 0
    assert (await desk.shell(desktop.id, "echo alive")).out == b"alive\n"
    assert (await desk.gateway.desktops.get(caller, desktop.id)).status is DesktopStatus.IDLE


async def test_one_desktop_cannot_reach_another(desk: Desk, desktop: Desktop):
    neighbour = desk.somebody()
    other = await desk.made(neighbour)
    address = _address(await desk.inspect(other.id))

    assert await _reaches(desk, desktop, _address(await desk.inspect(desktop.id)), 5901)
    assert not await _reaches(desk, desktop, address, 5901)
    await desk.gateway.desktops.remove(neighbour, other.id)


async def test_it_has_no_way_out_and_no_names(desk: Desk, desktop: Desktop):
    container = await desk.inspect(desktop.id)
    network = next(iter(container["NetworkSettings"]["Networks"]))

    assert container["HostConfig"]["Dns"] == ["192.0.2.53"]  # nobody: the engine would ask the machine's own
    assert (await desk.docker.ask("GET", f"/networks/{network}"))["Internal"] is True
    assert not await _reaches(desk, desktop, "192.0.2.1", 80)
    assert (await desk.shell(desktop.id, "getent ahostsv4 example.org")).code != 0


async def test_it_cannot_call_the_machine_it_runs_on(desk: Desk, desktop: Desktop):
    networks = (await desk.inspect(desktop.id))["NetworkSettings"]["Networks"]
    network = await desk.docker.ask("GET", f"/networks/{next(iter(networks))}")
    gateway = network["IPAM"]["Config"][0].get("Gateway") or _first(network["IPAM"]["Config"][0]["Subnet"])
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "0.0.0.0", 0)  # noqa: S104 - the test

    async with server:
        port = server.sockets[0].getsockname()[1]
        with socket.create_connection((gateway, port), timeout=30):
            pass
        assert not await _reaches(desk, desktop, gateway, port)


async def test_its_password_is_in_no_environment_and_no_label(desk: Desk, desktop: Desktop):
    container = await desk.inspect(desktop.id)

    written = (await desk.shell(desktop.id, "stat -c '%a %s' /tmp/.vnc-password")).out
    assert written == b"600 8\n"
    assert "GEOMETRY=1280x800" in container["Config"]["Env"]
    assert "password" not in json.dumps(container["Config"]["Env"]).lower()
    assert sorted(container["Config"]["Labels"]) == [
        "windlass.desktop", "windlass.generation", "windlass.installation", "windlass.managed",
        "windlass.owner", "windlass.recipe", "windlass.tenant",
    ]  # fmt: skip


async def _reaches(desk: Desk, desktop: Desktop, address: str, port: int) -> bool:
    return (await desk.run(desktop.id, "timeout", "2", "bash", "-c", f": < /dev/tcp/{address}/{port}")).code == 0


def _address(container: dict[str, dict[str, dict[str, dict[str, str]]]]) -> str:
    return next(iter(container["NetworkSettings"]["Networks"].values()))["IPAddress"]


def _first(subnet: str) -> str:
    head, _, last = subnet.partition("/")[0].rpartition(".")
    return f"{head}.{int(last) + 1}"
