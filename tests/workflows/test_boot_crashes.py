"""A boot whose worker is killed; nobody else keeps the services of this database meanwhile."""

from pathlib import Path

from stack.temporal import Server
from tests.parts import short_folder
from tests.workflows.apart import Apart
from tests.workflows.engines import running_engine, settings_of, until
from tests.workflows.test_boot import SLOW, add, ended
from windlass.contracts.ids import new_id


async def test_a_boot_goes_on_when_its_worker_is_killed(database_url: str, temporal: Server, tmp_path: Path):
    with short_folder() as folder:
        settings = settings_of(folder, database_url, temporal)
        worker = Apart(settings, "runs")
        async with running_engine(settings, works=False) as engine:
            place = await add(engine, tmp_path, "slow", SLOW)
            async with worker.running():
                boot = await engine.gateway.boots.start(engine.caller, new_id())

                async def has_begun() -> bool:
                    said = await engine.gateway.boots.messages(engine.caller, boot.id)
                    return any(each.payload["message"] == "start begins" for each in said)

                await until(has_begun)
                await worker.kill()
                (place / "go").touch()
            async with worker.running():
                assert (await ended(engine, boot.id)).up == 1

            said = await engine.gateway.boots.messages(engine.caller, boot.id)
            texts = [(each.payload.get("target"), each.payload["message"]) for each in said]
            assert len(texts) == len(set(texts))  # nothing is told twice
            await worker.kill()
