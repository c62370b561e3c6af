"""Schedules over HTTP; the gateway needs neither Temporal nor a worker to take them."""

import re
import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.api.gateways import Reader
from tests.api.people import Gateway, Organisation, Person
from tests.api.test_tasks import fields, save
from tests.core.records import SECRETS
from windlass.contracts.ids import TenantId
from windlass.core.decisions import Asked, Decisions
from windlass.core.wakeup import PollOnly

END_OF_TIME = "9999-12-31T23:59:59-14:00"  # in UTC it is no time any more
MORNINGS: dict[str, Any] = {"cron": "30 7 * * 1-5", "time_zone": "Europe/Berlin"}


async def schedule(person: Person, **more: Any) -> dict[str, Any]:
    task = more.pop("task_id", None) or (await save(person))["id"]
    body = MORNINGS | {"name": f"mornings {secrets.token_hex(4)}", "task_id": task} | more
    answer = await person.http.post("/v1/schedules", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_schedule_is_made_changed_paused_resumed_and_deleted(acme: Organisation):
    http = acme.operator.http
    made = await schedule(acme.operator)
    path = f"/v1/schedules/{made['id']}"

    changed = (await http.patch(path, json={"interval_s": 3600, "overlap": "allow_all"})).json()
    paused = (await http.post(f"{path}/pause", json={"reason": "holidays"})).json()
    resumed = (await http.post(f"{path}/resume")).json()
    again = await http.post(f"{path}/resume")
    deleted = await http.delete(path)

    assert (made["words"], made["state"], made["overlap"]) == ("At 07:30 on Monday to Friday", "on", "skip")
    assert (made["cron"], made["catch_up_s"], made["interval_s"]) == ("30 7 * * 1-5", 600, None)
    assert (changed["words"], changed["cron"], changed["time_zone"]) == ("Every hour", None, "Europe/Berlin")
    assert (paused["state"], paused["pause_reason"], paused["next_at"]) == ("paused", "holidays", None)
    assert (resumed["state"], again.status_code) == ("on", 409)
    assert (deleted.status_code, (await http.get(path)).status_code) == (204, 404)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"cron": "0 0 31 2 *"}, "cron"),
        ({"cron": "0 0 * * * *"}, "cron"),
        ({"cron": "@reboot"}, "cron"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"cron": None, "interval_s": 9}, "interval_s"),
        ({"cron": None, "at": "2020-01-01T00:00:00Z"}, "at"),
        ({"start_at": "2030-01-02T00:00:00Z", "end_at": "2030-01-01T00:00:00Z"}, "end_at"),
        ({"start_at": END_OF_TIME}, "start_at"),
        ({"end_at": END_OF_TIME}, "end_at"),
        ({"cron": None, "at": END_OF_TIME}, "at"),
        ({"cron": None, "at": "0001-01-01T00:00:00"}, "at"),
        ({"interval_s": 60}, "cron"),
        ({"overlap": "both"}, "overlap"),
        ({"catch_up_s": 999_999}, "catch_up_s"),
        ({"remaining": 0}, "remaining"),
        ({"parameters": {"colour": "red"}}, "parameters.colour"),
    ],
)
async def test_what_cannot_be_is_refused_by_field_and_leaves_nothing(
    acme: Organisation, wrong: dict[str, Any], field: str
):
    task = await save(acme.owner)
    name = f"wrong {secrets.token_hex(4)}"
    answer = await acme.owner.http.post("/v1/schedules", json=MORNINGS | {"name": name, "task_id": task["id"]} | wrong)

    assert fields(answer) == [field]
    assert (await acme.owner.http.get("/v1/schedules", params={"q": name})).json()["items"] == []


async def test_the_page_of_an_agent_shows_what_starts_it(acme: Organisation, umbrella: Organisation):
    made = await schedule(acme.operator)
    agent = (await acme.operator.http.get(f"/v1/schedules/{made['id']}")).json()["agent"]

    async def page(person: Person) -> str:
        return (await person.http.get(f"/agents/{agent}", headers={"accept": "text/html"})).text

    assert f'href="/schedules/{made["id"]}">{made["name"]}<' in await page(acme.viewer)
    assert made["id"] not in await page(umbrella.owner)
    await acme.operator.http.delete(f"/v1/schedules/{made['id']}")
    assert made["id"] not in await page(acme.viewer)


async def test_a_task_that_does_not_exist_cannot_be_scheduled(acme: Organisation, umbrella: Organisation):
    theirs = await save(umbrella.owner)

    answer = await acme.owner.http.post("/v1/schedules", json=MORNINGS | {"name": "x", "task_id": theirs["id"]})

    assert answer.status_code == 404


async def test_the_preview_marks_what_the_clocks_do(acme: Organisation):
    body = {"cron": "30 2 * * *", "time_zone": "Europe/Berlin", "after": "2027-03-27T12:00:00Z", "count": 2}

    found = (await acme.viewer.http.post("/v1/schedules/preview", json=body)).json()

    assert found["words"] == "At 02:30 every day"
    assert [each["local"] for each in found["next"]] == ["2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]
    assert "the clocks go forward over 02:30" in found["next"][0]["note"]


async def test_the_preview_refuses_what_a_schedule_would(acme: Organisation):
    answer = await acme.viewer.http.post("/v1/schedules/preview", json={"cron": "0 0 30 feb *"})

    assert fields(answer) == ["cron"]


async def test_a_saved_schedule_has_a_preview_of_its_own(acme: Organisation):
    made = await schedule(acme.owner)

    found = (await acme.owner.http.get(f"/v1/schedules/{made['id']}/preview", params={"count": 3})).json()

    assert len(found["next"]) == 3
    assert found["next"][0]["at"] == made["next_at"]


async def test_a_trigger_leaves_a_row_at_once(acme: Organisation):
    made = await schedule(acme.owner)
    key = {"idempotency-key": secrets.token_hex(8)}

    first, again = [await acme.owner.http.post(f"/v1/schedules/{made['id']}/trigger", headers=key) for _ in range(2)]

    assert (first.status_code, first.json()) == (202, again.json())
    (firing,) = (await acme.owner.http.get(f"/v1/schedules/{made['id']}/firings")).json()["items"]
    assert (firing["id"], firing["kind"], firing["decision"]) == (first.json()["firing_id"], "trigger", None)
    assert firing["asked_by_name"] == "Acme"


async def test_a_backfill_shows_its_plan_and_starts_when_the_count_is_confirmed(acme: Organisation):
    made = await schedule(acme.owner, time_zone="UTC")
    path = f"/v1/schedules/{made['id']}/backfill"
    span = {"since": "2026-01-05T00:00:00Z", "until": "2026-01-11T23:00:00Z"}  # Monday to Sunday

    plan = (await acme.owner.http.post(path, json=span)).json()
    refused = await acme.owner.http.post(path, json=span | {"confirm": 4})
    done = (await acme.owner.http.post(path, json=span | {"confirm": 5})).json()

    assert (plan["count"], plan["started"], plan["estimated_cost_usd"]) == (5, False, None)
    assert (refused.status_code, done["started"]) == (409, True)
    firings = (await acme.owner.http.get(f"/v1/schedules/{made['id']}/firings")).json()["items"]
    assert [each["kind"] for each in firings] == ["backfill"] * 5


async def test_a_backfill_of_more_than_a_thousand_firings_is_refused(acme: Organisation):
    made = await schedule(acme.owner, cron="* * * * *")
    span = {"since": "2026-01-05T00:00:00Z", "until": "2026-01-11T23:00:00Z"}

    answer = await acme.owner.http.post(f"/v1/schedules/{made['id']}/backfill", json=span)

    assert fields(answer) == ["since"]


async def test_colleagues_read_and_only_builders_change(acme: Organisation):
    made = await schedule(acme.owner)
    path = f"/v1/schedules/{made['id']}"

    assert (await acme.operator.http.get(path)).status_code == 200
    for way in ("pause", "trigger"):
        assert (await acme.operator.http.post(f"{path}/{way}")).status_code == 403
    assert (await acme.operator.http.delete(path)).status_code == 403
    assert (await acme.builder.http.post(f"{path}/pause", json={})).status_code == 200


async def test_the_end_of_a_tenant_ends_its_schedules(gateway: Gateway):
    somebody = await gateway.sign_up("Short")
    made = await schedule(somebody)

    ended = await somebody.http.delete(f"/v1/tenants/{somebody.tenant_id}")

    assert ended.status_code == 204
    async with gateway.state["jobs"].open() as connection:
        row = await connection.fetchrow("select deleted_at, applied, revision from schedule where id = $1", made["id"])
    assert row is not None
    assert (row["deleted_at"] is not None, row["applied"] < row["revision"]) == (True, True)


async def test_every_firing_is_said_in_the_log_of_the_organisation(gateway: Gateway):
    somebody, stranger = await gateway.sign_up("Early"), await gateway.sign_up("Stranger")
    made, topic = await schedule(somebody), f"tenant:{somebody.tenant_id}"
    decisions = Decisions(gateway.state["database"], PollOnly(), SECRETS)
    due = datetime.now(UTC)

    async with somebody.http.stream("GET", f"/v1/stream?topics={topic}") as answer:
        await decisions.decide(Asked(TenantId(somebody.tenant_id), UUID(made["id"]), due), due)
        (said,) = await Reader(answer).events(1)

    assert (said.event, said.data["topic"]) == ("firing", topic)
    assert said.data["event"]["payload"]["decision"] == "started"
    assert (await stranger.http.get(f"/v1/stream?topics={topic}")).status_code == 404


async def test_the_week_counts_every_due_time_of_every_hour(acme: Organisation):
    often = {"task_id": (await save(acme.operator))["id"], "cron": "*/10 * * * *"}
    paused = await schedule(acme.operator, name="paused", **often)
    await schedule(acme.operator, name="often", **often)
    before = await to_come(acme.operator)
    await acme.operator.http.post(f"/v1/schedules/{paused['id']}/pause")
    await schedule(acme.operator, name="as often", **often)
    await schedule(acme.operator, name="more often", **often)

    hours = await to_come(acme.operator)

    assert [now[0] - was[0] for was, now in zip(before, hours, strict=True)] == 7 * 24 * [6]
    assert all(names.startswith("more often, as often, often") for _, names in hours)


async def to_come(person: Person) -> list[tuple[int, str]]:
    """How many due times each hour of a week will have, and the names of whose they are, as the page says it."""
    page = await person.http.get("/schedules/week?from=2027-02-03", headers={"accept": "text/html"})
    cells = re.findall(r"<td(?: title=\"(?:(\d+) to come: )([^\"]*)\")?>", page.text)
    return [(int(number or 0), names) for number, names in cells]


@pytest.mark.parametrize("after", [END_OF_TIME, "9999-12-31T00:00:00Z", "0001-01-01T00:00:00Z"])
async def test_nobody_is_told_what_is_due_at_the_end_of_time(acme: Organisation, after: str):
    answer = await acme.viewer.http.post("/v1/schedules/preview", json=MORNINGS | {"after": after})

    assert fields(answer) == ["after"]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "nonsense"])
async def test_a_week_that_no_clock_shows_is_this_one(acme: Organisation, day: str):
    headers = {"accept": "text/html"}
    now = await acme.viewer.http.get("/schedules/week", headers=headers)

    shown = await acme.viewer.http.get(f"/schedules/week?from={day}", headers=headers)

    assert (shown.status_code, dates(shown.text)) == (200, dates(now.text))


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_backfill_on_the_page_from_a_time_that_no_clock_shows_is_refused_by_field(
    acme: Organisation, since: str
):
    made, headers = await schedule(acme.owner), {"accept": "text/html"}
    path, span = f"/schedules/{made['id']}/backfill", {"since": since, "until": "2026-01-01T00:00", "confirm": "1"}

    planned = await acme.owner.http.get(path, params=span, headers=headers)
    asked = await acme.owner.http.post(path, data=span, headers=headers)

    assert (planned.status_code, asked.status_code) == (422, 422)
    assert "since must be a time of the years 1970 to 9998" in planned.text
    assert "since must be a time of the years 1970 to 9998" in asked.text


def dates(page: str) -> list[str]:
    """The weeks before and after the one that a page shows."""
    return re.findall(r"/schedules/week\?from=(20[0-9-]+)", page)


async def test_a_cursor_too_long_for_a_page_is_none_of_ours(acme: Organisation):
    made, headers = await schedule(acme.operator), {"accept": "text/html"}
    pages = ("/schedules", "/tasks", f"/schedules/{made['id']}/firings")

    answers = [await acme.viewer.http.get(f"{page}?after={'x' * 1001}", headers=headers) for page in pages]

    assert [each.status_code for each in answers] == [400, 400, 400]
    await acme.operator.http.delete(f"/v1/schedules/{made['id']}")


@pytest.mark.parametrize("field", ["at", "start_at", "end_at"])
async def test_a_document_may_not_speak_of_the_end_of_time(acme: Organisation, field: str):
    cron = {} if field == "at" else {"cron": "0 5 * * *"}
    item = {"name": f"late {secrets.token_hex(4)}", "task": "no matter", field: END_OF_TIME} | cron
    document = {"kind": "windlass.tenant/1", "schedules": [item]}

    answer = await acme.owner.http.post("/v1/exchange/import?dry_run=true", json=document)

    (refused,) = answer.json()["sections"][-1]["items"]
    assert (refused["outcome"], refused["errors"][0]["field"]) == ("refused", field)
