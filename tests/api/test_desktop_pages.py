"""The pages of desktops: their tasks in order, a form that gives one, and what it says when it cannot."""

import httpx
import pytest

from tests.api.machines import on_paper
from tests.api.people import Gateway, Organisation, Person

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
