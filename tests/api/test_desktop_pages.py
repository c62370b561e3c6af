"""The pages of desktops: their tasks in order, a form that gives one, and what it says when it cannot."""

import re
from urllib.parse import unquote
from uuid import UUID

import httpx
import pytest

from tests.api.machines import on_paper
from tests.api.people import Gateway, Organisation, Person
from windlass.contracts.desktops import Step
from windlass.contracts.ids import TenantId, new_id
from windlass.core.machines import Machines
from windlass.core.screenshots import Look, Screenshots
from windlass.core.wakeup import PollOnly

SCRIPT = "date > ~/when\ncat ~/when"


@pytest.fixture(autouse=True)
async def machine(gateway: Gateway) -> None:
    await on_paper(gateway.state["database"])


@pytest.fixture
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


async def made(person: Person) -> str:
    answer = await person.http.post("/v1/desktops", json={})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def give(person: Person, desktop_id: str, task: str, title: str = "", kind: str = "script") -> httpx.Response:
    """Send the form of the page."""
    form = {"task": task, "title": title, "kind": kind}
    return await person.http.post(f"/desktops/{desktop_id}/tasks", data=form, headers={"accept": "text/html"})


async def page(person: Person, path: str) -> str:
    answer = await person.http.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_script_is_given_seen_and_cancelled(ada: Person):
    desktop_id = await made(ada)

    answers = [await give(ada, desktop_id, SCRIPT, title) for title in ("First", "Second")]
    runs = (await ada.http.get(f"/v1/desktops/{desktop_id}/tasks")).json()["items"]
    shown = await page(ada, f"/desktops/{desktop_id}")
    everywhere = await page(ada, "/desktops")
    cancelled = await ada.http.post(f"/desktops/{desktop_id}/tasks/{runs[0]['id']}/cancel")

    assert [answer.status_code for answer in answers] == [303, 303]
    assert [(run["title"], run["inputs"]["script"]) for run in runs] == [("Second", SCRIPT), ("First", SCRIPT)]
    assert shown.index(">First<") < shown.index(">Second<")
    assert "0 at work, 2 waiting" in shown
    assert "date &gt; ~/when" in shown
    assert f'href="/desktops/{desktop_id}"' in everywhere[everywhere.index('id="tasks"') :]
    assert cancelled.status_code == 303
    assert "cancelled by Ada" in await page(ada, f"/desktops/{desktop_id}")


async def test_a_task_may_be_given_in_words(ada: Person):
    desktop_id = await made(ada)

    answer = await give(ada, desktop_id, "Fill in the form", kind="prompt")

    (run,) = (await ada.http.get(f"/v1/desktops/{desktop_id}/tasks")).json()["items"]
    assert (answer.status_code, run["inputs"]["prompt"]) == (303, "Fill in the form")
    assert "Fill in the form" in await page(ada, f"/desktops/{desktop_id}")


@pytest.mark.parametrize("kind", ["script", "prompt"])
async def test_an_empty_task_comes_back_with_the_reason(ada: Person, kind: str):
    desktop_id = await made(ada)

    answer = await give(ada, desktop_id, "    ", "Mine", kind)

    assert answer.status_code == 409
    assert 'value="Mine"' in answer.text
    assert f'value="{kind}" selected' in answer.text
    assert (await ada.http.get(f"/v1/desktops/{desktop_id}/tasks")).json()["items"] == []


async def test_only_its_owner_is_offered_the_form(acme: Organisation):
    desktop_id = await made(acme.builder)

    mine, theirs = (
        await page(acme.builder, f"/desktops/{desktop_id}"),
        await page(acme.viewer, f"/desktops/{desktop_id}"),
    )
    refused = await give(acme.admin, desktop_id, "id")
    await acme.builder.http.delete(f"/v1/desktops/{desktop_id}")

    assert ("Give it a task" in mine, "Give it a task" in theirs) == (True, False)
    assert refused.status_code == 404


async def test_a_task_of_the_list_may_be_a_desktops(ada: Person):
    desktop_id = await made(ada)
    wish = {"name": "nightly", "agent": "desktop", "inputs": {"desktop": desktop_id, "script": "date"}}

    task = (await ada.http.post("/v1/tasks", json=wish)).json()
    run = await ada.http.post(f"/v1/tasks/{task['id']}/run", json={})

    assert run.status_code == 202, run.text
    assert [each["title"] for each in (await ada.http.get(f"/v1/desktops/{desktop_id}/tasks")).json()["items"]] == [
        "nightly"
    ]


async def test_the_grid_says_how_many_more_one_may_have_and_has_all_screens_looked_at(ada: Person):
    await made(ada)

    two = await page(ada, "/desktops")
    for _ in range(2):
        await made(ada)
    none = await page(ada, "/desktops")
    looked = await ada.http.post("/desktops/look", headers={"accept": "text/html"})

    assert "2 of 3 left for you" in two
    assert 'href="#new"' in two
    assert "delete one to make another" in none
    assert 'href="#new"' not in none
    assert "left for you" not in await page(ada, "/desktops?status=starting")
    assert (looked.status_code, unquote(looked.cookies["windlass_toast"])) == (303, "No desktop is on")


async def test_a_desktop_that_starts_shows_what_it_has_come_to(gateway: Gateway, ada: Person):
    database = gateway.state["database"]
    desktop_id, machines = await made(ada), Machines(database, gateway.state["jobs"], PollOnly())
    tenant_id = TenantId(ada.tenant_id)
    before = await page(ada, f"/desktops/{desktop_id}")

    for step in (Step.PLACED, Step.MADE):
        await machines.step(tenant_id, UUID(desktop_id), 0, step)
    await machines.step(tenant_id, UUID(desktop_id), 7, Step.UP)  # of a container that is nobody's
    pages = [await page(ada, path) for path in ("/desktops", f"/desktops/{desktop_id}")]
    async with database.tenant(tenant_id) as connection:
        await connection.execute("update desktop set changed_at = clock_timestamp()")  # started anew
    anew = await page(ada, f"/desktops/{desktop_id}")

    shapes = [re.findall(r'<ol class="stages">.*?</ol>', text, re.DOTALL)[0] for text in (before, *pages, anew)]
    found = [re.findall(r"#(finished|starting|queued)\b", text) for text in shapes]
    nothing = ["starting", "queued", "queued", "queued"]
    assert found == [nothing, *2 * [["finished", "finished", "starting", "queued"]], nothing]


async def test_whoever_would_like_a_screen_asks_for_it(gateway: Gateway, acme: Organisation):
    desktop_id = await made(acme.builder)
    async with gateway.state["database"].tenant(TenantId(acme.id)) as connection:
        await connection.execute("update desktop set status = 'idle' where id = $1", UUID(desktop_id))
    path = f"/v1/desktops/{desktop_id}"
    early = await acme.admin.http.post(f"{path}/askback")
    await acme.builder.http.post(f"{path}/takeover")
    own = await acme.builder.http.post(f"{path}/askback")
    denied = await acme.viewer.http.post(f"{path}/askback")
    offered = await page(acme.admin, "/desktops")

    asked = await acme.admin.http.post(f"/desktops/{desktop_id}/askback", headers={"accept": "text/html"})
    again = (await acme.admin.http.post(f"{path}/askback")).json()
    told = await page(acme.builder, f"/desktops/{desktop_id}")
    events = (await acme.admin.http.get(f"{path}/events")).json()["items"]
    html = {"accept": "text/html"}
    await acme.builder.http.post(f"/desktops/{desktop_id}/giveback", data={"note": "Mind <b>tabs</b>"}, headers=html)
    log = await page(acme.builder, f"/desktops/{desktop_id}")
    too_long = await acme.builder.http.post(f"{path}/giveback", json={"note": "x" * 2001})
    await acme.builder.http.post(f"{path}/takeover")
    after = (await acme.admin.http.get(path)).json()
    await acme.builder.http.delete(path)

    assert (early.status_code, own.status_code, denied.status_code, asked.status_code) == (409, 409, 403, 303)
    assert "Ask to give back" in offered
    assert "Admin asks you to give the screen back." in told
    assert "Builder gave the screen back: Mind &lt;b&gt;tabs&lt;/b&gt;" in log
    assert too_long.status_code == 422
    assert [each["payload"].get("reason") for each in events].count("Admin asks for the screen") == 1
    assert (again["asked_name"], after["asked_name"]) == ("Admin", "")


async def test_a_camera_says_for_how_long_it_looks_at_nothing_anew(gateway: Gateway, ada: Person):
    database, desktop_id, tenant_id = gateway.state["database"], UUID(await made(ada)), TenantId(ada.tenant_id)
    starts = await page(ada, "/desktops")
    async with database.tenant(tenant_id) as connection:
        await connection.execute("update desktop set status = 'idle'")
    shots = Screenshots(database, PollOnly())
    begun = await shots.begin(tenant_id, desktop_id, Look("0" * 64, 1280, 800))
    assert begun is not None
    await shots.finish(tenant_id, desktop_id, begun.id, 9)
    async with database.tenant(tenant_id) as connection:
        await connection.execute("update screenshot set last_at = last_at - interval '9 seconds'")

    seen = await page(ada, "/desktops")
    asked = await ada.http.post(f"/desktops/{desktop_id}/look", headers={"accept": "text/html"})
    nobodys = await ada.http.post(f"/desktops/{new_id()}/look", headers={"accept": "text/html"})

    ring = re.search(r'stroke-dasharray="(\d+) 30"/></svg></span><span class="num">(\d+)s<', seen)
    assert ring is not None
    assert ring[1] == ring[2]
    assert 0 < int(ring[1]) <= 21
    assert "data-cools" not in starts
    assert "1 seen less than 30s ago" in unquote(asked.cookies["windlass_toast"])
    assert nobodys.status_code == 404
