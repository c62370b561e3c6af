"""Words are found in runs: in what was filled in, in what came of it and in what went wrong, however many there are."""

from uuid import UUID

import asyncpg
import pytest

from tests.core.records import Records, somebody
from tests.owner import as_owner
from windlass.contracts.runs import RunStatus
from windlass.core.database import Database
from windlass.core.permissions import Role
from windlass.core.run_search import MOST, NEWEST
from windlass.core.runs import RunFilter

MADE = """
insert into run (id, tenant_id, agent, title, status, root_id, created_by, inputs)
select id, $1, 'a', 'run ' || i, 'finished', id, $2,
  jsonb_build_object('deep', array['common rule', 'piece-' || i || '!'])
from (select uuidv7() as id, i from generate_series(1, $3::int) i) made
"""


async def found(records: Records, text: str, role: Role = Role.OWNER, **wanted: object) -> list[str]:
    caller = records.caller if role is Role.OWNER else records.colleague(role)
    runs = await records.runs.newest(caller, RunFilter(text=text, **wanted), limit=3)  # pyright: ignore[reportArgumentType]
    return [run.title for run in runs]


async def test_a_run_is_found_by_the_words_of_its_whole_life(database: Database, records: Records):
    done = await records.start("look into Ärzte-2026", title="Done", tags=("warm",))
    await records.finish(done)
    failed = await records.start("look away", title="Broken")
    error = {"type": "ToolError", "message": "the ERP said /orders/4711 is gone"}
    await records.end(failed, RunStatus.FAILED, error=error)

    for text in ("ÄRZ 2026", "warm", "look done", f"{done.id}", f"{done.id}"[-8:], "rzt"):
        assert await found(records, text) == ["Done"], text
    for text in ("toolerr", "order 471", "erp gone", "4711:*", "away | broken"):
        assert await found(records, text) == ["Broken"], text
    await records.start("far " * 300 + "beyond", title="Long")
    assert await found(records, "beyond") == ["Long"]
    for text in ("look gone done", "4711 warm", "'", "%", "eyond"):  # parts are looked for in 1,000 characters
        assert await found(records, text) == [], text


async def test_nobody_finds_what_is_not_theirs(database: Database, records: Records):
    await records.start("secret word")
    stranger = somebody()

    assert await records.runs.newest(stranger, RunFilter(text="secret")) == []
    assert await found(records, "secret", Role.OPERATOR) == []
    assert await found(records, f"/{records.tenant_id}") == []
    async with database.tenant(stranger.tenant_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("select search_runs($1, 'secret', 9)", records.tenant_id)


async def test_what_is_forgotten_is_not_found(database: Database, records: Records):
    run = await records.finish(await records.start("secret word"))
    await records.runs.archive(records.caller, run.id)
    query = "select search_runs($1, 'secret', 9)"
    async with database.tenant(records.tenant_id) as connection:
        before: list[UUID] = await connection.fetchval(query, records.tenant_id)
        await connection.execute("select forget_run($1, $2)", records.tenant_id, run.id)

        assert before == [run.id]
        assert await connection.fetchval(query, records.tenant_id) == []


async def test_common_words_are_looked_for_in_the_order_of_time(database_url: str, records: Records):
    tenant, count = records.tenant_id, max(MOST, NEWEST) + 10
    async with as_owner(database_url) as owner:
        await owner.execute(MADE, tenant, records.caller.person_id, count)

    assert await found(records, "common") == [f"run {count}", f"run {count - 1}", f"run {count - 2}"]
    assert await found(records, "common", status=(RunStatus.FAILED,)) == []
    assert await found(records, "piece-1234") == ["run 1234"]
    assert (await found(records, "iece-5!"), await found(records, f"iece-{count}")) == ([], [f"run {count}"])
    await records.start("uncommon", title="Part")
    assert (await found(records, "common"))[0] == "Part"  # many have the word, and this one a part of it


async def test_the_index_of_words_can_be_used_where_no_policy_hides_rows(database_url: str):
    async with as_owner(database_url) as owner, owner.transaction():
        await owner.execute("set local enable_seqscan = off")
        plans: list[str] = []
        for role in ("windlass_jobs", "windlass_app"):
            await owner.execute(f"set local role {role}")
            rows = await owner.fetch("explain select run_id from run_words where words @@ asked_words('piece 7')")
            plans.append("\n".join(row["QUERY PLAN"] for row in rows))

    assert ["run_words_found" in plan for plan in plans] == [True, False]
