"""The pages of sessions, in a real browser; the test plays the worker and the model."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from playwright.async_api import Page, Route, expect

from activities import budgets
from tests.api.people import FIRST_PASSWORD, some_email
from tests.core.test_media import PICTURES
from tests.pages.consoles import Console
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId
from windlass.contracts.sessions import Rule, SealInput, TurnEnd
from windlass.core.approvals import Approvals, Call, Ruling
from windlass.core.events import Delta, Events
from windlass.core.inquiries import Inquiries
from windlass.core.turns import Turns


class Worker:
    """A session whose worker is the test."""

    def __init__(self, console: Console, session_id: str) -> None:
        self._tenant_id, self.id = TenantId(console.person.tenant_id), UUID(session_id)
        database = console.gateway.state["database"]
        self._turns, self._events = Turns(database, console.notifier), Events(database, console.notifier)
        self._inquiries = Inquiries(database, console.notifier, console.gateway.state["engine"].artifacts)
        self._workspaces = console.gateway.state["engine"].workspaces
        self._approvals = Approvals(database, self._inquiries)
        self._count = 0

    async def begin(self) -> int:
        """Take up what waits."""
        return (await self._turns.begin(self._tenant_id, self.id)).number

    async def may(self, turn: int, tool: str, place: int = 0, **given: Any) -> Ruling | None:
        """Whether a tool may be used, which people are asked."""
        call = Call(self._tenant_id, self.id, turn, f"1-1-{place}", tool, given)
        return await self._approvals.seek(call, Rule("ask", tool))

    async def wants_more(self, turn: int) -> None:
        """Ask whether the session may cost more."""
        await self._inquiries.ask(budgets.question(self._tenant_id, self.id, turn, budgets.Spent(0.6, 0.5)))

    async def steers(self, turn: int) -> bool:
        """Take up what was said to the turn."""
        return await self._turns.take_steering(self._tenant_id, self.id, turn)

    async def write(self, order: int, text: str) -> None:
        """Show words of an answer."""
        await self._events.append_deltas(self._tenant_id, self.id, [Delta("turn-1-1", 1, order, text)])

    async def tell(self, kind: EventKind, **payload: Any) -> None:
        """Add to the log."""
        self._count += 1
        assert await self._turns.append(self._tenant_id, self.id, [NewEvent(kind, payload, "model", self._count)])

    async def write_file(self, path: str, text: str) -> None:
        """Have a tool write a file."""
        self._count += 1
        kept = await self._workspaces.keep(self._tenant_id, path, text.encode())
        event = NewEvent(EventKind.TOOL_RESULT, {"turn": 1, "id": path, "outcome": "done"}, "hands", self._count)
        await self._turns.record(self._tenant_id, self.id, event, [asdict(kept)], 1 << 30)

    async def seal(self, turn: int) -> None:
        """End a turn."""
        await self._turns.seal(SealInput(str(self._tenant_id), str(self.id), turn, TurnEnd.FINISHED))


async def test_a_conversation_is_opened_followed_queued_in_and_put_away(console: Console):
    saved = await console.person.http.post("/v1/agents", json={"name": "clerk", "system": "Be brief."})
    assert saved.status_code == 201
    page = await console.open("/agents/clerk")
    await page.get_by_role("link", name="Open a session").click()
    await page.get_by_label("First message").fill("Where is the ledger?")
    await page.get_by_label("System prompt").fill("Be long.")
    await page.get_by_role("button", name="Open session").click()
    await expect(page.get_by_role("alert")).to_contain_text("clerk has a system prompt of its own")
    await page.get_by_label("System prompt").fill("")
    await page.get_by_role("button", name="Open session").click()
    await expect(page.get_by_role("heading", name="Where is the ledger?")).to_be_visible()
    await expect(page.get_by_role("link", name="clerk version 1")).to_be_visible()
    worker = Worker(console, page.url.partition("#")[0].rpartition("/")[2])
    turn = await worker.begin()
    await expect(page.get_by_text("At work")).to_be_visible()

    await worker.write(0, "It is in ")
    await expect(page.locator("#writing")).to_contain_text("It is in")
    await worker.write(1, "the drawer.")
    await expect(page.locator("#writing")).to_contain_text("It is in the drawer.")
    await said_though_the_gateway_died(console, page, "And the key?")
    await expect(page.locator("#writing")).to_contain_text("It is in the drawer.")
    change = {"path": "a.txt", "old_str": "old", "new_str": "new"}
    item: dict[str, Any] = {"item": "turn-1-1", "stop_reason": "tool_use", "turn": 1, "call": 1, "standin": False}
    await worker.tell(EventKind.MESSAGE, role="assistant", text="It is in the **drawer**.", model="m", **item)
    await worker.tell(EventKind.USAGE, input_tokens=90_000, output_tokens=6_000, cost_usd=0.1)
    await worker.tell(EventKind.TOOL_CALL, id="t", name="edit", input=change, turn=1)
    await worker.tell(EventKind.TOOL_RESULT, id="t", name="edit", outcome="done", text="a.txt was written.", turn=1)
    await worker.seal(turn)
    await looked_at(page)


async def said_though_the_gateway_died(console: Console, page: Page, text: str) -> None:
    """A message that was kept and never answered, sent again, is one; what was written stays until it is."""

    async def die(route: Route) -> None:
        await route.fetch(max_redirects=0)
        await route.abort()

    await page.route("**/messages", die, times=1)
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("What you wrote is still here")
    await expect(page.get_by_label("Message", exact=True)).to_have_value(text)
    await expect(page.locator(".waits")).to_contain_text(text)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(page.locator(".waits")).to_have_count(1)
    (complaint,) = console.complaints
    assert "ERR_FAILED" in complaint
    console.complaints.clear()


async def looked_at(page: Page) -> None:
    """The answer, what was done, what waits taken back, the session put away and taken up again."""
    await expect(page.locator(".said.model strong")).to_have_text("drawer")
    await expect(page.locator("#writing")).to_be_empty()
    await expect(page.locator("#said")).to_have_text("Claude answered")
    await page.get_by_label("Message", exact=True).fill("Half a")
    await expect(page.locator(".use summary")).to_contain_text("+1 \N{MINUS SIGN}1")
    await page.locator(".use summary").click()
    await expect(page.locator(".diff .add")).to_contain_text("new")
    await page.get_by_role("button", name="Take back").click()
    await expect(page.locator(".waits")).to_have_count(0)
    await expect(page.get_by_label("Message", exact=True)).to_have_value("Half a")
    await page.get_by_role("button", name="Archive").click()
    await expect(page.get_by_text("nothing can be said")).to_be_visible()
    await page.get_by_role("button", name="Take up again").click()
    await expect(page.get_by_label("Message", exact=True)).to_be_visible()
    await expect(page.locator("#session-aside")).to_contain_text("96k of 1M tokens")
    await page.locator("h1").press("n")
    await expect(page.locator("#sessions")).to_contain_text("Where is the ledger?")
    await expect(page.get_by_label("First message")).to_be_focused()


async def test_a_turn_under_way_is_steered_and_handed_over(console: Console):
    opened = await console.person.http.post("/v1/sessions", json={"title": "Search"})
    worker = Worker(console, opened.json()["id"])
    await console.person.http.post(f"/v1/sessions/{worker.id}/messages", json={"content": "Count."})
    turn = await worker.begin()
    page = await console.open(f"/sessions/{worker.id}")
    await page.get_by_label("Message", exact=True).fill("Backwards.")
    await page.get_by_role("button", name="Steer").click()
    await expect(page.locator(".waits")).to_contain_text("Waits for the next step")

    assert await worker.steers(turn)

    await expect(page.locator(".waits")).to_have_count(0)
    await expect(page.locator(".said.person").last).to_contain_text("Backwards.")
    member = {"name": "Mei Tanaka", "email": some_email("mei"), "password": FIRST_PASSWORD, "role": "operator"}
    assert (await console.person.http.post("/v1/members", json=member)).status_code == 201
    await page.get_by_role("link", name="Hand over").click()
    await expect(page.get_by_label("To", exact=True)).to_contain_text("Mei Tanaka")
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.locator("#session-head")).to_contain_text("of Mei Tanaka")
    await expect(page.locator("#session-talk")).to_contain_text("Ada handed the session over to Mei Tanaka.")


async def test_many_uses_of_tools_are_one_row_and_what_waits_to_be_allowed_is_decided_on_its_card(console: Console):
    opened = await console.person.http.post("/v1/sessions", json={"title": "Switch"})
    worker = Worker(console, opened.json()["id"])
    await console.person.http.post(f"/v1/sessions/{worker.id}/messages", json={"content": "Switch it."})
    turn = await worker.begin()
    for n in range(7):
        await worker.tell(EventKind.TOOL_CALL, id=f"t{n}", name="read", input={"path": f"{n}.md"}, turn=turn)
        await worker.tell(EventKind.TOOL_RESULT, id=f"t{n}", name="read", outcome="done", text="Read.", turn=turn)
    await worker.may(turn, "shell", command="terraform apply")

    page = await console.open(f"/sessions/{worker.id}")

    await expect(page.get_by_text("7 uses of tools")).to_be_visible()
    await expect(page.get_by_text("3.md")).to_be_hidden()
    await page.get_by_text("7 uses of tools").click()
    await expect(page.get_by_text("3.md")).to_be_visible()
    await expect(page.get_by_role("link", name="Turn 1: 0 answers, 7 uses of tools")).to_be_visible()
    card = page.locator(".ask")
    await expect(card).to_contain_text('"command": "terraform apply"')
    column = await page.locator("#session-talk").bounding_box()
    drawn = await card.bounding_box()
    assert column is not None
    assert drawn is not None
    assert drawn["width"] > column["width"] * 0.8
    await page.get_by_role("button", name="Allow once").click()
    await expect(page.locator(".ask")).to_have_count(0)
    assert await worker.may(turn, "shell", command="terraform apply") == Ruling(is_allowed=True)
    await allowed_and_denied_by_keys(page, worker, turn)


async def allowed_and_denied_by_keys(page: Page, worker: Worker, turn: int) -> None:
    """Keys act in the card alone: the first press goes there, and one in a field is a letter."""
    await worker.may(turn, "shell", 1, command="ls")
    card = page.locator(".ask")
    await expect(card).to_be_visible()
    await page.keyboard.press("a")
    await expect(card).to_be_focused()
    await page.keyboard.press("a")
    await expect(card).to_have_count(0)
    assert await worker.may(turn, "shell", 1, command="ls") == Ruling(is_allowed=True)
    await worker.may(turn, "shell", 2, command="ls -R /")
    await worker.may(turn, "shell", 3, command="rm -rf /")
    await expect(card).to_have_count(2)
    await page.get_by_label("Message", exact=True).press("d")
    await card.last.get_by_text("Why not").click()
    await expect(card.last.get_by_label("Why not")).to_be_focused()
    await card.last.get_by_role("heading", name="Let the model use shell?").click()
    await page.keyboard.press("d")
    await page.keyboard.type("add a path")
    await page.keyboard.press("Control+Enter")
    await expect(card).to_have_count(1)
    denied = await worker.may(turn, "shell", 3, command="rm -rf /")
    assert denied == Ruling(said="It was not done: Ada denied it: add a path")
    await asked_for_money_beside(page, worker, turn)


async def asked_for_money_beside(page: Page, worker: Worker, turn: int) -> None:
    """Each of two cards says what becomes of its own question, and one button of them is the main one."""
    await worker.wants_more(turn)
    other, money = page.locator(".ask").first, page.locator(".ask").last
    await expect(money).to_contain_text("The session has cost $0.60 of $0.50.")
    await expect(money.locator("footer")).to_contain_text("; then the turn ends.")
    await expect(other.locator("footer")).to_contain_text("; then it expires, and is not done.")
    await expect(money).not_to_contain_text("What came with it")
    await expect(page.locator(".ask .button.main")).to_have_text(["Allow onceA"])
    await money.get_by_label("End the turn here").check()
    await expect(money.get_by_label("New budget, in dollars")).to_be_hidden()
    await money.get_by_role("button", name="Decide").click()
    await expect(page.locator(".ask")).to_have_count(1)
    await page.get_by_role("link", name="Home").first.click()
    await expect(page.locator("#home-needs")).to_contain_text("Let the model use shell?")


async def test_a_picture_is_attached_stays_after_an_interrupt_and_a_wrong_one_is_refused(console: Console):
    opened = await console.person.http.post("/v1/sessions", json={"title": "Pictures"})
    worker = Worker(console, opened.json()["id"])
    await console.person.http.post(f"/v1/sessions/{worker.id}/messages", json={"content": "Look at it."})
    await worker.begin()
    page = await console.open(f"/sessions/{worker.id}")
    picker = page.get_by_label("Attach pictures, PDFs or texts")
    await picker.set_input_files({"name": "lie.png", "mimeType": "image/png", "buffer": b"not at all"})
    await expect(page.get_by_role("alert")).to_contain_text("lie.png is a picture by its name")
    await page.get_by_role("button", name="Leave lie.png out").click()
    await picker.set_input_files({"name": "teal.png", "mimeType": "image/png", "buffer": PICTURES["image/png"]})
    await expect(page.get_by_role("button", name="Leave teal.png out")).to_be_visible()
    await interrupted_while_a_file_is_sent(page)
    await expect(page.get_by_role("button", name="Leave teal.png out")).to_be_visible()

    await page.get_by_label("Message", exact=True).fill("What colour is it?")
    await page.keyboard.press("Enter")

    await expect(page.locator(".waits")).to_contain_text("What colour is it?")
    await expect(page.locator("[data-attached] li")).to_have_count(0)
    await page.reload()
    picture = page.get_by_role("img", name="teal.png")
    await expect(picture).to_be_visible()
    await expect(picture).to_have_js_property("naturalWidth", 40)
    await expect(page.locator("[data-attached] li")).to_have_count(0)


async def interrupted_while_a_file_is_sent(page: Page) -> None:
    """What was sent before is still there, and of what was not it is said."""

    async def hold(route: Route) -> None:
        """Nobody answers it."""

    await page.route("**/attachments?*", hold)
    picker = page.get_by_label("Attach pictures, PDFs or texts")
    await picker.set_input_files({"name": "half.txt", "mimeType": "text/plain", "buffer": b"half"})
    await expect(page.locator("[data-attached]")).to_contain_text("half.txt is sent")
    await page.keyboard.press("Escape")
    await expect(page.locator("[data-attached]")).to_contain_text("half.txt was not sent to its end: choose it again")
    await page.get_by_role("button", name="Leave half.txt out").click()


async def test_the_servers_of_a_session_and_their_tools_stand_beside_it(console: Console):
    http = console.person.http
    await http.post("/v1/mcp-servers", json={"name": "wiki", "url": "https://93.184.216.34/mcp"})
    opened = await http.post("/v1/sessions", json={"title": "Search", "mcp_servers": [{"server": "wiki"}]})
    assert opened.status_code == 201, opened.text
    worker = Worker(console, opened.json()["id"])
    await worker.tell(EventKind.TOOL_CALL, id="t", name="wiki__find", input={"words": "ledger", "most": 3}, turn=1)

    page = await console.open(f"/sessions/{worker.id}")

    await expect(page.locator(".use")).to_contain_text("wiki: find")
    await expect(page.locator(".use")).to_contain_text("3, ledger")
    await expect(page.get_by_role("link", name="wiki", exact=True)).to_be_visible()
    await expect(page.locator("#session-aside")).to_contain_text("Being looked at")
    await expect(page.locator("#session-aside")).to_contain_text("all tools")
    await worker.write_file("notes/plan.md", "one\ntwo\n")
    await page.get_by_role("link", name="What changed").click()
    await expect(page.locator(".panel", has_text="notes/plan.md")).to_contain_text("+2")
    await expect(page.locator(".diff .add")).to_have_text(["+one", "+two"])


async def test_a_conversation_works_without_scripts(reader: Console):
    page = await reader.open("/sessions")
    await page.get_by_label("First message").fill("<script>alert(1)</script>")
    await page.get_by_role("button", name="Open session").click()
    await page.get_by_label("Message", exact=True).fill("Second thoughts")
    await page.get_by_role("button", name="Send").click()

    await expect(page.locator(".waits")).to_have_count(2)
    await expect(page.locator(".waits").first).to_contain_text("<script>alert(1)</script>")


async def test_why_a_message_was_refused_is_in_sight_however_long_the_conversation_is(reader: Console):
    page = await reader.open("/sessions")
    await page.get_by_label("First message").fill("a long story\n" * 200)
    await page.get_by_role("button", name="Open session").click()
    await page.get_by_label("Message", exact=True).fill("   ")
    await page.get_by_role("button", name="Send").click()

    await expect(page.get_by_role("alert")).to_contain_text("There is nothing to send.")
    await expect(page.get_by_role("alert")).to_be_in_viewport()
