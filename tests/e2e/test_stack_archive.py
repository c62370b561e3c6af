"""Backup, restore and reset: one command each; `tests/faults/test_backup.py` has one under load."""

import asyncio
import json
import tarfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.blueprints import furnish
from tests.parts import short_folder
from tests.stacks import Stack, signs_in, stack_in

SECRET = "a password for this test"  # noqa: S105

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def folder() -> Generator[Path]:
    with short_folder() as made:
        yield made


async def test_a_restore_moves_aside_what_was_there_and_a_reset_leaves_nothing(folder: Path):
    archive = str(folder / "saved.tar.gz")
    await furnish(folder / "home")
    async with stack_in(folder / "home", WINDLASS_ADMIN_PASSWORD=SECRET) as stack:
        await stack.start()
        assert "shown this once" not in stack.page
        assert (await stack.command("reset", "--yes"))[0] == 1
        await stack.command("down")
        await stack.ended()
        assert (await stack.command("backup", archive))[0] == 0

        code, said = await stack.command("restore", archive)

        assert code == 0, said
        assert list((folder / "home").glob("before-restore-*/secret.key"))
        await stack.start()
        assert await signs_in(stack, SECRET)
        await stack.command("down")
        await stack.ended()
        assert await leaves_nothing(stack)


async def leaves_nothing(stack: Stack) -> bool:
    """Whether a reset asks, and then deletes everything there is."""
    asked, sure, again = [await stack.command("reset", *words) for words in ((), ("--yes",), ("--yes",))]
    assert (asked[0], "Nothing was deleted" in asked[1]) == (1, True)
    assert sure[0] == 0, sure[1]
    return "There is no data" in again[1]


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
