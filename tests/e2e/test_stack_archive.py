"""A restore that is refused; `test_stack_up.py` has one that is not, `tests/faults/test_backup.py` one under load."""

import asyncio
import json
import tarfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.parts import short_folder
from tests.stacks import stack_in


@pytest.fixture
def folder() -> Generator[Path]:
    with short_folder() as made:
        yield made


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
