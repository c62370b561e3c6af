"""Bytes come back as they were kept, whole or not at all, and from nowhere else."""

import asyncio
from pathlib import Path

import pytest

from windlass.core.errors import NotFound, Unavailable
from windlass.core.storage.local import LocalObjects
from windlass.core.storage.urls import folder_of


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path / "objects")


async def test_bytes_come_back_as_they_were_kept(objects: LocalObjects):
    content = bytes(range(256)) * 1000

    await objects.put("tenant/key", content)

    assert await objects.get("tenant/key") == content


async def test_the_second_time_nothing_changes(objects: LocalObjects):
    await objects.put("tenant/key", b"first")

    await objects.put("tenant/key", b"second")

    assert await objects.get("tenant/key") == b"first"


async def test_many_writers_of_one_key_leave_one_whole_object(objects: LocalObjects, tmp_path: Path):
    await asyncio.gather(*(objects.put("tenant/key", b"x" * 100_000) for _ in range(20)))

    assert await objects.get("tenant/key") == b"x" * 100_000
    assert [path.name for path in (tmp_path / "objects" / "tenant").iterdir()] == ["key"]


async def test_what_was_never_kept_is_not_found(objects: LocalObjects):
    with pytest.raises(NotFound):
        await objects.get("tenant/key")


@pytest.mark.parametrize("key", ["../outside", "tenant/../../outside", "/etc/passwd"])
async def test_a_key_cannot_leave_its_root(objects: LocalObjects, tmp_path: Path, key: str):
    (tmp_path / "outside").write_bytes(b"secret")

    with pytest.raises(NotFound):
        await objects.get(key)
    with pytest.raises(NotFound):
        await objects.put(key, b"overwritten")
    assert (tmp_path / "outside").read_bytes() == b"secret"


def test_a_storage_url_names_a_folder():
    assert folder_of("file:///var/lib/with%20space") == Path("/var/lib/with space")


@pytest.mark.parametrize("url", ["s3://bucket", "https://example.com", "/just/a/path"])
def test_a_store_that_is_not_supported_is_named(url: str):
    with pytest.raises(Unavailable, match="not supported"):
        folder_of(url)
