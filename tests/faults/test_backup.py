"""A backup taken while everything works, brought back on another place: what was open goes on from its steps."""

import asyncio
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.faults.load import Load, assert_done_once, finish, follow, in_flight, whole_log
from tests.faults.stack import Stack
from tests.parts import short_folder
from windlass.client import ApiError, AsyncClient

ONE = Load(runs=1, steps=2, step_s=0.0)


@pytest.mark.timeout(240)
async def test_a_backup_taken_under_load_is_restored_and_open_runs_go_on(
    stack: Stack, client: AsyncClient, load: Load, marks: Path, tmp_path: Path
):
    archive = str(tmp_path / "windlass.tar.gz")
    ended = await follow(client, ONE, marks / "ended")
    await finish([ended], ONE.patience_s)

    async with in_flight(client, load, marks) as followed:
        await stack.command("backup", archive)
        await finish(followed, load.patience_s)

    with short_folder() as folder:
        restored = Stack(folder / "home")
        await restored.command("restore", archive)
        try:
            await restored.start()
            async with await restored.client() as there:
                for each in followed:
                    run = await asyncio.wait_for(there.runs.wait(each.run_id), load.patience_s)
                    assert run.status == "finished"
                    assert_done_once(await whole_log(there, each.run_id), load)
                with pytest.raises(ApiError) as refused:
                    await there.runs.cancel(ended.run_id)
        finally:
            await restored.stop()
    assert refused.value.status == HTTPStatus.CONFLICT
