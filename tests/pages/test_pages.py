"""Every page: signing in, getting around, on wide screens and phones, with and without scripts."""

import asyncio

import httpx
import pytest
from playwright.async_api import Browser, Route, expect

from tests.api.people import FIRST_PASSWORD, PASSWORD, Gateway
from tests.pages.consoles import PHONE, WIDE, Console, sign_in
from windlass.contracts.events import EventKind
from windlass.core.permissions import Role

PAGES = (
    "/", "/runs", "/runs?status=failed&q=x", "/start", "/start?agent=claude", "/agents", "/agents/claude",
    "/services", "/schedules", "/schedules/week", "/schedules/new", "/tasks", "/tasks/new", "/tasks/new?agent=claude",
    "/settings", "/settings/members", "/settings/keys", "/audit", "/system", "/find?q=run", "/more", "/password",
    "/desktops", "/desktops?status=lost&owner=me", "/settings/desktops", "/settings/skills", "/agents/new",
    "/mcp-servers", "/dashboard?span=30d", "/join", "/sessions", "/settings/organisation",
)  # fmt: skip

LOADED_NARROW = ("/runs", "/sessions", "/dashboard?span=30d")  # charts and live rows are made by a script at that width
TOO_SMALL = (
    "[...document.querySelectorAll('button,.bottom a,select,input:not([type=hidden])')]"
    ".filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"
)


async def test_a_wrong_password_is_told_in_one_sentence(gateway: Gateway, chromium: Browser):
    page = await chromium.new_page()
    await sign_in(page, gateway, "nobody@example.org", "not the password")

    await expect(page.get_by_role("alert")).to_have_text("The e-mail address or the password is wrong.")
    await expect(page.get_by_label("E-mail address")).to_have_value("nobody@example.org")
    await page.close()


async def test_a_password_somebody_else_made_is_changed_first(gateway: Gateway, chromium: Browser):
    boss, email = await gateway.sign_up("Boss"), "new@example.org"
    wish = {"name": "New", "email": email, "password": FIRST_PASSWORD, "role": Role.OPERATOR}
    assert (await boss.http.post("/v1/members", json=wish)).status_code == 201
    page = await chromium.new_page()
    await sign_in(page, gateway, email, FIRST_PASSWORD)
    await page.goto(f"{gateway.url}/runs")

    await expect(page.get_by_role("heading", name="Choose a password")).to_be_visible()
    await page.get_by_label("Current password").fill(FIRST_PASSWORD)
    await page.get_by_label("New password", exact=True).fill(PASSWORD)
    await page.get_by_label("New password again").fill(PASSWORD)
    await page.get_by_role("button", name="Change password").click()

    await expect(page.get_by_text("Your password is changed")).to_be_visible()
    await page.close()


async def test_an_address_waits_for_the_sign_in(gateway: Gateway, chromium: Browser):
    person = await gateway.sign_up("Ada")
    page = await chromium.new_page()
    await page.goto(f"{gateway.url}/runs?status=failed")
    await page.get_by_label("E-mail address").fill(person.email)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_text("No runs here")).to_be_visible()
    assert page.url.endswith("/runs?status=failed")
    await page.close()


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_one_heading_no_complaint_and_is_no_wider_than_a_phone(visitor: Console, path: str):
    await visitor.page.set_viewport_size(WIDE)
    page = await visitor.open(path)

    await expect(page.locator("h1")).to_have_count(1)
    assert await page.title() != " \u2013 Windlass"
    assert visitor.complaints == []
    await page.set_viewport_size(PHONE)
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert await page.evaluate(TOO_SMALL) == []
    if path in LOADED_NARROW:
        await visitor.open(path)
    assert visitor.complaints == []


async def test_the_theme_is_drawn_by_the_server(console: Console):
    page = await console.open("/agents")
    await page.get_by_role("button", name="Light theme").click()
    await page.get_by_role("button", name="Dark theme").wait_for()

    assert 'data-theme="light"' in await page.content()
    assert page.url.endswith("/agents")


async def test_every_page_says_that_a_stand_in_answers(console: Console):
    page = await console.open("/runs")

    await expect(page.get_by_text("Stand-in")).to_be_visible()


async def test_keys_lead_around(console: Console):
    page = await console.open("/")
    await page.keyboard.press("g")
    await page.keyboard.press("r")
    await page.wait_for_url("**/runs")
    await page.keyboard.press("?")
    await expect(page.get_by_role("heading", name="Keys of this page")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await page.get_by_role("searchbox", name="Find or do anything").fill("memb")
    await page.get_by_role("link", name="Members and roles").wait_for()
    await page.keyboard.press("Enter")

    await page.wait_for_url("**/settings/members")


async def test_enter_takes_what_was_typed_last_however_late_its_list_comes(console: Console):
    page, entered = await console.open("/"), asyncio.Event()

    async def late(route: Route) -> None:
        await entered.wait()
        await route.continue_()

    await page.route("**/find*q=memb", late)
    await page.keyboard.press("Control+k")
    await page.get_by_role("link", name="Runs").first.wait_for()
    async with page.expect_request("**/find*q=memb"):
        await page.get_by_role("searchbox", name="Find or do anything").fill("memb")
    await page.keyboard.press("Enter")
    entered.set()

    await page.wait_for_url("**/settings/members")


async def test_a_key_is_shown_once_and_can_be_revoked(console: Console):
    page = await console.open("/settings/keys")
    await page.get_by_label("Name").fill("ci")
    await page.get_by_role("button", name="Make key").click()
    secret = await page.locator("#secret").inner_text()
    async with httpx.AsyncClient(base_url=console.gateway.url, headers={"authorization": f"Bearer {secret}"}) as http:
        assert (await http.get("/v1/me")).status_code == 200

    await console.open("/settings/keys")

    assert secret not in await page.content()
    await page.get_by_role("button", name="Revoke").click()
    await expect(page.get_by_text("No keys yet")).to_be_visible()


async def test_a_key_may_be_narrower_than_its_maker_and_end_by_itself(console: Console):
    page = await console.open("/settings/keys")
    await page.get_by_label("Name").fill("reader")
    await page.get_by_label("Ends after").select_option("30 days")
    await page.get_by_label("May", exact=True).select_option("Read, and change nothing")
    await page.get_by_role("button", name="Make key").click()
    secret = await page.locator("#secret").inner_text()

    async with httpx.AsyncClient(base_url=console.gateway.url, headers={"authorization": f"Bearer {secret}"}) as http:
        listed = await http.get("/v1/runs")
        refused = await http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "hi"}})
        (key,) = (await console.person.http.get("/v1/api-keys")).json()["items"]

    assert (listed.status_code, refused.status_code) == (200, 403)
    assert {permission.partition(":")[2] for permission in key["permissions"]} == {"read"}
    assert key["expires_at"] is not None


async def test_the_catalogue_says_how_agents_have_done(reader: Console):
    for fails in (False, True):
        run = await reader.run()
        await run.begin()
        await run.tell(EventKind.USAGE, model="claude-x", input_tokens=1, output_tokens=1, cost_usd=0.42)
        await (run.fail("fetch", "no access") if fails else run.end())

    page = await reader.open("/agents")

    await expect(page.locator(".agent", has_text="claude")).to_contain_text("50%")
    await expect(page.locator(".agent", has_text="claude")).to_contain_text("$0.42")
    await expect(page.get_by_label("2 runs in 30 days")).to_be_visible()


async def test_a_member_is_added_and_given_another_role(console: Console):
    page = await console.open("/settings/members")
    await page.get_by_label("Name", exact=True).fill("Mei Tanaka")
    await page.get_by_label("E-mail address").fill(f"mei-{console.person.id.hex[:8]}@example.org")
    await page.get_by_label("First password").fill(FIRST_PASSWORD)
    await page.get_by_role("button", name="Add member").click()
    await expect(page.get_by_text("Mei Tanaka is a member now")).to_be_visible()
    await page.get_by_label("Role of Mei Tanaka").select_option("builder")
    await page.get_by_role("button", name="Change", exact=True).click()
    await expect(page.get_by_text("+ services:write")).to_be_visible()
    await page.get_by_role("button", name="Change role").click()

    await expect(page.get_by_label("Role of Mei Tanaka")).to_have_value("builder")


async def test_somebody_is_invited_by_a_link_that_is_shown_once(console: Console, chromium: Browser):
    email = f"noor-{console.person.id.hex[:8]}@example.org"
    page = await console.open("/settings/members")
    await page.get_by_label("Who").fill(email)
    await page.get_by_label("As", exact=True).select_option("builder")
    await page.get_by_role("button", name="Invite", exact=True).click()
    link = await page.locator("#invitation").inner_text()
    await console.open("/settings/members")
    assert link.rpartition("#")[2] not in await page.content()

    theirs = await chromium.new_page()
    await theirs.goto(link)
    await expect(theirs.get_by_text("Ada invites you as builder")).to_be_visible()
    assert "#" not in theirs.url
    await theirs.get_by_label("Your name").fill("Noor")
    await theirs.get_by_label("Password", exact=True).fill(PASSWORD)
    await theirs.get_by_label("Password again").fill(PASSWORD)
    await theirs.get_by_role("button", name="Join").click()

    await expect(theirs.get_by_text("Welcome to")).to_be_visible()
    await console.open("/settings/members")
    await expect(page.locator("tr", has_text=email)).to_contain_text("builder")
    await theirs.close()


async def test_a_service_that_cannot_be_added_says_which_field_is_wrong(console: Console):
    page = await console.open("/services")
    ours = page.locator("form").filter(has=page.get_by_role("button", name="Add service"))
    await ours.get_by_label("Name").fill("ledger")
    await ours.get_by_label("Project").fill("here")
    await ours.get_by_label("App").fill("app")
    await page.get_by_role("button", name="Add service").click()

    await expect(page.get_by_role("alert")).to_contain_text("must be a folder, from the root on")
    await expect(ours.get_by_label("Name")).to_have_value("ledger")


async def test_not_found_and_not_yours_read_the_same(console: Console, gateway: Gateway):
    other = await gateway.sign_up("Bob")
    run = (await other.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "x"}})).json()["id"]
    page = await console.open(f"/runs/{run}")
    foreign = await page.locator(".card dl").inner_text()
    await console.open("/runs/00000000-0000-7000-8000-000000000000")

    unknown = await page.locator(".card dl").inner_text()
    assert foreign.splitlines()[:-1] == unknown.splitlines()[:-1]
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()


async def test_without_scripts_people_read_and_start(reader: Console):
    page = await reader.open("/start?agent=claude")
    await page.get_by_label("Prompt", exact=True).fill("Why is the sky blue?")
    await page.locator("main").get_by_role("button", name="Start run").click()

    await expect(page.get_by_role("heading", name="Claude")).to_be_visible()
    await page.get_by_role("link", name="Inputs").click()
    await expect(page.get_by_text("Why is the sky blue?").first).to_be_visible()


async def test_signing_out_ends_the_session(console: Console):
    page = await console.open("/")
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/signin")
    await console.open("/runs")

    await expect(page.get_by_role("heading", name="Sign in to Windlass")).to_be_visible()
