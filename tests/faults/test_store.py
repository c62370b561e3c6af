"""Files in a bucket whose server is killed: what needs it waits, and goes on where it was."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.blueprints import furnish
from tests.buckets import Store
from tests.faults.load import whole_log
from tests.faults.stack import Stack, running_stack, until
from tests.parts import short_folder
from tests.programs.large import CHARACTERS
from windlass.client import ApiError, AsyncClient

N = 6
WHOLE = "".join(str(number) * CHARACTERS for number in range(N))

pytestmark = [pytest.mark.bucket, pytest.mark.timeout(180)]


@pytest.fixture
async def afar(store: Store) -> AsyncGenerator[Stack]:
    """A stack whose files are in the bucket."""
    with short_folder() as folder:
        await furnish(folder / "home")
        async with running_stack(folder / "home", **store.variables("faults")) as stack:
            yield stack


async def grades(client: AsyncClient) -> dict[str, str]:
    """How the parts are, by name."""
    answer = await client.http.get("/ready")
    return {part["name"]: part["status"] for part in answer.json()["parts"]}


async def is_graded(client: AsyncClient, wanted: str) -> None:
    """Wait until the storage is graded so; what was looked at a moment ago is not looked at again."""

    async def is_so() -> bool:
        return (await grades(client))["storage"] == wanted

    await until(is_so, f"the storage is graded: {wanted}", 30)


async def done(client: AsyncClient, run_id: str) -> int:
    """How many steps of a run are done."""
    events = await whole_log(client, run_id)
    return sum(event.kind == "step" and event.payload["state"] == "done" for event in events)


async def test_runs_with_large_values_wait_for_a_bucket_that_was_killed(store: Store, afar: Stack, marks: Path):
    async with await afar.client() as client:
        await afar.serve(client, "large")
        run = await client.runs.start("large/texts", {"marks": str(marks / "texts"), "n": N})
        ended = await client.runs.start("large/texts", {"marks": str(marks / "other"), "n": 1})
        await asyncio.wait_for(client.runs.wait(ended.id), 60)

        async def is_at_work() -> bool:
            return await done(client, run.id) >= 2

        async def waits() -> bool:
            return any("The run waits." in event.payload.get("text", "") for event in await whole_log(client, run.id))

        await until(is_at_work, "two steps are done", 30)
        await store.kill()
        await until(waits, "the run says that it waits", 30)
        with pytest.raises(ApiError) as refused:
            await client.runs.result(ended.id)
        await is_graded(client, "fail")
        await afar.kill("worker-runs")  # the next one must fetch finished steps from the bucket
        await store.start()
        finished = await asyncio.wait_for(client.runs.wait(run.id), 60)
        answer = await client.runs.result(run.id)
        await is_graded(client, "pass")

        assert refused.value.status == HTTPStatus.SERVICE_UNAVAILABLE
        assert finished.status == "finished", finished.error
        assert answer.value == {"str": WHOLE}
        assert (marks / "texts").read_text().split() == [str(number) for number in range(N)]
        words = await afar.command("backup", str(marks / "saved.tar.gz"))
    assert "files in s3://windlass/faults are not part of it. Copy them" in words
    kept = json.dumps(WHOLE).encode()
    assert hashlib.sha256(kept).hexdigest() in {path.name for path in store.root.rglob("*")}
    assert not [path for path in (afar.home / "objects").rglob("*") if path.is_file()]
