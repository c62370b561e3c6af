"""A program opens what it needs before anybody reaches it, and closes it when it is told to end."""

import asyncio
from pathlib import Path

from tests.sdk.hosts import Drive, errors_of, prints, running_host, start
from tests.sdk.log import Log
from tests.sdk.places import short_folder


async def test_what_a_lifespan_opens_is_there_for_every_handler_and_closed_at_the_end():
    with short_folder() as folder:
        async with running_host(folder, "living:app", environment={"NOTES": str(folder / "notes")}) as host:
            shared = await host.run("/pool")
            alone = await Drive(Log(), {"run_id": "a", "flow": "/pool", "inputs": {}}).on(host, isolate=True)
            host.process.terminate()
            code = await host.process.wait()

        notes = read(folder)
        (first, _), (own, _), *_ = notes
        assert code == 0
        assert (shared.value, alone.value) == ({"str": f"pool of {host.pid}"}, {"str": f"pool of {own}"})
        assert first == str(host.pid)
        assert [word for pid, word in notes if pid == first] == ["opened", "closed"]
        assert [word for pid, word in notes if pid == own] == ["opened", "closed"]


async def test_a_run_that_is_at_work_when_the_pool_closes_goes_on_from_its_steps_in_the_next_host():
    drive = Drive(Log(), {"run_id": "q", "flow": "/query", "inputs": {}})
    with short_folder() as folder:
        notes = {"NOTES": str(folder / "notes")}
        async with running_host(folder, "living:app", environment=notes) as host:
            driving = asyncio.create_task(drive.on(host))
            while not any(map(prints("asking"), drive.heard)):
                await asyncio.sleep(0.02)
            await host.ask({"op": "stop", "grace_s": 0})
            await driving
            assert drive.last["op"] == "closed"
        async with running_host(folder, "living:app", environment=notes) as second:
            assert (await drive.on(second)).value == {"int": host.pid}
        assert [word for pid, word in read(folder) if pid == str(host.pid)] == ["opened", "closed"]


async def test_a_program_that_does_not_start_says_why_and_is_never_reached():
    with short_folder() as folder:
        process = await start(
            folder / "host.sock", "living:app", environment={"NOTES": str(folder / "notes"), "BROKEN": "1"}
        )

        assert await process.wait() == 8
        assert errors_of(folder / "host.sock").rstrip().endswith("SystemExit: DATABASE_URL is missing")
        assert not (folder / "host.sock").exists()


async def test_a_host_that_is_told_to_end_while_it_starts_takes_nobodys_place():
    with short_folder() as folder:
        (folder / "host.sock").write_text("of the host that serves")
        process = await start(
            folder / "host.sock", "living:app", environment={"NOTES": str(folder / "notes"), "UNWANTED": "1"}
        )

        assert await process.wait() == 0
        assert (folder / "host.sock").read_text() == "of the host that serves"
        assert [word for _, word in read(folder)] == ["opened", "closed"]


def read(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "notes").read_text().splitlines()]
