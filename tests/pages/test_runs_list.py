"""The list of runs: what is at work comes first, and every choice stands in the address."""

import csv
import io

from playwright.async_api import expect

from tests.api.people import Gateway
from tests.core.asked import ask
from tests.pages.consoles import Console
from windlass.contracts.events import EventKind


async def titles(console: Console, path: str) -> list[str]:
    """The runs of a view, in the order of the page."""
    page = await console.open(path)
    return await page.locator("#rows .name a").all_inner_texts()


async def test_live_runs_come_before_those_that_have_ended_over_every_page(reader: Console):
    for title in ("first", "second"):
        await reader.run(title=title)
    for title in ("done", "late"):
        run = await reader.run(title=title)
        await run.begin()
        await run.end()

    first = await titles(reader, "/runs?limit=3")
    await reader.page.get_by_role("link", name="Older").click()

    assert first == ["second", "first", "late"]
    await expect(reader.page.locator("#rows .name a")).to_have_text(["done"])


async def answered(console: Console, query: str) -> list[str]:
    """The runs that the API answers with, in its order."""
    answer = await console.person.http.get(f"/v1/runs?{query}")
    assert answer.status_code == 200, answer.text
    return [run["title"] for run in answer.json()["items"]]


async def test_the_usual_choices_are_one_click_away(reader: Console):
    dear, broken = await reader.run(title="dear"), await reader.run(title="broken")
    await dear.tell(EventKind.USAGE, model="claude-x", input_tokens=1, output_tokens=1, cost_usd=6.5)
    await broken.begin()
    await broken.fail("fetch", "no access")
    page = await reader.open("/runs")
    views = page.get_by_role("group", name="Views")

    for view, shown in (("Over $5", ["dear"]), ("Failed this week", ["broken"]), ("Mine", ["dear", "broken"])):
        await views.get_by_role("link", name=view).click()
        await expect(page.locator("#rows .name a")).to_have_text(shown)
        await expect(views.get_by_role("link", name=view)).to_have_attribute("aria-current", "true")
    for query, shown in (("cost_above_usd=5", ["dear"]), ("cost_above_usd=6.5", []), ("mine=1", ["broken", "dear"])):
        assert await answered(reader, query) == shown


async def test_a_run_that_asks_is_marked_while_it_works_on_and_found_under_waiting(console: Console):
    run, other = await console.run(title="asks"), await console.run(title="works")
    page = await console.open("/runs")
    await expect(page.locator("#stream")).to_contain_text("Live")

    await ask(run.executions, run.attached.tenant_id, run.id)
    again = await console.play(run.id)
    await again.begin()

    await expect(page.locator(f"#run-{run.id} .asks")).to_be_visible()
    await expect(page.locator(f"#run-{other.id} .asks")).to_have_count(0)
    assert await titles(console, "/runs?status=waiting") == await answered(console, "waiting=true") == ["asks"]


async def test_a_view_is_exported_whole_and_calculates_nothing(reader: Console):
    await reader.run(title="=1+1", tags=["a", "b"])
    await reader.run(title="other")

    answer = await reader.page.request.get(f"{reader.gateway.url}/runs.csv?q=%3D1")

    rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert [(row["title"], row["tags"], row["started_by"]) for row in rows] == [("'=1+1", "a b", "Ada")]


async def test_home_says_how_long_the_quietest_run_has_been_silent(reader: Console):
    run = await reader.run(title="quiet")
    await run.begin()

    page = await reader.open("/")

    await expect(page.locator("#home-running footer")).to_contain_text("Longest silence")


async def test_home_says_what_starts_by_itself_next(reader: Console):
    http = reader.person.http
    task = (await http.post("/v1/tasks", json={"name": "news", "agent": "claude", "inputs": {"prompt": "News"}})).json()
    for name, timing in (("yearly", {"cron": "0 0 1 1 *"}), ("often", {"interval_s": 60})):
        made = await http.post("/v1/schedules", json={"name": name, "task_id": task["id"], **timing})
        assert made.status_code == 201, made.text

    page = await reader.open("/")

    assert await page.locator("#home-next .cover").all_inner_texts() == ["often", "yearly"]


async def test_a_view_is_saved_under_a_name_and_forgotten_again(console: Console):
    await console.run(title="invoices", tags=["finance"])
    page = await console.open("/runs?tag=finance&since=week")
    views = page.get_by_role("group", name="Views")
    await page.locator("summary", has_text="Save view").click()
    await page.get_by_label("Name", exact=True).fill("Finance")
    await page.get_by_role("button", name="Save view").click()
    await expect(views.get_by_role("link", name="Finance")).to_have_attribute("aria-current", "true")

    await console.open("/runs")
    await views.get_by_role("link", name="Finance").click()
    await expect(page).to_have_url(f"{console.gateway.url}/runs?tag=finance&since=week")
    await page.get_by_role("button", name="Forget view").click()

    await expect(views.get_by_role("link", name="Finance")).to_have_count(0)


async def test_runs_are_selected_by_key_and_each_says_what_became_of_it(console: Console):
    live, done = await console.run(title="live"), await console.run(title="done")
    await done.begin()
    await done.end()
    page = await console.open("/runs")
    for _ in range(2):
        await page.keyboard.press("j")
        await page.keyboard.press("x")
    await expect(page.locator("[data-picked]")).to_have_text("2 selected")

    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("heading", name="Cancel 1 run?")).to_be_visible()
    await expect(page.locator(f"#bulk-{done.id}")).to_contain_text("It is finished already")
    await page.get_by_role("button", name="Cancel 1 run").click()

    await expect(page.locator(f"#bulk-{live.id}")).to_contain_text("It stops within two seconds")
    audit = (await console.person.http.get("/v1/audit?action=run.cancel")).json()["items"]
    assert [row["subject"] for row in audit] == [f"run:{live.id}"]
    await page.get_by_role("link", name="Back to the runs").click()
    await expect(page).to_have_url(f"{console.gateway.url}/runs")


async def test_without_scripts_too_several_runs_are_retried_once_and_deleted(reader: Console):
    runs = [await reader.run(title=title) for title in ("one", "two")]
    for run in runs:
        await run.begin()
        await run.fail("fetch", "no access")
    page = await reader.open("/runs?status=failed")
    for title in ("one", "two"):
        await page.get_by_label(f"Select {title}").check()
    await page.get_by_role("button", name="Retry").click()
    await page.get_by_role("button", name="Retry 2 runs").click()
    await expect(page.get_by_text("Try 2 has begun")).to_have_count(2)
    await page.reload()  # the same form once more

    assert sorted(await titles(reader, "/runs")) == ["one", "one", "two", "two"]
    await reader.open("/runs?status=failed")
    await page.get_by_label("Select one").check()
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete 1 run").click()
    await expect(page.get_by_text("It has left the lists")).to_be_visible()
    assert await titles(reader, "/runs?status=failed") == ["two"]


async def test_who_may_do_nothing_selects_nothing(gateway: Gateway):
    acme = await gateway.organisation("Lookers")
    run = (await acme.owner.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "x"}})).json()["id"]

    listed = await acme.viewer.http.get("/runs", headers={"accept": "text/html"})
    asked = await acme.viewer.http.get(f"/runs/bulk?act=cancel&run={run}", headers={"accept": "text/html"})
    done = await acme.viewer.http.post("/runs/bulk", data={"act": "cancel", "run": run})
    foreign = await (await gateway.sign_up("Bob")).http.post("/runs/bulk", data={"act": "cancel", "run": run})

    assert run in listed.text
    assert 'form="bulk"' not in listed.text
    assert (asked.status_code, done.status_code) == (403, 403)
    assert "It stops" not in foreign.text
    assert (await acme.owner.http.get(f"/v1/runs/{run}")).json()["status"] == "queued"
