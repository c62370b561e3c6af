"""Backup and restore: one command each, and the work goes on from what was saved."""

import asyncio
import json
import shutil
import tarfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.postgres import OWNER
from tests.buckets import Store
from tests.parts import short_folder
from tests.stacks import Stack, database_url, signed_in, stack_in
from windlass.core.database import dial

SECRET = "a password for this test"  # noqa: S105

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def folder() -> Generator[Path]:
    with short_folder() as made:
        yield made


async def start(client: httpx.AsyncClient, **script: Any) -> str:
    prompt = f"Say it. <standin>{json.dumps(script)}</standin>"
    answer = await client.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": prompt}})
    answer.raise_for_status()
    return answer.json()["id"]


async def events(client: httpx.AsyncClient, run_id: str) -> list[dict[str, Any]]:
    return (await client.get(f"/v1/runs/{run_id}/events")).json()["items"]


async def reaches(client: httpx.AsyncClient, run_id: str, wanted: str) -> None:
    deadline = time.monotonic() + 60
    while (run := (await client.get(f"/v1/runs/{run_id}")).json())["status"] != wanted:
        assert time.monotonic() < deadline, run
        assert run["status"] != "failed", run
        await asyncio.sleep(0.05)


async def accepts_more(stack: Stack, run_id: str) -> bool:
    """Whether the stream of a run takes another event."""
    owner = await dial(database_url(stack), name="test", role=OWNER)
    query = """select append_events(tenant_id, id, 99, '{late}', '{1}', '{"log"}', array['{}'::jsonb])
               from stream where id = $1"""
    try:
        return bool(await owner.fetch(query, run_id))
    finally:
        await owner.close()


@pytest.mark.bucket
async def test_a_backup_of_a_running_stack_comes_back_in_another_home_and_open_runs_go_on(folder: Path, store: Store):
    """Its files too: they move from a folder into a bucket."""
    archive, long = str(folder / "saved.tar.gz"), "x" * 50_000
    async with stack_in(folder / "first", WINDLASS_ADMIN_PASSWORD=SECRET) as first:
        await first.start()
        async with signed_in(first, SECRET) as client:
            finished = await start(client, text="done")
            await reaches(client, finished, "finished")
            before = await events(client, finished)
            large = await start(client, text=long)
            await reaches(client, large, "finished")
            is_open = await start(client, text="late", delay=6)
            await reaches(client, is_open, "running")
            saved = await first.command("backup", archive)
            refused = await first.command("restore", archive)

    assert saved[0] == 0, saved
    assert (refused[0], "already running" in refused[1]) == (1, True)
    afar = {"WINDLASS_ADMIN_PASSWORD": "ignored: there are people", **store.variables("restored")}
    async with stack_in(folder / "second", **afar) as second:
        code, said = await second.command("restore", archive)
        assert code == 0, said
        await second.start()
        async with signed_in(second, SECRET) as client:
            assert await events(client, finished) == before
            assert long in json.dumps((await client.get(f"/v1/runs/{large}/result")).json()["value"])
            assert not await accepts_more(second, finished)
            await reaches(client, is_open, "finished")


async def test_a_restore_moves_aside_what_was_there(folder: Path):
    archive = str(folder / "saved.tar.gz")
    async with stack_in(folder / "home", WINDLASS_ADMIN_PASSWORD=SECRET) as stack:
        await stack.start()
        await stack.command("down")
        await stack.ended()
        assert (await stack.command("backup", archive))[0] == 0

        code, said = await stack.command("restore", archive)

        assert code == 0, said
        assert list((folder / "home").glob("before-restore-*/secret.key"))
        await stack.start()
        async with signed_in(stack, SECRET) as client:
            assert (await client.get("/v1/me")).status_code == 200


async def test_a_backup_without_its_files_asks_for_their_bucket(folder: Path):
    archive, manifest = folder / "saved.tar.gz", folder / "manifest.json"
    manifest.write_text(json.dumps({"created_at": "now", "counts": {}, "bucket": "s3://theirs/files", "files": {}}))
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(manifest, manifest.name)

    async with stack_in(folder / "home") as stack:
        code, said = await stack.command("restore", str(archive))

    assert code == 1
    assert "are in s3://theirs/files" in said
    assert "Nothing was changed. Set WINDLASS_STORAGE_URL" in said


@pytest.mark.parametrize("damage", [b"no archive at all", b""])
async def test_a_damaged_archive_changes_nothing(folder: Path, damage: bytes):
    archive = folder / "saved.tar.gz"
    await asyncio.to_thread(archive.write_bytes, damage)
    async with stack_in(folder / "home") as stack:
        code, said = await stack.command("restore", str(archive))

    assert code == 1
    assert "Nothing was changed" in said
    assert not (folder / "home" / "postgres" / "data").exists()


async def test_reset_asks_and_then_starts_from_nothing(folder: Path):
    async with stack_in(folder / "home") as stack:
        await stack.start()
        assert (await stack.command("reset", "--yes"))[0] == 1
        await stack.command("down")
        await stack.ended()

        code, said = await stack.command("reset")
        assert (code, "Nothing was deleted" in said) == (1, True)
        assert (await stack.command("reset", "--yes"))[0] == 0

        await stack.start()
        assert "shown this once" in stack.page
    shutil.rmtree(folder, ignore_errors=True)
