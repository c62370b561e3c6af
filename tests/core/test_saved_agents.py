"""Saved agents: what is saved, what a run of one is made of, and what stays when it changes."""

from typing import Any

import pytest

from tests.core.records import Records, records_of
from windlass.contracts.agents import Profile, Rule, ServerUse
from windlass.contracts.ids import new_id
from windlass.contracts.runs import RunStatus
from windlass.core.database import Database
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.permissions import Role
from windlass.core.runs import Run, StartRun
from windlass.core.tasks import Recipe

STERN = Profile(system="Be stern.", model="claude-opus-5-5", max_tokens=900, description="Reads code.", budget_usd=2.5)
WHOLE = Profile(
    tools=("read", "shell"), policy=(Rule("shell", "ask", "*rm*"),), mcp_servers=(ServerUse("files", ("list",)),)
)
FILES = """
insert into mcp_server (id, tenant_id, name, url) values ($1, $2, 'files', 'https://tools.example.com/mcp')
"""


async def start(records: Records, name: str = "reviewer") -> Run:
    return await records.runs.start(records.caller, StartRun(name, {"prompt": "hi"}))


async def made_of(records: Records, run: Run) -> dict[str, Any]:
    return (await records.attach(run)).record["pinned"]


async def test_an_agent_is_saved_and_joins_the_catalogue(records: Records):
    saved = await records.saved.create(records.caller, "reviewer", STERN)

    listed = await records.agents.catalogue(records.caller, "reads code")
    assert (saved.version, saved.profile) == (1, STERN)
    assert [(each.name, each.kind, each.meta) for each in listed] == [("reviewer", "claude", {"version": "1"})]
    assert listed[0].schema["required"] == ["prompt"]


async def test_everything_that_is_saved_comes_back(database: Database, records: Records):
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute(FILES, new_id(), records.tenant_id)

    assert (await records.saved.create(records.caller, "whole", WHOLE)).profile == WHOLE


async def test_a_run_keeps_the_version_it_was_made_of(records: Records):
    await records.saved.create(records.caller, "reviewer", STERN)
    before = await start(records)
    await records.saved.change(records.caller, "reviewer", {"system": "Be kind."})
    after = await start(records)

    assert (before.agent_version, after.agent_version) == (1, 2)
    facts = await made_of(records, before)
    assert (facts["system"], facts["model"], facts["max_tokens"], facts["budget_usd"]) == (
        "Be stern.", "claude-opus-5-5", 900, 2.5,
    )  # fmt: skip
    assert (await made_of(records, after))["system"] == "Be kind."
    assert (await records.saved.get(records.caller, "reviewer", 1)).profile == STERN


async def test_deleting_an_agent_breaks_no_run_of_it(records: Records):
    await records.saved.create(records.caller, "reviewer", STERN)
    queued, ended = await start(records), await start(records)
    await records.end(ended, RunStatus.FAILED)
    await records.saved.delete(records.caller, "reviewer")

    again = await records.runs.retry(records.caller, ended.id)

    assert (await made_of(records, queued))["system"] == "Be stern."
    assert ((await made_of(records, again))["system"], again.agent_version) == ("Be stern.", 1)
    peeked = await records.executions.peek(records.tenant_id, queued.id, 1)
    assert peeked is not None
    assert peeked.record["pinned"] == {"driver": "claude"}
    with pytest.raises(NotFound):
        await start(records)


async def test_a_name_is_free_again_after_its_agent_is_deleted(records: Records):
    await records.saved.create(records.caller, "reviewer", STERN)
    run = await start(records)
    await records.saved.delete(records.caller, "reviewer")

    await records.saved.create(records.caller, "reviewer", Profile(system="Another."))

    assert (await made_of(records, run))["system"] == "Be stern."
    assert (await made_of(records, await start(records)))["system"] == "Another."


async def test_a_task_starts_the_newest_version(records: Records):
    await records.saved.create(records.caller, "reviewer", STERN)
    task = await records.tasks.create(records.caller, "review", Recipe("reviewer", {"prompt": "hi"}))
    await records.saved.change(records.caller, "reviewer", {"system": "Be kind."})

    assert (await records.tasks.run(records.caller, task.id)).agent_version == 2


@pytest.mark.parametrize("name", ["claude", "desktop", "new", "hello/greet", "Reviewer", "-x", "", "a" * 64])
async def test_a_name_that_means_something_else_is_refused(records: Records, name: str):
    with pytest.raises(Invalid) as refused:
        await records.saved.create(records.caller, name, STERN)

    assert [error.field for error in refused.value.errors] == ["name"]


@pytest.mark.parametrize(
    ("profile", "field"),
    [
        (Profile(tools=("read", "fly")), "tools.1"),
        (Profile(tools=("read", "read")), "tools"),
        (Profile(model="somebody-else", budget_usd=1), "budget"),
        (Profile(mcp_servers=(ServerUse("nobody"),)), "mcp_servers.0.server"),
    ],
)
async def test_what_could_never_work_is_refused_by_field(records: Records, profile: Profile, field: str):
    with pytest.raises(Invalid) as refused:
        await records.saved.create(records.caller, "reviewer", profile)

    assert [error.field for error in refused.value.errors] == [field]
    with pytest.raises(NotFound):
        await records.saved.get(records.caller, "reviewer")


async def test_the_same_wish_again_is_one_agent_and_a_name_is_taken_once(records: Records):
    id = new_id()
    first = await records.saved.create(records.caller, "reviewer", STERN, id)

    assert await records.saved.create(records.caller, "reviewer", STERN, id) == first
    with pytest.raises(Conflict, match="already an agent reviewer"):
        await records.saved.create(records.caller, "reviewer", STERN)


async def test_a_change_of_something_older_is_refused_and_an_equal_one_makes_no_version(records: Records):
    await records.saved.create(records.caller, "reviewer", STERN)
    colleague = records.colleague(Role.BUILDER)

    assert (await records.saved.change(colleague, "reviewer", {"system": "Be stern."})).version == 1
    assert (await records.saved.change(colleague, "reviewer", {"system": "x"}, version=1)).version == 2
    with pytest.raises(Conflict, match="made version 2; yours was made from 1"):
        await records.saved.change(records.caller, "reviewer", {"system": "y"}, version=1)
    assert [each.version for each in await records.saved.versions(records.caller, "reviewer")] == [2, 1]


async def test_another_tenant_has_agents_of_its_own(database: Database, jobs: Database, records: Records):
    await records.saved.create(records.caller, "reviewer", STERN)
    other = records_of(database, jobs)

    with pytest.raises(NotFound):
        await other.saved.get(other.caller, "reviewer")
    with pytest.raises(NotFound):
        await start(other)
    await other.saved.create(other.caller, "reviewer", Profile(system="Ours."))
    assert (await records.saved.get(records.caller, "reviewer")).profile == STERN
