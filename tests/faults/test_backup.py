"""A backup taken while everything works, brought back on another place: what was open goes on from its steps."""

import asyncio
import json
from http import HTTPStatus
from pathlib import Path

import pytest

from stack.postgres import OWNER
from tests.buckets import Store
from tests.faults.load import Load, assert_done_once, finish, follow, in_flight, whole_log
from tests.faults.stack import Stack, running_stack
from tests.parts import short_folder
from tests.stacks import database_url
from windlass.client import ApiError, AsyncClient
from windlass.core.database import dial

ONE = Load(runs=1, steps=2, step_s=0.0)
LONG = "x" * 50_000  # more than a row keeps


@pytest.mark.bucket
@pytest.mark.timeout(240)
async def test_a_backup_taken_under_load_is_restored_and_open_runs_go_on(
    stack: Stack, client: AsyncClient, load: Load, marks: Path, tmp_path: Path, store: Store
):
    """Into a bucket: its files move there from their folder."""
    archive = str(tmp_path / "windlass.tar.gz")
    ended = await follow(client, ONE, marks / "ended")
    await finish([ended], ONE.patience_s)
    before, large = await whole_log(client, ended.run_id), await says(client, LONG)

    async with in_flight(client, load, marks) as followed:
        await stack.command("backup", archive)
        await finish(followed, load.patience_s)
    with pytest.raises(AssertionError, match="already running"):
        await stack.command("restore", archive)

    with short_folder() as folder:
        await Stack(folder / "home", variables=store.variables("restored")).command("restore", archive)
        async with running_stack(folder / "home", **store.variables("restored")) as restored:
            async with await restored.client() as there:
                for each in followed:
                    run = await asyncio.wait_for(there.runs.wait(each.run_id), load.patience_s)
                    assert run.status == "finished"
                    assert_done_once(await whole_log(there, each.run_id), load)
                assert await whole_log(there, ended.run_id) == before
                assert LONG in json.dumps((await there.runs.result(large)).value)
                with pytest.raises(ApiError) as refused:
                    await there.runs.cancel(ended.run_id)
            assert not await accepts_more(restored, ended.run_id)
    assert refused.value.status == HTTPStatus.CONFLICT


async def says(client: AsyncClient, text: str) -> str:
    """A run whose result is a text."""
    run = await client.runs.start("claude", {"prompt": f"<standin>{json.dumps({'text': text})}</standin>"})
    assert (await asyncio.wait_for(client.runs.wait(run.id), 60)).status == "finished"
    return run.id


async def accepts_more(stack: Stack, run_id: str) -> bool:
    """Whether the stream of a run takes another event."""
    owner = await dial(database_url(stack.home), name="test", role=OWNER)
    query = """select append_events(tenant_id, id, 99, '{late}', '{1}', '{"log"}', array['{}'::jsonb])
               from stream where id = $1"""
    try:
        return bool(await owner.fetch(query, run_id))
    finally:
        await owner.close()
