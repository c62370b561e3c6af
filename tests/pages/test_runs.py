"""The page of a run while it goes on: live, gapless, honest about what is kept."""

import asyncio
from urllib.parse import quote

import orjson
from playwright.async_api import Page, expect

from tests.pages.consoles import Console
from windlass.contracts.events import EventKind, NewEvent


async def seqs(page: Page) -> list[int]:
    """The seqs of the lines on the page."""
    return [int(text) for text in await page.locator("#lines .ln > a").all_inner_texts()]


async def test_a_run_is_followed_live_to_its_end(console: Console):
    run = await console.run(title="Carrier invoices")
    page = await console.open(run.path)
    await run.begin()
    await run.start("collect invoices")
    await page.locator(".wf-row", has_text="collect invoices").wait_for()
    await expect(page.locator("#now")).to_contain_text("collect invoices")
    await run.finish("collect invoices")
    await expect(page.locator("#run-facts")).to_contain_text("1 step")
    await run.end()

    await expect(page.locator("#stream")).to_contain_text("Up to date")
    await expect(page.locator("#run-head")).to_contain_text("Finished")
    await expect(page.locator("#latest strong")).to_have_text("All")
    assert await seqs(page) == list(range(1, 9))


async def test_words_appear_while_they_are_written_and_the_message_replaces_them(console: Console):
    run = await console.run()
    await run.begin()
    page = await console.open(run.path)
    await expect(page.locator("#stream")).to_contain_text("Live")
    await run.write("m1", 0, "The credit ")
    await run.write("m1", 1, "note <b>")
    await expect(page.locator("#w-m1 > div")).to_have_text("The credit note <b>")
    said = {"role": "assistant", "item": "m1", "model": "claude-x", "text": "The credit note <b>.", "standin": True}
    await run.tell(EventKind.MESSAGE, **said)

    await expect(page.locator("#w-m1")).to_have_count(0)
    await expect(page.locator(".ln.talk")).to_contain_text("stand-in  The credit note <b>.")
    await expect(page.locator("#run-head")).to_contain_text("Stand-in answers")


async def test_a_broken_connection_loses_no_line_and_doubles_none(console: Console):
    run = await console.run()
    await run.begin()
    page = await console.open(run.path)
    await expect(page.locator("#stream")).to_contain_text("Live")
    await page.context.set_offline(True)
    for number in range(40):
        await run.tell(EventKind.STDOUT, text=f"line {number}")
    await page.context.set_offline(False)
    for number in range(40, 60):
        await run.tell(EventKind.STDOUT, text=f"line {number}")
    await run.end()

    await expect(page.locator("#stream")).to_contain_text("Up to date", timeout=20_000)
    assert await seqs(page) == list(range(1, 67))


async def test_a_reader_who_scrolls_up_is_left_alone(console: Console):
    run = await console.run()
    await run.begin()
    for number in range(80):
        await run.tell(EventKind.STDOUT, text=f"line {number}")
    page = await console.open(run.path)
    await expect(page.get_by_text("line 79")).to_be_in_viewport()
    await page.locator("#lines").hover()
    await page.mouse.wheel(0, -600)
    await expect(page.locator("#resume")).to_be_visible()
    await run.tell(EventKind.STDOUT, text="the newest line")
    await expect(page.locator("#resume")).to_contain_text("1 new")
    await expect(page.get_by_text("the newest line")).to_have_count(0)
    await page.locator("#resume").click()

    await expect(page.get_by_text("the newest line")).to_be_in_viewport()
    await expect(page.locator("#resume")).to_be_hidden()


async def test_a_failure_says_what_happened_what_was_kept_and_what_to_do(console: Console):
    run = await console.run(title="Damage claims")
    await run.begin()
    await run.start("load claims")
    await run.finish("load claims")
    await run.start("post to ERP")
    await run.fail("post to ERP", "503 Service Unavailable: see ../log")
    page = await console.open(run.path)

    card = page.locator("#card")
    await expect(card).to_contain_text("Run failed at post to ERP")
    await expect(card).to_contain_text("HTTPError: 503 Service Unavailable: see ../log.")
    await expect(card).to_contain_text("1 step.")
    await page.keyboard.press("r")
    await expect(page.get_by_role("radio").first).to_be_checked()
    await page.locator("main").get_by_role("button", name="Retry").click()
    await expect(page.locator("#run-facts")).to_contain_text("try 2 of 2")
    await expect(page.locator("#run-facts")).to_contain_text("1 from an earlier try")
    await expect(page.locator("#compare")).to_contain_text("Try 1")


async def test_a_retry_may_begin_earlier_and_with_other_inputs(console: Console):
    run = await console.run(title="Damage claims")
    await run.begin()
    await run.start("load claims")
    await run.finish("load claims")
    await run.fail("post to ERP", "503 Service Unavailable")
    page = await console.open(f"{run.path}/retry")
    await page.get_by_text("At an earlier step").click()
    await page.get_by_label("At load claims, which runs again").check()
    await expect(page.get_by_label("Prompt", exact=True)).to_be_hidden()
    await page.get_by_label("Others; kept steps stay as they are").check()
    await page.get_by_label("Prompt", exact=True).fill("")
    await page.locator("main").get_by_role("button", name="Retry").click()
    await expect(page.locator(".alert")).to_contain_text("Prompt")
    await expect(page.get_by_label("At load claims, which runs again")).to_be_checked()
    await page.get_by_label("Prompt", exact=True).fill("Look again")
    await page.locator("main").get_by_role("button", name="Retry").click()
    await expect(page.locator("#run-facts")).to_contain_text("try 2 of 2")

    again = (await console.person.http.get(f"/v1/runs/{page.url.rpartition('/')[2]}")).json()
    assert again["inputs"]["prompt"] == "Look again"
    assert "from an earlier try" not in await page.locator("#run-facts").inner_text()


async def test_cancel_asks_first_and_then_says_that_it_cancels(console: Console):
    run = await console.run(title="Long work")
    await run.begin()
    page = await console.open(run.path)
    await expect(page.locator("#stream")).to_contain_text("Live")
    await page.keyboard.press("c")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Cancel \u201cLong work\u201d?")
    await dialog.get_by_role("button", name="Cancel run").click()

    await expect(page.locator("#run-head")).to_contain_text("Cancelling")
    wanted = await console.person.http.get(f"/v1{run.path}")
    assert wanted.json()["status"] == "running"
    await run.tell(EventKind.STATUS, status="cancelled", attempt=1)
    await expect(page.locator("#card")).to_contain_text("Cancelled")


async def test_a_step_that_ran_twice_is_shown_as_repeated(console: Console):
    run = await console.run()
    await run.begin()
    await run.start("read")
    await run.tell(EventKind.STEP, key="read", name="read", state="repeated", execution=2)
    await run.finish("read", execution=2)
    page = await console.open(run.path)

    await expect(page.locator(".wf-row", has_text="repeated")).to_have_count(1)
    await expect(page.get_by_text("interrupted, runs again")).to_be_visible()
    await expect(page.locator("#run-facts")).to_contain_text("1 repeated")


async def test_a_long_run_is_drawn_in_part_and_every_row_can_be_reached(console: Console):
    run = await console.run()
    await run.begin()
    where = run.attached.tenant_id, run.attached.run_id, run.attached.epoch
    steps = [{"key": f"s{n}", "name": f"step {n}", "state": "done"} for n in range(259)]
    told = [NewEvent(EventKind.STEP, step, "agent:0.1", n) for n, step in enumerate(steps, 1)]
    assert await run.executions.append(*where, told)
    page = await console.open(run.path)
    overview = page.locator("#wf-map")
    await expect(overview).to_contain_text("Rows 62 to 260 of 260")
    await expect(page.locator(".wf-row")).to_have_count(200)
    await page.locator("#wf-rows .wf-row").nth(3).hover()
    await page.mouse.wheel(0, -300)
    await expect(overview).to_contain_text("Rows 1 to 199 of 260")
    await expect(page.locator(".wf-row", has_text="step 60")).to_be_in_viewport()
    assert "row=" in page.url
    await run.tell(EventKind.STEP, key="s259", name="step 259", state="done")
    await expect(overview).to_contain_text("of 261")
    await overview.locator("rect.band").last.click()

    await expect(overview).to_contain_text("Rows 63 to 261 of 261")
    await expect(page.locator(".wf-row", has_text="step 259")).to_have_count(1)


async def test_a_row_is_opened_selected_and_kept_in_the_address(console: Console):
    run = await console.run()
    await run.begin()
    for number in range(5):
        await run.tell(EventKind.STEP, key=f"l{number}", name="lookup", state="started")
        await run.tell(EventKind.STEP, key=f"l{number}", name="lookup", state="done", ms=1)
    page = await console.open(run.path)
    await page.get_by_role("link", name="Open lookup").click()
    await expect(page.locator(".wf-row")).to_have_count(8)
    await page.locator(".wf-row a.span").nth(4).click()
    await expect(page.locator("#selected")).to_contain_text("lookup")

    await page.reload()

    await expect(page.locator(".wf-row")).to_have_count(8)
    await expect(page.locator("#selected")).to_contain_text("Kept")


async def test_the_list_changes_in_place_and_counts_newer_runs(console: Console):
    run = await console.run(title="The first")
    page = await console.open("/runs")
    await run.begin()
    await expect(page.locator(f"#run-{run.attached.run_id}")).to_contain_text("Running")
    await run.end()
    await expect(page.locator(f"#run-{run.attached.run_id}")).to_contain_text("Finished")
    await console.run(title="The second")
    await expect(page.locator("#newer")).to_contain_text("1 newer run")
    await expect(page.get_by_text("The second")).to_have_count(0)
    await page.keyboard.press(".")

    await expect(page.get_by_text("The second")).to_be_visible()


async def test_home_shows_what_runs_and_what_failed(console: Console):
    run = await console.run(title="Customs entry")
    await run.begin()
    page = await console.open("/")
    await expect(page.locator("#home-running")).to_contain_text("Customs entry")
    await run.start("send")
    await run.fail("send", "no answer")
    await expect(page.locator("#home-failed")).to_contain_text("send: no answer")
    await page.get_by_role("button", name="Mark seen").click()

    await expect(page.locator("#home-failed")).to_have_count(0)


async def test_a_form_with_errors_keeps_what_was_filled_in(console: Console):
    page = await console.open("/start?agent=claude")
    await page.get_by_label("Prompt", exact=True).fill("Keep me")
    await page.locator("#in-max_tokens").evaluate("field => { field.removeAttribute('max'); field.value = 9999999 }")
    await page.locator("main").get_by_role("button", name="Start run").click()

    await expect(page.get_by_role("alert")).to_contain_text("must be at most")
    await expect(page.get_by_label("Prompt", exact=True)).to_have_value("Keep me")
    await expect(page.locator("#in-max_tokens")).to_have_attribute("aria-invalid", "true")


async def test_many_lines_keep_the_page_within_its_budget(console: Console):
    run = await console.run()
    await run.begin()
    page = await console.open(run.path)
    await expect(page.locator("#stream")).to_contain_text("Live")
    await asyncio.gather(*(run.tell(EventKind.STDOUT, text=f"line {number}") for number in range(300)))
    await run.end()

    await expect(page.locator("#stream")).to_contain_text("Up to date")
    assert await page.locator("#lines .ln").count() == len(set(await seqs(page))) == 306


async def test_a_form_that_is_sent_twice_starts_one_run(console: Console):
    page = await console.open("/start?agent=claude")
    await page.get_by_label("Prompt", exact=True).fill("once")
    form = await page.locator("#start-form").evaluate("form => [...new FormData(form)]")
    body = "&".join(f"{quote(name)}={quote(value)}" for name, value in form)
    options = "{method: 'POST', body, headers: {'content-type': 'application/x-www-form-urlencoded'}}"
    script = f"async body => (await fetch('/start', {options})).url"
    urls = [await page.evaluate(script, body) for _ in range(2)]

    assert urls[0] == urls[1]
    listed = await console.person.http.get("/v1/runs")
    assert len(listed.json()["items"]) == 1


async def test_the_log_is_downloaded_as_lines_of_json(console: Console):
    run = await console.run()
    await run.begin()
    await run.end()
    answer = await console.person.http.get(f"{run.path}/events.jsonl")

    events = [orjson.loads(line) for line in answer.text.splitlines()]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5, 6][: len(events)]
    assert events[-1]["payload"]["status"] == "finished"


async def test_searching_all_events_finds_the_one(console: Console):
    run = await console.run()
    await run.begin()
    for number in range(30):
        await run.tell(EventKind.STDOUT, text=f"needle {number}" if number == 17 else f"hay {number}")
    page = await console.open(f"{run.path}?tab=events&q=NEEDLE")

    await expect(page.locator(".ln")).to_have_count(1)
    await expect(page.locator(".ln")).to_contain_text("needle 17")


async def test_the_axis_is_cut_by_dragging_and_fit_again(console: Console):
    run = await console.run()
    await run.begin()
    for name in ("one", "two"):
        await run.start(name)
        await run.finish(name)
    await run.end()
    page = await console.open(run.path)
    frame = await page.locator("#wf-axis > svg").bounding_box()
    assert frame is not None
    await page.mouse.move(frame["x"] + frame["width"] * 0.25, frame["y"] + 10)
    await page.mouse.down()
    await page.mouse.move(frame["x"] + frame["width"] * 0.75, frame["y"] + 10)
    await page.mouse.up()
    await page.wait_for_url("**from=*&to=*")
    await page.keyboard.press("+")
    await expect(page.get_by_role("link", name="Show twice as much")).to_be_visible()

    await page.keyboard.press("0")

    await expect(page.get_by_role("link", name="Show the whole run")).to_have_count(0)
    assert "from=" not in page.url
