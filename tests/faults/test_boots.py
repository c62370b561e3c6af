"""Boots, refreshes and imports go on and end truthfully, whoever is killed in the middle of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.faults.conftest import FORM
from tests.faults.stack import PROGRAMS, UP_S, Stack, until
from windlass.client import ApiError, AsyncClient, Unreachable
from windlass.client.boot import BootMessage, BootState

ITEMS = 60
IN_A_BOOT = (("gateway",), ("worker-runs",), ("postgres",), ("temporal",))
PARTS = ("gateway", "worker-machine", "postgres", "temporal")
IN_A_REFRESH = {"full": tuple((part,) for part in PARTS), "short": (PARTS,)}[FORM]


T = TypeVar("T")


async def surely(call: Callable[[], Awaitable[T]]) -> T:
    """What is answered, asked again while a part is on its way up."""
    while True:
        try:
            return await call()
        except (Unreachable, ApiError) as error:
            if isinstance(error, ApiError) and error.status not in (409, 502, 503, 504):
                raise
            await asyncio.sleep(0.05)


@pytest.fixture
async def gate(stack: Stack, client: AsyncClient, tmp_path: Path) -> Path:
    """A folder whose file `open` lets the service `gated` up; it serves already."""
    (tmp_path / "open").touch()
    wish = {"name": "gated", "project": str(PROGRAMS), "import_path": "gated:app", "env": {"GATE": str(tmp_path)}}
    assert (await client.http.post("/v1/services", json=wish)).is_success
    await stack.wait_for_service(client, "gated")
    return tmp_path


def begun(gate: Path) -> set[Path]:
    """A mark for each host that has begun to come up."""
    return set(gate.glob("began-*"))


async def kill_while_it_comes_up(stack: Stack, gate: Path, serving: int, kills: Sequence[Sequence[str]]) -> None:
    """Kill parts while a new host is on its way and the one before serves; then let it up."""
    known = begun(gate)

    async def has_begun() -> bool:
        return begun(gate) > known

    await until(has_begun, "a new host begins", UP_S, stack.said)
    for parts in kills:
        await stack.kill(*parts)
        assert serving in [host.pid for host in await stack.hosts()], f"{parts} took the old host along"
    (gate / "open").touch()
    await stack.is_whole()


async def process_of(client: AsyncClient) -> int:
    """Who serves `gated`, as its own run says."""
    run = await surely(lambda: client.runs.start("gated/answer"))
    ended = await client.runs.wait(run.id)
    assert ended.status == "finished", ended.error
    assert ended.result is not None
    return int(ended.result["int"])


async def test_a_boot_and_a_refresh_go_on_whoever_is_killed(stack: Stack, client: AsyncClient, gate: Path):
    first = await process_of(client)
    (gate / "open").unlink()
    boot = await client.boots.start()
    await kill_while_it_comes_up(stack, gate, first, IN_A_BOOT)

    ended = await ended_boot(client, boot.boot_id)
    second = await process_of(client)

    assert ended.boot is not None
    assert (ended.boot.status, ended.boot.up, ended.boot.failed) == ("finished", 2, 0)
    assert_told_once(ended.messages)
    assert second != first

    (gate / "open").unlink()
    await client.services.refresh("gated")
    await kill_while_it_comes_up(stack, gate, second, IN_A_REFRESH)

    async def is_replaced() -> bool:
        service = await surely(lambda: client.services.get("gated"))
        return service.state == "running" and service.pid not in (None, second)

    await until(is_replaced, "another host serves", UP_S, stack.said)
    assert await process_of(client) not in (first, second)
    await client.services.remove("gated")


async def ended_boot(client: AsyncClient, boot_id: str) -> BootState:
    """The boot after its end."""
    found: list[BootState] = []

    async def is_over() -> bool:
        found[:] = [await surely(lambda: client.boots.read(boot_id))]
        return found[0].boot is not None and found[0].boot.status != "running"

    await until(is_over, "the boot is over", UP_S)
    return found[0]


def assert_told_once(messages: list[BootMessage]) -> None:
    """Each thing is said once, and the end last."""
    told = [(each.type, each.step, each.target, each.message) for each in messages]
    assert len(told) == len(set(told))
    assert [each.seq for each in messages] == list(range(1, len(messages) + 1))
    assert messages[-1].message.startswith("Boot completed at "), messages[-1].text


async def test_an_import_that_is_cut_off_goes_on_with_the_same_document(stack: Stack, client: AsyncClient):
    for part in ("gateway", "postgres"):
        document = document_of(part)
        taking = asyncio.create_task(take(client, document))
        await until(lambda part=part: has_begun(client, part), "the import has begun", UP_S)
        await stack.kill(part)
        await asyncio.wait([taking])
        cut = await surely(lambda part=part: imported(client, part))
        again = await surely(lambda document=document: take(client, document))

        assert {each["outcome"] for each in again} <= {"same", "added", "changed"}
        assert await imported(client, part) == sorted(document["services"], key=lambda each: each["name"])
        assert await tasks(client, part) == [each["name"] for each in document.get("tasks", ())]
        assert [each["project"] for each in cut] == [""] * len(cut)
    await stack.is_whole()


def document_of(part: str) -> dict[str, Any]:
    """Services alone, or, where it is the gateway that dies, a whole organisation with tasks too."""
    services = [item(f"{part}-{number}") for number in range(ITEMS)]
    if part != "gateway":
        return {"services": services}
    recipe = {"agent": "claude", "inputs": {"prompt": "Hello."}}
    tasks = [{"name": f"{part}-{number:02}", **recipe} for number in range(ITEMS)]
    return {"kind": "windlass.tenant/1", "services": services, "tasks": tasks}


def item(name: str) -> dict[str, Any]:
    """A draft with something said of a flow of it."""
    said = {"display": "One", "description": None, "tags": None, "author": None, "organization": None, "enabled": True}
    flows = [{"name": f"{name}/one", **said}]
    return {
        "name": name,
        "project": "",
        "import_path": "",
        "env": {},
        "enabled": True,
        "secrets": [],
        "flows": flows,
        "python": "",
        "url": "",
        "replicas": 1,
        "display": "",
    }


async def take(client: AsyncClient, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Import it; raises when whoever does it dies."""
    if "kind" not in document:
        return [each.to_json() for each in (await client.exchange.take(document)).items]
    done = await client.exchange.take_tenant(document)
    return [each.to_json() for section in done.sections for each in section.items]


async def has_begun(client: AsyncClient, part: str) -> bool:
    return any(each.name.startswith(f"{part}-") for each in (await client.services.list()).items)


async def imported(client: AsyncClient, part: str) -> list[dict[str, Any]]:
    """What is there of a document, as it would travel on."""
    return [each for each in (await client.exchange.export())["services"] if each["name"].startswith(f"{part}-")]


async def tasks(client: AsyncClient, part: str) -> list[str]:
    """The tasks of a document that are there, as often as they are."""
    found = (await client.exchange.export_tenant())["tasks"]
    return sorted(each["name"] for each in found if each["name"].startswith(f"{part}-"))
