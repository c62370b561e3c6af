"""The pages of tasks and schedules, in a real browser; the test plays the worker."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from playwright.async_api import Page, expect

from tests.core.records import SECRETS
from tests.pages.consoles import Console
from windlass.contracts.ids import TenantId
from windlass.core.decisions import Asked, Decisions


async def save_task(page: Page, name: str) -> None:
    """Fill in the form of a task of claude."""
    await page.get_by_label("Name", exact=True).fill(name)
    await page.locator("#in-prompt").fill("News of {{ parameters.topic }}")
    await page.get_by_label("Name of parameter 1").fill("topic")
    await page.get_by_label("Default of parameter 1").fill("tea")
    await page.get_by_role("button", name="Save task").click()


async def schedule_of(console: Console, **more: object) -> str:
    """A schedule over a new task; answers its id."""
    http = console.person.http
    task = await http.post("/v1/tasks", json={"name": "news", "agent": "claude", "inputs": {"prompt": "News"}})
    body = {"name": "mornings", "task_id": task.json()["id"], "cron": "30 7 * * 1-5", "time_zone": "Europe/Berlin"}
    made = await http.post("/v1/schedules", json=body | more)
    assert made.status_code == 201, made.text
    return made.json()["id"]


async def fire(console: Console, schedule_id: str, due: datetime, late: timedelta) -> None:
    """Decide about a due time, as the worker does."""
    decisions = Decisions(console.gateway.state["database"], console.notifier, SECRETS)
    asked = Asked(TenantId(console.person.tenant_id), UUID(schedule_id), due)
    await decisions.decide(asked, due + late)


async def test_a_task_is_saved_started_and_scheduled_in_words_while_one_types(console: Console):
    page = await console.open("/tasks/new?agent=claude")
    await save_task(page, "News")
    await expect(page.get_by_role("heading", name="News")).to_be_visible()
    await page.get_by_role("link", name="Start it").click()
    await page.get_by_label("topic").fill("coffee")
    await page.get_by_role("button", name="Start run").click()
    await expect(page.get_by_role("heading", name="News")).to_be_visible()
    assert "/runs/" in page.url

    await page.goto(f"{console.gateway.url}/tasks")
    await page.get_by_role("link", name="News").click()
    await page.get_by_role("link", name="Schedule it").click()
    await page.get_by_label("Name", exact=True).fill("Mornings")
    await page.get_by_text("Cron", exact=True).click()
    await page.get_by_label("minute", exact=True).fill("*/15")
    await page.get_by_label("hour", exact=True).fill("9-17")
    await expect(page.locator("#words")).to_contain_text("Every 15 minutes from 09:00 to 17:59 on Monday to Friday")
    await expect(page.locator("#preview li")).to_have_count(10)
    await page.get_by_label("day of month").fill("31")
    await page.get_by_label("month", exact=True).fill("feb")
    await expect(page.locator("#preview .wrong")).to_contain_text("names a date that never comes")
    await page.get_by_text("Simple", exact=True).click()
    await page.get_by_role("button", name="Save schedule").click()

    await expect(page.get_by_role("heading", name="Mornings")).to_be_visible()
    await expect(page.locator("#words")).to_contain_text("At 07:30 on Monday to Friday")


async def test_every_due_time_is_a_line_with_its_reason(console: Console):
    schedule_id = await schedule_of(console)
    friday = datetime(2026, 11, 27, 6, 30, tzinfo=UTC)
    await fire(console, schedule_id, friday - timedelta(days=1), timedelta(seconds=1))
    await fire(console, schedule_id, friday, timedelta(seconds=2))
    page = await console.open(f"/schedules/{schedule_id}")

    rows = page.locator(".firings tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(0)).to_contain_text("Skipped")
    await expect(rows.nth(0)).to_contain_text("still goes on")
    await expect(rows.nth(1)).to_contain_text("Started")
    await page.get_by_role("link", name="All", exact=True).click()
    await page.get_by_role("link", name="Skipped").click()
    await expect(page.locator(".firings tbody tr")).to_have_count(1)


async def test_it_is_paused_with_a_reason_and_resumed(console: Console):
    schedule_id = await schedule_of(console)
    page = await console.open(f"/schedules/{schedule_id}")
    await page.locator("summary", has_text="Pause").click()
    await page.get_by_label("Why").fill("holidays")
    await page.get_by_role("button", name="Pause it").click()

    await expect(page.locator(".badge.paused")).to_be_visible()
    await expect(page.get_by_text("holidays")).to_be_visible()
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator(".badge.finished", has_text="On")).to_be_visible()


async def test_a_backfill_shows_its_plan_before_anything_starts(reader: Console):
    """Without scripts."""
    schedule_id = await schedule_of(reader)
    page = await reader.open(f"/schedules/{schedule_id}/backfill")
    await page.get_by_label("From").fill("2026-01-05T00:00")
    await page.get_by_label("Until").fill("2026-01-11T00:00")
    await page.get_by_role("button", name="Show the plan").click()
    await expect(page.get_by_text("5 of 5 due times")).to_be_visible()
    await page.get_by_role("button", name="Start 5 runs").click()

    await expect(page.get_by_text("5 runs are on their way")).to_be_visible()
    await expect(page.locator(".firings tbody tr")).to_have_count(5)


async def test_what_is_wrong_is_said_at_its_field_and_all_input_is_kept(reader: Console):
    await schedule_of(reader)
    page = await reader.open("/schedules/new")
    await page.get_by_label("Name", exact=True).fill("Never")
    await page.get_by_label("Task").select_option(index=1)
    await page.get_by_label("Time zone").fill("Mars/Olympus")
    await page.get_by_role("button", name="Work out again").click()
    await expect(page.locator("#preview .wrong")).to_contain_text("is no IANA time zone")
    assert "token" not in page.url
    await page.get_by_role("button", name="Save schedule").click()

    await expect(page.get_by_role("alert")).to_contain_text("is no IANA time zone")
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Never")
    await expect(page.get_by_label("Time zone")).to_have_value("Mars/Olympus")
