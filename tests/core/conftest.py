"""A tenant of its own for every test of records, and both kinds of object store."""

from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.buckets import Store
from tests.core.records import Records, records_of
from tests.core.shelves import Shelf
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.storage.local import LocalObjects
from windlass.core.storage.s3 import S3Objects


@pytest.fixture(scope="session")
async def jobs(database_url: str) -> AsyncGenerator[Database]:
    """A pool that acts as the role that serves all tenants."""
    pool = await Database.connect(database_url, role=JOBS_ROLE, max_size=3)
    yield pool
    await pool.close()


@pytest.fixture
def records(database: Database, jobs: Database) -> Records:
    """The records of a new tenant."""
    return records_of(database, jobs)


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.bucket)])
def bucket(request: pytest.FixtureRequest) -> Store | None:
    """The server in which objects are kept; None for a folder: both twins pass the same tests."""
    return request.getfixturevalue("store") if request.param == "bucket" else None


@pytest.fixture
async def shelf(bucket: Store | None, tmp_path: Path) -> AsyncGenerator[Shelf]:
    """An empty object store."""
    if bucket is None:
        yield Shelf(LocalObjects(tmp_path / "objects"), tmp_path / "objects")
        return
    prefix = uuid4().hex
    objects = S3Objects(bucket.bucket(prefix=f"{prefix}/"))
    yield Shelf(objects, bucket.root / prefix)
    await objects.close()
