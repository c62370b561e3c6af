"""A file goes through a gateway that is killed meanwhile: whole in the end, nothing left half, never in memory."""

import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil

from tests.core.shelves import digest_of
from tests.faults.stack import Stack, until
from windlass.client import AsyncClient, Moved

FILES = "/compat/kodosumi/files"
PIECE = 1 << 20
LARGE = 96  # MiB
GROWTH = 64 * PIECE
CONTENT = random.Random(5).randbytes(40 * PIECE + 17)  # noqa: S311 - a file


async def pieces(count: int) -> AsyncGenerator[bytes]:
    for n in range(count):
        yield bytes([n]) * PIECE


async def test_an_upload_goes_on_after_the_gateway_was_killed(stack: Stack, client: AsyncClient, tmp_path: Path):
    place = tmp_path / "large.bin"
    place.write_bytes(CONTENT)
    far, seen = asyncio.Event(), list[Moved]()

    def told(moved: Moved) -> None:
        seen.append(moved)
        if moved.bytes_done > len(CONTENT) // 3:
            far.set()

    announced = await client.http.post(f"{FILES}/init", json={"filename": "b", "total_chunks": 2})
    old = announced.json()["upload_id"]
    await client.http.post(f"{FILES}/chunk", data={"upload_id": old, "chunk_number": "1"}, files={"chunk": b"late"})
    sending = asyncio.create_task(client.files.upload([place], told=told))
    await far.wait()
    await stack.kill("gateway")
    upload = await sending
    form = {"upload_id": old, "chunk_number": "0"}
    count = (await client.http.post(f"{FILES}/chunk", data=form, files={"chunk": b"not too "})).json()
    whole = {"upload_id": old, "filename": "b", "total_chunks": 2}
    done = (await client.http.post(f"{FILES}/complete/in", json=whole)).json()
    kept = [path for path in (stack.home / "objects").rglob("*") if path.is_file()]

    assert [each.sha256 for each in upload.files] == [digest_of(CONTENT)]
    assert (count["received_chunks"], done["status"]) == (2, "upload complete")
    assert digest_of(b"not too late") in [path.name for path in kept]
    assert seen[-1].bytes_done == len(CONTENT)
    assert [path.read_bytes() == CONTENT for path in kept if path.name == digest_of(CONTENT)] == [True]
    assert not [path for path in kept if "chunks" in path.parts]
    await stack.is_whole()


async def test_a_gateway_does_not_grow_with_a_file(stack: Stack, client: AsyncClient):
    """96 MiB in; it would grow by as much if it held them, or by a part if it held parts."""
    gateway = psutil.Process(stack.child("gateway").pid)
    before, most = gateway.memory_info().rss, 0
    asked = {"files": [{"path": "large", "size_bytes": LARGE * PIECE}]}
    upload = (await client.http.post("/v1/artifacts/uploads", json=asked)).json()
    path = f"/v1/artifacts/uploads/{upload['upload_id']}"

    async def watched() -> bool:
        nonlocal most
        most = max(most, gateway.memory_info().rss)
        return sending.done()

    size = {"content-length": str(LARGE * PIECE)}
    address = f"{path}/{upload['files'][0]['file_id']}"
    sending = asyncio.create_task(client.http.put(address, content=pieces(LARGE), headers=size, timeout=60))
    await until(watched, "the file is sent", 120)

    assert (await sending).json()["sha256"] is not None
    assert most - before < GROWTH
