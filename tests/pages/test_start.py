"""The start form: checked as one leaves a field, kept until it is sent, and sent for later."""

from datetime import UTC, datetime

from playwright.async_api import Page, expect

from tests.pages.consoles import Console

FORM = "/start?agent=claude"
DRAFTS = "Object.keys(sessionStorage).filter((each) => each.startsWith('windlass-draft:')).length"


async def fill(page: Page, label: str, text: str) -> None:
    """Fill in a field and leave it."""
    await page.get_by_label(label, exact=True).fill(text)
    await page.get_by_label(label, exact=True).blur()


async def test_a_field_is_checked_as_it_is_left_by_the_rules_of_the_start(console: Console):
    page = await console.open(FORM)
    tokens = page.locator(".field", has=page.get_by_label("Longest answer, in tokens"))
    await fill(page, "Longest answer, in tokens optional", "0")
    await expect(tokens.locator(".wrong")).to_be_visible()
    left = await tokens.locator(".wrong").inner_text()
    await page.get_by_text("Title, tags, attempts").click()
    await fill(page, "Attempts", "1000")
    await expect(page.locator("#attempts-wrong")).to_have_text("Attempts must be a whole number from 1 to 100")

    await page.locator("#start-form").evaluate("form => { form.noValidate = true; form.requestSubmit() }")
    await expect(page.get_by_role("alert")).to_contain_text(left)
    await expect(page.get_by_role("alert")).to_contain_text("Attempts must be")
    await fill(page, "Longest answer, in tokens optional", "100")

    await expect(tokens.locator(".wrong")).to_have_count(0)
    assert (await console.person.http.get("/v1/runs")).json()["items"] == []
    console.complaints.clear()  # the answer to a form that cannot be sent is 422


async def test_what_is_filled_in_survives_a_reload_and_a_sign_in_and_goes_when_it_is_sent(console: Console):
    page = await console.open(FORM)
    await page.locator("#start-form").evaluate(
        "form => form.insertAdjacentHTML('beforeend', '<input type=password name=in-pin>')"
    )
    await page.locator("input[name=in-pin]").fill("s3cret")
    await fill(page, "Prompt", "Why is the sky blue?")
    await page.reload()
    await expect(page.get_by_text("What you had filled in is here again")).to_be_visible()
    assert "s3cret" not in await page.evaluate("JSON.stringify(sessionStorage)")
    assert console.gateway.url in page.url

    await page.context.clear_cookies()
    await page.locator("main").get_by_role("button", name="Start run").click()
    await page.get_by_label("E-mail address").fill(console.person.email)
    await page.get_by_label("Password").fill(console.person.password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Prompt", exact=True)).to_have_value("Why is the sky blue?")
    await page.locator("main").get_by_role("button", name="Start run").click()

    await page.wait_for_url("**/runs/*")
    assert await page.evaluate(DRAFTS) == 0


async def test_a_draft_is_forgotten_when_asked_and_by_signing_out(console: Console):
    page = await console.open(FORM)
    await fill(page, "Prompt", "one")
    await page.reload()
    await page.get_by_role("link", name="Begin anew").click()
    await expect(page.get_by_label("Prompt", exact=True)).to_have_value("")
    await fill(page, "Prompt", "two")

    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/signin")

    assert await page.evaluate(DRAFTS) == 0


async def test_a_run_that_starts_later_is_a_schedule_that_fires_once(console: Console):
    year, http = datetime.now(UTC).year + 1, console.person.http
    page = await console.open(FORM)
    await page.get_by_label("Prompt", exact=True).fill("Happy new year")
    await page.get_by_text("Title, tags, attempts").click()
    await page.get_by_label("Title").fill("New year")
    await fill(page, "Start at optional", "2020-01-01T00:00")
    await expect(page.locator("#at-wrong")).to_have_text("Start at is in the past")
    await fill(page, "Start at optional", f"{year}-01-01T00:00")
    await expect(page.locator("#at-wrong")).to_have_count(0)
    form = await page.locator("#start-form").evaluate("form => Object.fromEntries(new FormData(form))")

    sent = [
        await page.request.post(f"{console.gateway.url}/start", form=form, headers={"origin": console.gateway.url})
        for _ in range(2)
    ]

    (schedule,) = (await http.get("/v1/schedules")).json()["items"]
    (task,) = (await http.get("/v1/tasks")).json()["items"]
    assert {answer.url for answer in sent} == {f"{console.gateway.url}/schedules/{schedule['id']}"}
    assert (schedule["name"], schedule["task_id"]) == ("New year", task["id"])
    assert schedule["at"] in (f"{year - 1}-12-31T23:00:00Z", f"{year - 1}-12-31T23:00:00+00:00")  # Berlin's midnight
    assert task["inputs"]["prompt"] == "Happy new year"
    assert (await http.get("/v1/runs")).json()["items"] == []
