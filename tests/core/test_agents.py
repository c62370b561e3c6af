"""The catalogue: what can be run, by name, and what its form asks for."""

import pytest

from tests.core.records import Records, records_of
from windlass.core.agents import claude
from windlass.core.database import Database
from windlass.core.errors import Invalid, NotFound


async def names(records: Records, text: str | None = None, tag: str | None = None) -> list[str]:
    return [agent.name for agent in await records.agents.catalogue(records.caller, text, tag)]


async def test_claude_is_there_before_any_service(records: Records):
    (agent,) = await records.agents.catalogue(records.caller)

    assert agent == claude()
    assert (await records.agents.get(records.caller, "claude")).schema["required"] == ["prompt"]


async def test_the_flows_of_a_service_are_agents(records: Records):
    await records.serve("texts", "count", "read")

    agent = await records.agents.get(records.caller, "texts/count")

    assert (agent.kind, agent.summary, agent.description) == ("flow", "Count", "Does count.")
    assert (agent.service, agent.service_state, agent.tags) == ("texts", "running", ("test", "count"))
    assert agent.meta["author"] == "Ada"
    assert agent.path == "texts/count"
    assert await names(records) == ["claude", "texts/count", "texts/read"]


async def test_an_agent_is_found_by_its_words_and_its_tag(records: Records):
    await records.serve("texts", "count", "read")

    assert await names(records, text="DOES READ") == ["texts/read"]
    assert await names(records, tag="count") == ["texts/count"]
    assert await names(records, text="read", tag="count") == []


async def test_an_agent_whose_service_is_not_well_says_so(records: Records):
    await records.serve("texts", "count", state="unhealthy")

    assert (await records.agents.get(records.caller, "texts/count")).service_state == "unhealthy"


async def test_agents_of_another_tenant_are_unknown(database: Database, jobs: Database, records: Records):
    await records.serve("texts", "count")
    other = records_of(database, jobs)

    assert await names(other) == ["claude"]
    with pytest.raises(NotFound):
        await other.agents.get(other.caller, "texts/count")


async def test_inputs_are_converted_by_the_form_and_refused_by_field(records: Records):
    await records.serve("texts", "count")
    agent = await records.agents.get(records.caller, "texts/count")

    assert agent.validated({"text": "hi", "unknown": 1}) == {"text": "hi"}
    with pytest.raises(Invalid, match="no run was started") as refused:
        agent.validated({"text": ""})
    assert [error.field for error in refused.value.errors] == ["inputs.text"]
