"""`make doctor` and the one-shot that makes the bucket: they say how a store is before anybody depends on it."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.buckets import SECRET, Store
from tests.parts import short_folder
from tests.stacks import stack_in

pytestmark = pytest.mark.bucket


@pytest.fixture
def home() -> Generator[Path]:
    with short_folder() as folder:
        yield folder / "home"


def line(said: str, name: str) -> str:
    """What the doctor says of one thing."""
    return next(line for line in said.splitlines() if f" {name} " in line)


async def test_the_doctor_writes_to_the_bucket(home: Path, store: Store):
    async with stack_in(home, **store.variables("doctor")) as stack:
        _, said = await stack.command("doctor")

    assert line(said, "files") == f"✓ files       s3://windlass/doctor at {store.endpoint}, can be written to"
    assert SECRET not in said


async def test_the_doctor_says_what_is_wrong_with_a_bucket(home: Path, store: Store):
    variables = {**store.variables(""), "WINDLASS_STORAGE_URL": "s3://not-made-yet"}
    async with stack_in(home, **variables) as stack:
        code, said = await stack.command("doctor")

    assert code == 1
    assert line(said, "files").startswith("✗")
    assert "does not exist" in line(said, "files")


async def test_a_missing_bucket_is_made_once(home: Path, store: Store):
    variables = {**store.variables(""), "WINDLASS_STORAGE_URL": "s3://made-by-a-test"}
    async with stack_in(home, **variables) as stack:
        said = [await stack.run("stack.bucket") for _ in range(2)]

    where = f"s3://made-by-a-test at {store.endpoint}"
    assert said == [(0, f"{where}: created.\n"), (0, f"{where}: is there.\n")]


async def test_a_folder_needs_no_bucket(home: Path):
    async with stack_in(home) as stack:
        code, said = await stack.run("stack.bucket")

    assert (code, "no bucket to create" in said) == (0, True)
