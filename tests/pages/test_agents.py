"""Agents on their pages: saved, started, changed, looked back at, deleted."""

from playwright.async_api import expect

from tests.pages.consoles import Console


async def test_an_agent_is_saved_changed_and_deleted(console: Console):
    page = await console.open("/agents")
    await page.get_by_role("link", name="New agent").click()
    await page.get_by_label("Name").fill("Reviewer")
    await page.get_by_label("System prompt").fill("Be stern.\nBe brief.")
    await page.get_by_label("shell").check()
    await page.get_by_role("button", name="Add").click()
    await page.get_by_label("Tool", exact=True).fill("shell")
    await page.get_by_label("Decision").select_option("ask")
    await page.get_by_role("button", name="Save agent").click()
    await expect(page.get_by_role("alert")).to_contain_text("name must be lower-case letters")
    await page.get_by_label("Name").fill("reviewer")
    await page.get_by_role("button", name="Save agent").click()

    await expect(page.get_by_role("heading", name="reviewer", level=1)).to_be_visible()
    await expect(page.get_by_label("shell")).to_be_checked()
    await page.get_by_label("System prompt").fill("Be kind.\nBe brief.")
    await page.get_by_role("button", name="Save as version 2").click()
    await expect(page.locator(".diff .add")).to_have_text("+Be kind.")
    await expect(page.locator(".diff .del")).to_have_text("-Be stern.")
    await page.get_by_role("link", name="1 Ada").click()
    await expect(page.get_by_label("System prompt")).to_have_value("Be stern.\nBe brief.")
    await expect(page.get_by_label("System prompt")).to_be_disabled()
    await page.get_by_role("link", name="version 2").click()
    await page.get_by_label("More").click()
    await page.get_by_role("button", name="Delete reviewer").click()
    await page.wait_for_url("**/agents")
    await expect(page.locator(".agent", has_text="reviewer")).to_have_count(0)


async def test_an_agent_is_started_with_a_prompt_alone(console: Console):
    answer = await console.person.http.post("/v1/agents", json={"name": "reviewer", "system": "Be stern."})
    assert answer.status_code == 201
    page = await console.open("/start?agent=reviewer")
    await page.get_by_label("Prompt").fill("Hello")
    await page.get_by_role("button", name="Start run").click()

    await expect(page.get_by_role("heading", name="reviewer", level=1)).to_be_visible()
    assert await page.get_by_label("System prompt").count() == 0
