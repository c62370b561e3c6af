"""A machine for desktops that is only on record: what is wished of it is never made."""

from windlass.core.database import Database

MACHINE = """
insert into desktop_machine (node, boot, engine, places) values ('paper', 'boot', 'Docker 1', 100)
on conflict do nothing
"""
WORKER = """
insert into worker (slot, role, node, pid, started_at, seen_at)
values ('paper/desktops-0', 'desktops', 'paper', 1, now(), now() + interval '1 day') on conflict do nothing
"""


async def on_paper(database: Database) -> None:
    """Have a machine that seems to live."""
    async with database.open() as connection:
        await connection.execute(MACHINE)
        await connection.execute(WORKER)
