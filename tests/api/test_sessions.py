"""Sessions over HTTP: what is asked, what is answered, and what may not be. No worker is there: what is said waits."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from html import unescape
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from tests.api.people import Gateway, Organisation, Person, running_gateway, settings_for
from tests.owner import as_owner, eventually
from windlass.contracts.ids import PersonId, TenantId, new_id
from windlass.contracts.sessions import Rule
from windlass.core.approvals import Approvals, Call, Ruling
from windlass.core.callers import Caller
from windlass.core.inquiries import Inquiries
from windlass.core.permissions import ROLES, Role
from windlass.core.sessions import NewSession
from windlass.core.turns import Turns
from windlass.core.wakeup import PollOnly

KAYOS = "/compat/kayos/api/v1"


@pytest.fixture
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


async def opened(person: Person, **wish: Any) -> str:
    answer = await person.http.post("/v1/sessions", json=wish)
    assert answer.status_code == 201, answer.text
    return f"/v1/sessions/{answer.json()['id']}"


async def test_a_session_is_opened_spoken_in_read_changed_and_deleted(ada: Person):
    path = await opened(ada, system="Be brief.", budget_usd=2, metadata={"ticket": 7})
    message = {"id": str(new_id()), "content": "Hello there."}

    said = await ada.http.post(f"{path}/messages", json=message)
    again = await ada.http.post(f"{path}/query", json=message)
    changed = await ada.http.patch(path, json={"title": "Greetings", "budget_usd": 3})
    freed = [(await ada.http.patch(path, json=each)).json() for each in ({"title": "Hi"}, {"budget_usd": None})]
    page = (await ada.http.get(f"{path}/messages", params={"limit": 1})).json()
    kinds = [event["kind"] for event in (await ada.http.get(f"{path}/events")).json()["items"]]
    deleted = await ada.http.delete(path)

    assert (said.status_code, again.json()) == (202, said.json())
    assert (said.json()["turn"], said.json()["role"], said.json()["id"]) == (None, "user", message["id"])
    settings = changed.json()["settings"]
    assert (changed.json()["title"], settings["budget_usd"], settings["system"]) == ("Greetings", 3, "Be brief.")
    assert [(each["title"], each["settings"]["budget_usd"]) for each in freed] == [("Hi", 3), ("Hi", None)]
    assert ([each["content"] for each in page["items"]], page["next"]) == (["Hello there."], 2)
    assert kinds == ["status", "message"]
    assert (deleted.status_code, (await ada.http.get(path)).status_code) == (204, 404)


async def test_what_two_tabs_send_at_once_is_all_kept_and_the_same_message_once(ada: Person):
    path = await opened(ada)
    same = {"id": str(new_id()), "content": "Once.", "expected_turn": 0}
    bodies = [same, same, *({"content": f"Tab {n}.", "expected_turn": 0} for n in range(4))]

    said = await asyncio.gather(*(ada.http.post(f"{path}/messages", json=body) for body in bodies))

    other = await ada.http.post(f"{path}/messages", json={"id": same["id"], "content": "Twice."})

    kept = (await ada.http.get(f"{path}/messages")).json()["items"]
    assert [each.status_code for each in said] == [202] * 6
    assert (other.status_code, "under this id" in other.json()["detail"]) == (409, True)
    assert said[0].json()["seq"] == said[1].json()["seq"]
    assert sorted(each["content"] for each in kept) == ["Once.", *(f"Tab {n}." for n in range(4))]
    assert [each["seq"] for each in kept] == [2, 3, 4, 5, 6]


FILE = """
insert into session_file (session_id, path, tenant_id, digest, size_bytes, turn)
values ($1, $2, $3, repeat('a', 64), 1, 1)
"""


async def test_a_session_begins_with_the_files_of_another_that_its_owner_may_see(
    gateway: Gateway, acme: Organisation, ada: Person
):
    path, tenant = await opened(acme.builder), TenantId(acme.builder.tenant_id)
    source = path.rpartition("/")[2]
    async with gateway.state["database"].tenant(tenant) as connection:
        await connection.execute(FILE, UUID(source), "notes/plan.md", tenant)
    twin = await acme.builder.http.post("/v1/sessions", json={"workspace": source})
    async with gateway.state["database"].tenant(tenant) as connection:
        await connection.execute(FILE, UUID(source), "later.md", tenant)
    builder = Caller(tenant, PersonId(acme.builder.id), "Builder", Role.BUILDER, ROLES[Role.BUILDER])
    wish = NewSession(id=UUID(twin.json()["id"]), workspace=UUID(source))  # its answer got lost, so it comes again
    again = await gateway.state["engine"].sessions.open(builder, wish)
    strange = [await each.http.post("/v1/sessions", json={"workspace": source}) for each in (acme.operator, ada)]

    files = (await acme.builder.http.get(f"/v1/sessions/{twin.json()['id']}/files")).json()["items"]
    assert (twin.status_code, str(again.id)) == (201, twin.json()["id"])
    assert [(each["path"], each["turn"]) for each in files] == [("notes/plan.md", 0)]
    assert [each.status_code for each in strange] == [404, 404]


async def test_a_saved_agent_is_opened_in_the_version_it_has_then(acme: Organisation):
    name, http = f"clerk-{new_id()}", acme.builder.http
    rule = {"tool": "write", "decision": "ask", "arguments": "*ledger*"}
    saved = {"name": name, "system": "Be brief.", "tools": ["read"], "policy": [rule], "budget": {"usd": 90_000}}
    assert (await http.post("/v1/agents", json=saved)).status_code == 201
    path = await opened(acme.operator, agent=name, title="Ledger")
    cheap = await opened(acme.operator, agent=name, budget_usd=1)
    free = await opened(acme.operator, agent=name, budget_usd=None)
    await http.patch(f"/v1/agents/{name}", json={"system": "Be long."})
    second = await opened(acme.operator, agent=name)
    both = await http.post("/v1/sessions", json={"agent": name, "system": "Be mine.", "tools": []})
    await http.patch(f"/v1/agents/{name}", json={"model": "unheard-of", "budget": None})
    priceless = await opened(acme.operator, agent=name)
    dear = [
        await acme.operator.http.post("/v1/sessions", json={"agent": name, "budget_usd": 1}),
        await acme.operator.http.patch(priceless, json={"budget_usd": 1}),
    ]
    raised = [(await acme.operator.http.patch(path, json={"budget_usd": each})).status_code for each in (1e5, 1e5 + 1)]
    await http.delete(f"/v1/agents/{name}")
    gone = await http.post("/v1/sessions", json={"agent": name})

    session = (await acme.operator.http.get(path)).json()
    settings = session["settings"]
    asked = {"action": "ask", "tool": "write", "argument": None, "arguments": "*ledger*"}
    assert (session["agent"], session["agent_version"], session["title"]) == (name, 1, "Ledger")
    assert (settings["system"], settings["tools"], settings["budget_usd"]) == ("Be brief.", ["read"], 100_000)
    assert (settings["policy"], raised) == ([asked], [200, 422])
    budgets = [(await acme.operator.http.get(each)).json()["settings"]["budget_usd"] for each in (cheap, free, second)]
    assert budgets == [1, None, 90_000]
    assert (await acme.operator.http.get(second)).json()["settings"]["system"] == "Be long."
    assert (both.status_code, gone.status_code) == (422, 404)
    assert "system, tools" in both.text
    assert [(each.status_code, "nobody listed a price" in each.text) for each in dear] == [(422, True)] * 2


async def test_a_session_is_called_by_its_first_words_and_found_by_them(ada: Person):
    path = await opened(ada)
    await opened(ada, title="Another")
    await ada.http.post(f"{path}/messages", json={"content": "Where  is\nthe ledger?"})

    found = (await ada.http.get("/v1/sessions", params={"q": "LEDGER", "status": "idle"})).json()["items"]

    assert [each["title"] for each in found] == ["Where is the ledger?"]


async def test_the_page_leads_to_every_session_there_is(gateway: Gateway, ada: Person):
    await asyncio.gather(*(opened(ada, title=f"Talk {n}") for n in range(51)))
    browser = await signed_in(gateway, ada)

    first = (await browser.get("/sessions")).text
    older = unescape(re.findall(r'href="([^"]+)">Older', first)[0])
    last = (await browser.get(older)).text

    titles = [re.findall(r">(Talk \d+)<", page) for page in (first, last)]
    assert ([len(each) for each in titles], len({*titles[0], *titles[1]})) == ([50, 1], 51)
    assert (">Newest<" in last, ">Older" in last) == (True, False)
    assert (await browser.get(f"{older}x")).status_code == 400


async def test_an_archived_session_says_how_to_go_on(ada: Person):
    path = await opened(ada)
    archived = await ada.http.post(f"{path}/archive")
    refused = await ada.http.post(f"{path}/messages", json={"content": "Hello?"})
    await ada.http.post(f"{path}/resume")

    assert archived.json()["status"] == "archived"
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:windlass:problem:message-refused")
    assert "/resume" in refused.json()["detail"]
    assert (await ada.http.post(f"{path}/messages", json={"content": "Hello?"})).status_code == 202


@pytest.mark.parametrize("characters", [4, 30_000, 100_000], ids=["small", "with the form large", "large"])
async def test_an_approval_holds_for_the_very_call_that_was_shown(gateway: Gateway, ada: Person, characters: int):
    path, database, tenant = await opened(ada), gateway.state["database"], TenantId(ada.tenant_id)
    await ada.http.post(f"{path}/messages", json={"content": "Write it down."})
    session = UUID(path.rpartition("/")[2])
    turn = (await Turns(database, PollOnly()).begin(tenant, session)).number
    approvals = Approvals(database, Inquiries(database, PollOnly(), gateway.state["engine"].artifacts))
    rule, given = Rule("ask", "write"), {"path": "a\u202eb```", "content": "x" * characters}
    call = Call(tenant, session, turn, "1-1-0", "write", given)

    waits = await approvals.seek(call, rule)
    (asked,) = (await ada.http.get("/v1/questions", params={"session_id": str(session)})).json()["items"]
    await ada.http.post(f"/v1/questions/{asked['id']}/answer", json={"inputs": {"decision": "once"}})
    changed = await approvals.seek(replace(call, given=given | {"path": "b"}), rule)

    assert (waits is not None and waits.waits_s is not None, asked["data"]["input"]) == (True, given)
    assert asked["data"]["sha256"] == call.sha256
    shown = asked["elements"][0]["text"]
    assert (r"a\u202eb```" in shown, "more characters" in shown) == (True, characters > 4_000)
    assert changed == Ruling(said="It was not done: what was allowed was another call.")
    assert await approvals.seek(call, rule) == Ruling(is_allowed=True)


async def test_a_person_has_five_sessions_at_work_however_fast_they_speak(ada: Person):
    paths = [await opened(ada) for _ in range(8)]
    answers = await asyncio.gather(*(ada.http.post(f"{path}/messages", json={"content": "Go."}) for path in paths))
    (first, *_), refused = ([p for p, a in zip(paths, answers, strict=True) if a.status_code == n] for n in (202, 409))

    (said,) = (await ada.http.get(f"{first}/messages")).json()["items"]
    more = await ada.http.post(f"{first}/messages", json={"content": "And this."})
    await ada.http.delete(f"{first}/messages/{more.json()['id']}")
    await ada.http.delete(f"{first}/messages/{said['id']}")

    assert (len(refused), more.status_code) == (3, 202)
    assert "So many of your sessions are at work already" in next(a for a in answers if a.is_error).json()["detail"]
    assert (await ada.http.post(f"{refused[0]}/messages", json={"content": "Now."})).status_code == 202
    assert (await ada.http.post(f"{refused[1]}/messages", json={"content": "Now."})).status_code == 409


async def test_fifty_messages_wait_and_not_one_more(ada: Person):
    path = await opened(ada)
    answers = [await ada.http.post(f"{path}/messages", json={"content": str(n)}) for n in range(51)]

    assert [answer.status_code for answer in answers] == [202] * 50 + [409]
    assert (await ada.http.get(path)).json()["turn"] == 0
    waiting = (await ada.http.get(f"{path}/messages")).json()["items"]
    taken = await ada.http.delete(f"{path}/messages/{waiting[3]['id']}")
    assert (taken.status_code, len(waiting)) == (204, 50)
    assert (await ada.http.get(f"{path}/messages")).json()["items"][3]["is_withdrawn"]


async def signed_in(gateway: Gateway, person: Person) -> httpx.AsyncClient:
    """A browser in which somebody is signed in, and which sends forms."""
    browser, login = await gateway.browser(), {"email": person.email, "password": person.password, "web": True}
    answer = await browser.post("/v1/auth/login", json=login, headers={"origin": gateway.url})
    browser.headers.update({"origin": gateway.url, "x-csrf-token": answer.json()["csrf_token"]})
    return browser


async def written(gateway: Gateway, person: Person, path: str, content: str) -> httpx.Response:
    """What the page answers when somebody writes the same there."""
    browser = await signed_in(gateway, person)
    return await browser.post(path.removeprefix("/v1"), data={"content": content})


async def test_what_a_person_says_is_counted_over_sessions_and_gateways_and_once(database_url: str):
    few = {"WINDLASS_MESSAGES_PER_HOUR": 3}
    async with (
        running_gateway(settings_for(database_url, **few)) as here,
        running_gateway(settings_for(database_url, **few)) as there,
    ):
        ada = await here.sign_up("Ada")
        gateways = ada.http, (await there.sign_in(ada.email, ada.password)).http
        paths, message = [await opened(ada), await opened(ada)], {"id": str(new_id()), "content": "Hello."}
        first, again = [await http.post(f"{paths[0]}/messages", json=message) for http in gateways]
        more = [await http.post(f"{paths[1]}/steer", json={"content": "And."}) for http in gateways]
        refused = [await http.post(f"{paths[1]}/messages", json={"content": "And?"}) for http in gateways]
        begun = await ada.http.post("/compat/kayos/api/v1/agents/execute", json={"prompt": "Hello."})
        once_more = await ada.http.post(f"{paths[0]}/messages", json=message)
        pages = [await written(here, ada, page, "Is it?") for page in (f"{paths[1]}/messages", "/v1/sessions")]
        kept = (await ada.http.get("/v1/sessions")).json()["items"], (await ada.http.get(f"{paths[1]}/messages")).json()

    assert [each.status_code for each in (first, again, *more, once_more)] == [202] * 5
    assert first.headers["ratelimit"].endswith(', "messages";r=59;t=60, "messages-hour";r=2;t=3600')
    assert first.headers["ratelimit-policy"].endswith(', "messages";q=60;w=60, "messages-hour";q=3;w=3600')
    assert "messages" not in again.headers["ratelimit"]
    for each in (*refused, begun):
        assert (each.status_code, each.json()["type"]) == (429, "urn:windlass:problem:too-many-messages")
        assert 0 < int(each.headers["retry-after"]) <= 1200
        assert each.headers["ratelimit"].endswith('"messages-hour";r=0;t=3600')
    assert [each.status_code for each in pages] == [429, 429]
    assert all(words in pages[0].text for words in ("At most 3 messages an hour.", "Is it?"))
    assert (len(kept[0]), [each["content"] for each in kept[1]["items"]]) == (2, ["And.", "And."])


IMPOSSIBLE: tuple[dict[str, Any], ...] = (
    *({"max_tokens": 0}, {"system": "x" * 1_000_000}, {"metadata": {"x": "y" * 20_000}}, {"budget_usd": -1}),
    *({"x": 1}, {"tools": ["read", "reed"]}, {"tools": ["read", "read"]}, {"model": "unheard-of", "budget_usd": 1}),
)


async def test_what_cannot_be_a_session_is_none_and_what_says_nothing_is_not_said(ada: Person):
    answers = [await ada.http.post("/v1/sessions", json=wish) for wish in IMPOSSIBLE]
    listed = (await ada.http.get("/v1/sessions")).json()["items"]
    path, contents = await opened(ada), ("", "  \n", 7, "x" * 400_001)
    said = [await ada.http.post(f"{path}/messages", json={"content": content}) for content in contents]

    assert [each.status_code for each in answers] == [422] * 8
    assert (listed, [each.status_code for each in said]) == ([], [422] * 4)


async def test_a_large_message_is_whole_where_it_is_read(ada: Person):
    path = await opened(ada)
    content = "word " * 20_000
    await ada.http.post(f"{path}/messages", json={"content": content})

    assert (await ada.http.get(f"{path}/messages")).json()["items"][0]["content"] == content


async def test_an_operator_sees_their_own_sessions_and_a_viewer_all_and_says_nothing(acme: Organisation):
    path = await opened(acme.builder)

    assert (await acme.operator.http.get(path)).status_code == 404
    assert (await acme.viewer.http.get(path)).status_code == 200
    assert (await acme.viewer.http.post(f"{path}/messages", json={"content": "Hi."})).status_code == 403
    actions = [each["action"] for each in (await acme.owner.http.get("/v1/audit")).json()["items"]]
    assert "session.create" in actions


async def test_a_session_is_handed_over_and_who_had_it_hears_no_more(acme: Organisation):
    give, heir = acme.operator.http.post, {"person_id": str(acme.builder.id)}
    async with asyncio.timeout(30), AsyncExitStack() as stack:
        execution = await lines(stack, acme.operator, "POST", f"{KAYOS}/agents/execute", prompt="Hello there.")
        agent = orjson.loads((await anext(execution)).removeprefix("data: "))["agent_id"]
        path, topics = f"/v1/sessions/{agent}", f"/v1/stream?topics=session:{agent}"
        ways = (
            f"{path}/stream",
            topics,
            f"{KAYOS}/agents/{agent}/stream",
            f"{KAYOS}/coding_conversations/{agent}/stream",
        )
        live = [execution, *[await lines(stack, acme.operator, "GET", each) for each in ways]]
        refused = [
            (await give(f"{path}/hand-over", json={"person_id": str(each)})).status_code
            for each in (acme.viewer.id, new_id())
        ]
        given = await give(f"{path}/hand-over", json=heir)
        heard = [[line async for line in each] for each in live]  # to their ends

    assert (refused, [bool(each) for each in heard]) == ([409, 404], [True] * 5)
    assert given.json()["owner_name"] == "Builder"
    assert [
        (await acme.operator.http.get(path)).status_code,
        (await give(f"{path}/hand-over", json=heir)).status_code,
    ] == [404] * 2
    assert (await acme.builder.http.post(f"{path}/messages", json={"content": "Mine."})).status_code == 202
    (entry, *_) = (await acme.owner.http.get("/v1/audit", params={"action": "session.hand-over"})).json()["items"]
    assert (entry["before"]["owner"], entry["after"]["owner"]) == (str(acme.operator.id), str(acme.builder.id))


async def lines(stack: AsyncExitStack, person: Person, method: str, path: str, **body: Any) -> AsyncGenerator[str]:
    """What a stream tells, line by line; its head is here."""
    answer = await stack.enter_async_context(person.http.stream(method, path, json=body or None))
    assert answer.status_code == 200, await answer.aread()
    return (line async for line in answer.aiter_lines() if line.startswith("data: "))


async def test_of_two_who_are_handed_a_session_at_once_one_has_it(acme: Organisation, database_url: str):
    path = await opened(acme.operator)
    heirs = [{"person_id": str(each.id)} for each in (acme.builder, acme.admin)]
    async with as_owner(database_url) as owner, asyncio.TaskGroup() as at_once, owner.transaction():
        await owner.execute("select from stream where id = $1 for update", UUID(path.rpartition("/")[2]))
        given = [at_once.create_task(acme.operator.http.post(f"{path}/hand-over", json=each)) for each in heirs]
        await eventually(lambda: owner.fetchval("select count(*) > 1 from pg_locks where not granted"))

    assert sorted(each.result().status_code for each in given) == [200, 404]


async def test_nobody_is_handed_more_work_than_they_may_have(acme: Organisation):
    mine, theirs = await opened(acme.operator), [await opened(acme.admin) for _ in range(5)]
    for each in theirs:
        await acme.admin.http.post(f"{each}/messages", json={"content": "Go on."})
    heir = {"person_id": str(acme.admin.id)}
    assert (await acme.operator.http.post(f"{await opened(acme.operator)}/hand-over", json=heir)).status_code == 200

    await acme.operator.http.post(f"{mine}/messages", json={"content": "Go on."})
    refused = await acme.operator.http.post(f"{mine}/hand-over", json=heir)

    assert refused.status_code == 409
    assert "sessions of Admin are at work already" in refused.json()["detail"]
