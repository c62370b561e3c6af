"""Questions and whole forms on pages: asked live, answered where they stand, wrong answers kept and explained."""

from typing import Any

from playwright.async_api import Browser, Page, expect

from tests.api.people import Gateway
from tests.core.asked import question
from tests.pages.consoles import Console, open_console
from windlass import forms
from windlass.contracts.ids import TenantId, new_id
from windlass.core.callers import Caller
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.permissions import ROLES, Role
from windlass.core.services import NewService
from windlass.core.wakeup import Notifier
from windlass.core.wanted import HostFacts, Wanted
from windlass.forms import json_schema

PHONE = {"width": 390, "height": 844}
FORM = forms.Model(
    forms.Markdown("# Order"),
    forms.HTML('<form action="/elsewhere"><b>Bold</b><script>alert(1)</script></form>'),
    forms.InputText("name", label="<b>Name</b>", required=True),
    forms.InputDate("day", label="Day", min_date="2026-01-01"),
    forms.Checkbox("ship", option="Send it", label="Shipping"),
    forms.InputText("address", label="Address", required=True, visible_if={"ship": True}),
    forms.InputRadio("how", [forms.InputOption("post"), forms.InputOption("van")], label="How"),
    forms.Group("people", [forms.InputText("who", label="Who", required=True), forms.Checkbox("vip")], label="People"),
    forms.Submit("Order it"),
).get_model()


async def serve(console: Console, database_url: str) -> str:
    """An agent with a form of everything, as a host would have described it."""
    jobs = await Database.connect(database_url, role=JOBS_ROLE, max_size=1)
    caller = Caller(TenantId(console.person.tenant_id), console.person.id, "Ada", Role.OWNER, ROLES[Role.OWNER])  # type: ignore[arg-type]
    await console.gateway.state["engine"].services.add(caller, NewService("shop", "/srv", "app:app"))
    wanted = Wanted(console.gateway.state["database"], jobs, console.notifier)
    service = next(each for each in await wanted.services() if each.tenant_id == console.person.tenant_id)
    flow: dict[str, Any] = {"name": "order", "path": "/order", "summary": "Order", "elements": FORM}
    described = {"isolation": "shared", "flows": [flow | {"schema": json_schema(FORM)}]}
    await wanted.record_up(service, HostFacts(str(new_id()), 1, "here", 1), described)
    await jobs.close()
    return "/start?agent=shop/order"


async def test_a_question_appears_live_and_is_answered_on_the_page_of_its_run(console: Console):
    run = await console.run(title="Carrier invoices")
    await run.begin()
    page = await console.open(run.path)
    await expect(page.locator("#stream")).to_contain_text("Live")
    await run.ask(question("a"))
    card = page.locator(".panel.ask.open")
    await expect(card).to_contain_text("Really a?")
    await expect(page.locator("#run-head")).to_contain_text("1 question waits for you")
    await expect(page.locator("#n-home")).to_have_text("1")

    await card.get_by_label("Word").fill("yes")
    await card.get_by_role("button", name="Send").click()

    await expect(page.locator(".toast")).to_contain_text("the run goes on")
    await expect(page.locator(".panel.ask")).to_contain_text("Ada answered it")
    await expect(page.locator("#run-head")).to_contain_text("Running")
    await expect(page.locator(".wf-row", has_text="Really a?")).to_be_visible()


async def test_what_is_typed_survives_what_happens_meanwhile(console: Console):
    run = await console.run()
    await run.begin()
    await run.ask(question("a"))
    page = await console.open(run.path)
    await page.get_by_label("Word").fill("half a")
    await run.start("another branch")
    await expect(page.locator("#now")).to_contain_text("another branch")

    await expect(page.get_by_label("Word")).to_have_value("half a")


async def test_somebody_else_was_first_and_the_form_says_who(console: Console):
    run = await console.run()
    await run.begin()
    event = question("a")
    asked = event.payload
    await run.ask(event)
    page = await console.open(f"{run.path}/questions/{asked['question_id']}")
    body = {"inputs": {"word": "mine"}}
    answer = await console.person.http.post(f"/v1/questions/{asked['question_id']}/answer", json=body)
    assert answer.status_code == 200, answer.text

    await page.get_by_label("Word").fill("too late")
    await page.get_by_role("button", name="Send").click()

    await expect(page.locator(".panel.ask")).to_contain_text("Ada answered it")
    await expect(page.get_by_role("button", name="Send")).to_have_count(0)


async def test_home_shows_what_waits_and_the_usual_answers_are_buttons(console: Console):
    run = await console.run(title="Lunch")
    await run.begin()
    page = await console.open("/")
    await expect(page.locator("#home-needs")).to_contain_text("Nothing waits for you.")
    choice = forms.Model(
        forms.InputRadio("answer", [forms.InputOption("pay"), forms.InputOption("dispute")], required=True)
    )
    await run.ask(question("pay", elements=choice.get_model()))
    row = page.locator("#home-needs .need")
    await expect(row).to_contain_text("Really pay?")

    await row.get_by_role("button", name="dispute").click()

    await expect(page.locator("#home-needs")).to_contain_text("Nothing waits for you.")
    answers = await console.person.http.get("/v1/questions?state=answered")
    assert [each["result"] for each in answers.json()["items"]] == [{"answer": "dispute"}]


async def test_a_question_is_answered_on_a_phone(gateway: Gateway, chromium: Browser, notifier: Notifier):
    async with open_console(gateway, chromium, notifier, viewport=PHONE) as console:
        run = await console.run()
        await run.begin()
        await run.ask(question("a"))
        page = await console.open(run.path)

        await page.get_by_label("Word").fill("yes")
        await page.get_by_label("N optional").fill("0")
        await page.locator(".panel.ask form").evaluate("form => { form.noValidate = true; form.requestSubmit() }")
        await expect(page.locator(".wrong")).to_contain_text("must be at least 1")
        await expect(page.get_by_label("Word")).to_have_value("yes")
        await page.get_by_label("N optional").fill("2")
        await page.get_by_role("button", name="Send").click()

        await expect(page.locator(".panel.ask")).to_contain_text("Ada answered it")
        assert await fits(page)


async def fits(page: Page) -> bool:
    """Whether nothing sticks out at the side."""
    return await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_form_of_everything_is_drawn_checked_and_kept(console: Console, database_url: str):
    page = await console.open(await serve(console, database_url))
    form = page.locator("#start-form")
    await expect(form).to_contain_text("<b>Name</b>")
    await expect(form.locator("form, script")).to_have_count(0)
    await expect(page.get_by_label("Address")).to_be_hidden()

    await page.get_by_label("Send it").check()
    await expect(page.get_by_label("Address")).to_be_visible()
    await page.get_by_label("van").check()
    await page.get_by_role("button", name="Add").click()
    await page.get_by_label("Who").fill("Grace")
    await page.get_by_role("button", name="Add another").click()
    await expect(page.get_by_label("Who")).to_have_count(2)
    await page.get_by_role("button", name="Remove People 2").click()
    await expect(page.get_by_label("Who")).to_have_value("Grace")
    await expect(page.get_by_label("van")).to_be_checked()
    await form.evaluate("form => form.noValidate = true")
    await page.get_by_label("Day").fill("2025-12-31")
    await page.get_by_role("button", name="Order it").click()

    await expect(form.locator(".alert")).to_contain_text("Address is required")
    await expect(form.locator(".wrong")).to_have_count(3)
    await expect(form).to_contain_text("must not be before 2026-01-01")
    await expect(page.get_by_label("Send it")).to_be_checked()
    await expect(page.get_by_label("Who")).to_have_value("Grace")


async def test_a_run_is_started_with_everything_filled_in(console: Console, database_url: str):
    page = await console.open(await serve(console, database_url))

    await page.get_by_label("<b>Name</b>").fill("Ada")
    await page.get_by_label("post").check()
    await page.get_by_role("button", name="Order it").click()

    await expect(page.locator("#run-head")).to_contain_text("Order")
    runs = (await console.person.http.get("/v1/runs")).json()["items"]
    assert runs[0]["inputs"] == {
        "name": "Ada", "day": None, "ship": False, "address": None, "how": "post", "people": [],
    }  # fmt: skip
    await console.open("/start?agent=shop/order")
    await page.get_by_role("link", name="Fill in as last time").click()
    await expect(page.get_by_label("<b>Name</b>")).to_have_value("Ada")
