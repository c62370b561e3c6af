"""Figures about runs over HTTP, and as the home page draws them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from api.pages.day import HIGH, HOURS, draw_day
from api.pages.formats import MISSING, Viewer
from tests.api.people import Gateway, Organisation
from windlass.core.statistics import AgentTally, HourTally, RunStatistics, Tally

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def day(*hours: tuple[int, Tally], agents: tuple[AgentTally, ...] = ()) -> RunStatistics:
    since = NOON - (HOURS - 1) * timedelta(hours=1)
    found = [HourTally(since + place * timedelta(hours=1), tally) for place, tally in hours]
    total = Tally(sum(tally.finished for _, tally in hours), sum(tally.failed for _, tally in hours))
    return RunStatistics(since, NOON + timedelta(hours=1), total, found, agents)


async def test_an_operator_reads_the_figures_of_their_own_runs(gateway: Gateway):
    acme = await gateway.organisation("Figures")
    wish = {"agent": "claude", "inputs": {"prompt": "hi"}}
    assert (await acme.builder.http.post("/v1/runs", json=wish)).status_code == 202

    for person, live in ((acme.viewer, 1), (acme.operator, 0)):
        answer = await person.http.get("/v1/runs/statistics")
        assert answer.status_code == 200
        assert answer.json()["total"]["live"] == live
    assert [agent["agent"] for agent in (await acme.owner.http.get("/v1/runs/statistics")).json()["agents"]] == [
        "claude"
    ]


@pytest.mark.parametrize(
    "query", ["since=2026-01-01T00:00:00Z", "since=2999-01-01T00:00:00Z", "since=2026-01-01T00:00:00", "by=x"]
)
async def test_a_time_that_cannot_be_counted_is_a_problem(acme: Organisation, query: str):
    answer = await acme.owner.http.get(f"/v1/runs/statistics?{query}&until=2026-06-01T00:00:00Z")

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_the_day_before_the_first_one_is_a_problem(acme: Organisation):
    answer = await acme.owner.http.get("/v1/runs/statistics?until=0001-01-01T00:00:00Z")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "query.until")


async def test_the_home_page_shows_the_day(gateway: Gateway):
    owner = await gateway.sign_up("Day")
    first = await owner.http.get("/", headers={"accept": "text/html"})
    await owner.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "hi"}})

    later = await owner.http.get("/", headers={"accept": "text/html"})

    assert "Last 24 hours" not in first.text
    assert "Last 24 hours" in later.text
    assert 'aria-label="0 runs finished and 0 failed in the last 24 hours"' in later.text


def test_an_hour_is_a_column_with_its_failures_on_top():
    drawn = draw_day(day((0, Tally(finished=6, cancelled=1, failed=2)), (23, Tally(finished=3))), Viewer(NOON))

    assert [(bar.look, bar.x) for bar in drawn.bars] == [("done", 0), ("stopped", 0), ("bad", 0), ("now", 95.83)]
    done, stopped, bad, now = drawn.bars
    assert (bad.y, round(done.y + done.height, 1), now.height) == (0, HIGH, 18)
    assert (bad.y + bad.height, stopped.y + stopped.height) == (stopped.y, done.y)
    assert [hour.clock for hour in drawn.hours] == ["13:00", "12:00"]
    assert drawn.failed_share == "18.2%"


def test_a_single_failure_among_thousands_is_seen():
    drawn = draw_day(day((5, Tally(finished=9000, failed=1))), Viewer(NOON))

    assert [bar.look for bar in drawn.bars if bar.height >= 2] == ["done", "bad"]


def test_the_dearest_agents_come_by_name_and_the_rest_as_one():
    costs = [Decimal(cost) for cost in (8, 4, 2, 1, 1, 1)]
    agents = (
        *(AgentTally(f"a/{place}", Tally(cost_usd=cost)) for place, cost in enumerate(costs)),
        AgentTally("free", Tally(9)),
    )

    drawn = draw_day(day(agents=agents), Viewer(NOON)).spenders

    shown = ["$8.00", "$4.00", "$2.00", "$1.00", "$2.00"]
    assert [each.cost for each in drawn] == shown
    assert [each.name for each in drawn] == ["a/0", "a/1", "a/2", "a/3", "2 others"]
    assert [each.share for each in drawn] == [100, 50, 25, 12.5, 25]


def test_nothing_spent_is_not_the_same_as_unknown():
    nothing, unknown = day(), RunStatistics(NOON, NOON, Tally(finished=1, model_calls=1), (), ())

    assert draw_day(nothing, Viewer(NOON)).spent == "$0.00"
    assert draw_day(unknown, Viewer(NOON)).spent == MISSING
