"""P1 to P7: a form is shown, checked and filled in, and a run comes of it or none does."""

import re

import httpx
import pytest

from tests.acceptance.cases import Json, finished, read, runs_of
from tests.people import Person

TRIVIAL = "bench/trivial"
FORM: list[Json] = [
    {"type": "markdown", "text": "# Trivial"},
    {"type": "errors"},
    {
        "type": "text",
        "name": "name",
        "label": "Name",
        "value": "x",
        "required": True,
        "placeholder": None,
        "size": None,
        "pattern": None,
    },
    {"type": "submit", "text": "GO"},
    {"type": "cancel", "text": "Cancel"},
]
NOTHING_LAUNCHED = "windlass endpoint must return a Launch object or raise an InputsError"
HTML = {"accept": "text/html"}


async def page(person: Person, path: str) -> str:
    """What a browser would show."""
    answer = await person.http.get(path, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


async def sent(person: Person, name: str) -> httpx.Response:
    """What comes of the page's form, filled in and sent off as a browser does."""
    form = (await page(person, f"/start?agent={TRIVIAL}")).partition('id="start-form"')[2].partition("</form>")[0]
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))
    return await person.http.post("/start", data={**hidden, "attempts": "1", "in-name": name}, headers=HTML)


async def test_p01_the_form_of_a_flow_is_shown_element_by_element(ada: Person):
    agent = await read(ada, f"/v1/agents/{TRIVIAL}")

    assert agent["elements"] == FORM
    assert (agent["author"], agent["organization"], agent["version"]) == ("me@example.com", "Org", "1.2.3")
    assert agent["tags"] == ["bench", "Test"]


async def test_p02_the_start_page_draws_the_form(ada: Person):
    """In the words of our own pages: a label where Kodosumi has a legend, and ids and names that never meet ours."""
    text = await page(ada, f"/start?agent={TRIVIAL}")

    assert re.search(r"<h1[^>]*>Trivial</h1>", text)
    assert re.search(
        r'<label for="[^"]+">Name</label>\s*<input type="text" [^>]*name="in-name" value="x" required>', text
    )
    assert re.search(r'<button [^>]*type="submit"[^>]*>.*?GO', text, re.DOTALL)
    assert re.search(r'<a [^>]*href="/agents/bench/trivial"[^>]*>.*?Cancel', text)


async def test_p03_a_run_is_started_by_either_address_and_finishes(ada: Person):
    """How long it takes is measured by the bench: tests assert no times."""
    wish = {"agent": TRIVIAL, "inputs": {"name": "hello"}}
    queued = await ada.http.post("/v1/runs", json=wish)
    launched = await ada.http.post(f"/-/{TRIVIAL}", json={"name": "hello"})

    assert (queued.status_code, launched.status_code) == (202, 200)
    assert launched.json()["elements"] == FORM
    for run_id in (queued.json()["id"], launched.json()["result"]):
        assert await finished(ada, run_id) == {"dict": {"ok": True, "name": "hello"}}


async def test_p04_a_required_field_left_out_is_told_and_no_run_appears(ada: Person):
    before = await runs_of(ada)

    refused = await ada.http.post("/v1/runs", json={"agent": TRIVIAL, "inputs": {}})

    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"field": "inputs.name", "message": "is required"}]
    assert await runs_of(ada) == before


async def test_p05_what_the_handler_refuses_is_told_by_field_and_as_a_whole_and_no_run_appears(ada: Person):
    before = await runs_of(ada)

    old = await ada.http.post(f"/-/{TRIVIAL}", json={"name": "bad"})
    ours = await ada.http.post("/v1/runs", json={"agent": TRIVIAL, "inputs": {"name": "bad"}})
    shown = await sent(ada, "bad")

    assert (old.status_code, ours.status_code, shown.status_code) == (200, 422, 422)
    assert old.json()["errors"] == {"name": ["name must not be bad"], "_global_": ["global message"]}
    assert {each["field"]: each["message"] for each in ours.json()["errors"]} == {
        "inputs.name": "name must not be bad",
        "inputs._global_": "global message",
    }
    for kept in ("name must not be bad", "global message", 'value="bad"'):
        assert kept in shown.text
    assert await runs_of(ada) == before


@pytest.mark.parametrize(
    ("name", "status", "detail"),
    [
        ("a dict", 400, NOTHING_LAUNCHED),
        ("a response", 400, NOTHING_LAUNCHED),
        ("no id", 400, NOTHING_LAUNCHED),
        ("an error", 500, "This is a runtime error"),
    ],
)
async def test_p06_a_handler_that_launches_nothing_is_told_and_no_run_appears(
    ada: Person, name: str, status: int, detail: str
):
    before = await runs_of(ada)

    answers = [
        await ada.http.post(f"/-/{TRIVIAL}", json={"name": name}),
        await ada.http.post("/v1/runs", json={"agent": TRIVIAL, "inputs": {"name": name}}),
    ]

    assert [answer.status_code for answer in answers] == [status, status]
    assert all(detail in answer.json()["detail"] for answer in answers)
    assert not any("Traceback" in answer.text for answer in answers)
    assert await runs_of(ada) == before


async def test_p07_a_form_sent_off_leads_to_its_run_and_one_that_is_cancelled_to_none(ada: Person):
    led = await sent(ada, "Ada")
    before = await runs_of(ada)
    await page(ada, f"/agents/{TRIVIAL}")  # where Cancel leads

    assert led.status_code == 303
    assert led.headers["location"] == f"/runs/{before[0]}"
    assert await finished(ada, before[0]) == {"dict": {"ok": True, "name": "Ada"}}
    assert await runs_of(ada) == before
