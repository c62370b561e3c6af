"""P10 to P13: an agent asks, somebody answers, and the run goes on with the answer."""

from uuid import uuid4

import httpx

from tests.acceptance.cases import LOCK_FORM, Json, answered, events, finished, has_become, question_of, read, started
from tests.people import Person


async def test_p10_a_lock_opens_and_shows_its_form(ada: Person):
    run_id = await started(ada, "a/root", name="Ada")

    question = await question_of(ada, run_id)
    of_the_run = (await read(ada, f"/v1/runs/{run_id}/questions"))["items"]

    assert (question["kind"], question["name"], question["data"]) == ("form", "lock-1", {"hello": "from runner"})
    assert question["elements"] == LOCK_FORM
    assert [each["id"] for each in of_the_run] == [question["id"]]
    await answered(ada, question)


async def test_p11_an_unknown_lock_and_one_of_another_organisation_are_the_same_answer(ada: Person, stranger: Person):
    run_id = await started(ada, "a/root", name="Ada")
    question = await question_of(ada, run_id)
    unknown = str(uuid4())
    addresses = (f"/v1/questions/{unknown}", f"/v1/questions/{question['id']}")

    nowhere = await ada.http.get(f"/v1/runs/{unknown}/questions")
    not_there, not_theirs = [await stranger.http.get(path) for path in addresses]
    answers = [await stranger.http.post(f"{path}/answer", json={"inputs": {}}) for path in addresses]

    assert nowhere.status_code == 404
    for one, other in ((not_there, not_theirs), answers):
        assert (one.status_code, other.status_code) == (404, 404)
        assert told(other, question["id"]) == told(one, unknown)
    await answered(ada, question)


def told(answer: httpx.Response, id: str) -> Json:
    """What a problem says, but for the id that was asked for and that of the request."""
    return {name: str(said).replace(id, "…") for name, said in answer.json().items() if name != "request_id"}


async def test_p12_an_answer_is_taken_once_and_becomes_the_result(ada: Person):
    run_id = await started(ada, "a/root", name="Ada")
    question = await question_of(ada, run_id)

    taken = await answered(ada, question, name="Test User", active="off")
    again = await answered(ada, question, name="Somebody else")
    result = {"phase": "lease-1", "inputs": {"name": "Test User", "active": "off", "continue": False}}

    assert (taken.status_code, taken.json()["result"]) == (200, result)
    assert await finished(ada, run_id) == {"dict": {"lock-result": result}}
    assert again.status_code == 409
    assert (await read(ada, f"/v1/questions/{question['id']}"))["result"] == result


async def test_p13_the_question_is_told_before_its_answer(ada: Person):
    run_id = await started(ada, "a/root", name="Ada")
    question = await question_of(ada, run_id)
    await answered(ada, question, **{"continue": "on"})
    await has_become(ada, run_id, "finished")

    asked, told = await events(ada, run_id, "question", "answer")

    assert (asked["kind"], told["kind"]) == ("question", "answer")
    assert asked["payload"]["question_id"] == told["payload"]["question_id"] == question["id"]
    assert told["payload"]["name"] == "lock-1"
    assert told["payload"]["result"] == {"phase": "lease-1", "inputs": {"continue": True}}
