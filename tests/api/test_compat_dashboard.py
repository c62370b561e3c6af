"""Kodosumi's dashboard, the changes of its timeline and its audit log, as its panel asks for them."""

import time
from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.api.people import Gateway, Organisation, Person
from windlass.contracts.ids import TenantId
from windlass.contracts.runs import EndInput, RunStatus
from windlass.core.executions import Executions
from windlass.core.wakeup import PollOnly

PANEL = "/compat/kodosumi"


async def started(person: Person, title: str) -> str:
    wish = {"agent": "claude", "inputs": {"prompt": "hi"}, "title": title}
    return (await person.http.post("/v1/runs", json=wish)).json()["id"]


async def fail(gateway: Gateway, whose: Organisation, run_id: str) -> None:
    """Have the run end as its workflow would."""
    error = {"type": "ValueError", "message": "no milk"}
    end = EndInput(str(TenantId(whose.id)), str(UUID(run_id)), RunStatus.FAILED, error=error)
    await Executions(gateway.state["database"], PollOnly()).end(end)


async def test_the_dashboard_speaks_as_its_clients_know_it(gateway: Gateway):
    acme = await gateway.organisation("Panel")
    tea, milk = await started(acme.owner, "Tea"), await started(acme.owner, "Milk")
    await fail(gateway, acme, milk)
    get = acme.owner.http.get

    found = (await get(f"{PANEL}/api/dashboard/running-agents?agent_name=mil&status=error")).json()
    errors = (await get(f"{PANEL}/api/dashboard/errors?hours=1")).json()
    timeline = (await get(f"{PANEL}/api/dashboard/timeline")).json()
    stats = (await get(f"{PANEL}/api/dashboard/agent-stats")).json()
    details = (await get(f"{PANEL}/api/dashboard/execution/{milk}/details")).json()
    files = (await get(f"{PANEL}/api/dashboard/execution/{milk}/files")).json()

    assert [(each["fid"], each["user_id"], each["error"]) for each in found["agents"]] == [
        (milk, str(acme.owner.id), "no milk")
    ]
    assert found["filters"]["agent_name"] == "mil"
    assert [(each["fid"], each["error"]["type"]) for each in errors["errors"]] == [(milk, "ValueError")]
    assert [each["fid"] for each in timeline["executions"]] == [tea, milk]
    assert (stats["by_status"], stats["error_rate"]) == ({"starting": 1, "error": 1}, 0.5)
    assert stats["by_user"] == {str(acme.owner.id): 2}
    assert [(each["kind"], each["message"]) for each in details["events"]][-1] == ("status", "error")
    assert (files["uploads"], files["download_count"]) == ([], 0)


async def test_the_timeline_tells_what_has_changed_since(gateway: Gateway):
    acme = await gateway.organisation("Changes")
    tea, milk, old = [await started(acme.owner, title) for title in ("Tea", "Milk", "Old")]
    await fail(gateway, acme, old)
    get = acme.owner.http.get
    first = (await get(f"{PANEL}/timeline/changes")).json()
    await fail(gateway, acme, milk)
    await acme.owner.http.delete(f"/v1/runs/{old}")

    later = (await get(f"{PANEL}/timeline/changes?since={first['timestamp']}")).json()
    narrowed = (await get(f"{PANEL}/timeline/changes?since={first['timestamp']}&q=TEA")).json()
    stranger = (await acme.operator.http.get(f"{PANEL}/timeline/changes?since=0")).json()

    assert (first["update"], first["delete"]) == ([], [])
    assert [(each["fid"], each["status"]) for each in later["update"]] == [(milk, "error"), (tea, "starting")]
    assert later["delete"] == [old]
    assert later["timestamp"] == pytest.approx(time.time(), abs=600)
    assert [each["fid"] for each in narrowed["update"]] == [tea]
    assert (stranger["update"], stranger["delete"]) == ([], [])


async def test_the_audit_log_is_followed_in_lines_and_none_is_passed_over(gateway: Gateway, umbrella: Organisation):
    acme = await gateway.organisation("Watched")
    row = "insert into audit (tenant_id, at, actor_name, action, subject) values ($1, $2, 'Ada', 'run.start', $3)"
    long_ago = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    written = [
        ("run:1\nx", long_ago),
        ("run:2", long_ago),
        ("run:3", long_ago),
        ("run:4", datetime(2100, 1, 1, tzinfo=UTC)),
    ]
    async with gateway.state["database"].tenant(TenantId(acme.id)) as connection:
        first, *_, last, _young = [
            await connection.fetchval(f"{row} returning id", acme.id, at, subject) for subject, at in written
        ]
    get, line = acme.admin.http.get, "2026-01-02 03:04:05,678 INFO - Ada run.start run:"

    two = (await get(f"{PANEL}/audit/stream?limit=2&offset={first - 1}")).json()
    then = (await get(f"{PANEL}/audit/stream?offset={two['next_offset']}")).json()
    again = (await get(f"{PANEL}/audit/stream?offset={last}")).json()
    anew = (await get(f"{PANEL}/audit/stream?offset={last + 10**9}&limit=1")).json()
    info = (await get(f"{PANEL}/audit/info")).json()

    assert (two["lines"], then["lines"]) == ([f"{line}1 x", f"{line}2"], [f"{line}3"])
    assert (then["next_offset"], again["lines"], again["next_offset"]) == (last, [], last)
    assert (len(anew["lines"]), anew["file_size"], anew["next_offset"] <= first) == (1, last, True)
    assert (info["exists"], info["size"], info["modified"]) == (True, last, long_ago.timestamp())
    theirs = (await umbrella.admin.http.get(f"{PANEL}/audit/stream?offset={first - 1}")).json()
    assert [each for each in theirs["lines"] if "run:3" in each] == []
    assert (await acme.builder.http.get(f"{PANEL}/audit/stream")).status_code == 403


@pytest.mark.parametrize("query", ["running-agents?hours=0", "running-agents?user=x", "errors?limit=1000"])
async def test_what_nobody_can_mean_is_a_problem(acme: Organisation, query: str):
    assert (await acme.owner.http.get(f"{PANEL}/api/dashboard/{query}")).status_code == 422
