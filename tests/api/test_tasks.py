"""Tasks over HTTP."""

import secrets
from typing import Any

import httpx
import pytest

from tests.api.people import Organisation, Person

NEWS: dict[str, Any] = {
    "agent": "claude",
    "inputs": {"prompt": "News of {{ parameters.topic }}"},
    "parameters": {"topic": {"type": "text", "default": "tea"}},
}


async def save(person: Person, **more: Any) -> dict[str, Any]:
    answer = await person.http.post("/v1/tasks", json=NEWS | {"name": f"news {secrets.token_hex(4)}"} | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def fields(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.json()["errors"]]


async def test_a_task_is_saved_changed_run_and_deleted(acme: Organisation):
    http = acme.operator.http
    task = await save(acme.operator)
    path = f"/v1/tasks/{task['id']}"

    changed = await http.patch(path, json={"inputs": {"prompt": "{{ parameters.topic }}!"}, "version": 1})
    run = await http.post(f"{path}/run", json={"parameters": {"topic": "coffee"}})
    seen = (await http.get(f"/v1/runs/{run.json()['id']}")).json()
    runs = (await http.get(f"{path}/runs")).json()
    versions = (await http.get(f"{path}/versions")).json()["items"]
    deleted = await http.delete(path)

    assert (changed.json()["version"], run.status_code) == (2, 202)
    assert (seen["inputs"]["prompt"], seen["task"]["version"]) == ("coffee!", 2)
    assert seen["task"]["parameters"] == {"topic": "coffee"}
    assert ([each["id"] for each in runs["items"]], runs["statistics"]["runs"]) == ([seen["id"]], 1)
    assert [each["inputs"]["prompt"] for each in versions] == ["{{ parameters.topic }}!", NEWS["inputs"]["prompt"]]
    assert (deleted.status_code, (await http.get(path)).status_code) == (204, 404)
    assert (await http.post(f"{path}/run")).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"inputs": {"prompt": "{{ topic }}"}}, "inputs.prompt"),
        ({"inputs": {"prompt": "{% for a in range(9999) %}{% endfor %}"}}, "inputs.prompt"),
        ({"inputs": {}}, "inputs.prompt"),
        ({"parameters": {"topic": {"type": "colour"}}}, "parameters.topic"),
        ({"parameters": {"Topic": {}}}, "parameters.Topic"),
        ({"name": ""}, "name"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"backoff_s": 3601}, "backoff_s"),
        ({"owner": "me"}, "owner"),
    ],
)
async def test_what_could_never_run_is_refused_by_field_and_not_saved(
    acme: Organisation, wrong: dict[str, Any], field: str
):
    name = f"wrong {secrets.token_hex(4)}"
    answer = await acme.owner.http.post("/v1/tasks", json=NEWS | {"name": name} | wrong)

    assert field in fields(answer)
    assert (await acme.owner.http.get("/v1/tasks", params={"q": name})).json()["items"] == []


async def test_a_number_too_large_to_be_one_is_refused_and_not_saved(acme: Organisation):
    name = f"wrong {secrets.token_hex(4)}"
    wrong = {"name": name, "parameters": {"share": {"type": "number", "default": 10**400}}}

    answer = await acme.owner.http.post("/v1/tasks", json=NEWS | wrong)

    assert (answer.status_code, "The body is not JSON" in answer.json()["detail"]) == (422, True)
    assert (await acme.owner.http.get("/v1/tasks", params={"q": name})).json()["items"] == []


async def test_an_agent_that_does_not_exist_is_404(acme: Organisation):
    answer = await acme.owner.http.post("/v1/tasks", json=NEWS | {"name": "x", "agent": "nobody"})

    assert answer.status_code == 404


async def test_a_change_that_was_made_from_an_older_version_is_refused(acme: Organisation):
    task = await save(acme.owner)
    path = f"/v1/tasks/{task['id']}"
    await acme.owner.http.patch(path, json={"description": "one"})

    answer = await acme.owner.http.patch(path, json={"description": "two", "version": 1})

    assert answer.status_code == 409
    assert "yours was made from 1" in answer.json()["detail"]


async def test_parameters_that_do_not_fit_start_nothing(acme: Organisation):
    task = await save(acme.owner, parameters={"topic": {"type": "text"}})

    answer = await acme.owner.http.post(f"/v1/tasks/{task['id']}/run", json={"parameters": {"tpic": "x"}})

    assert fields(answer) == ["parameters.tpic", "parameters.topic"]


async def test_colleagues_read_clone_and_start_but_do_not_change(acme: Organisation):
    task = await save(acme.owner)
    http, path = acme.operator.http, f"/v1/tasks/{task['id']}"

    copy = await http.post(f"{path}/clone")

    assert (await http.get(path)).status_code == 200
    assert (copy.status_code, copy.json()["created_by"]) == (201, str(acme.operator.id))
    assert (await http.post(f"{path}/run")).status_code == 202
    assert (await http.patch(path, json={"description": "mine"})).status_code == 403
    assert (await http.delete(path)).status_code == 403
    assert (await acme.builder.http.patch(path, json={"description": "ours"})).status_code == 200


async def test_lists_go_on_by_cursor(acme: Organisation):
    mark = secrets.token_hex(4)
    ids = [(await save(acme.owner, name=f"{mark} {number}"))["id"] for number in range(3)]

    first = (await acme.owner.http.get("/v1/tasks", params={"q": mark, "limit": 2})).json()
    second = (await acme.owner.http.get("/v1/tasks", params={"q": mark, "limit": 2, "after": first["next"]})).json()

    assert [each["id"] for each in first["items"] + second["items"]] == ids[::-1]
    assert second["next"] is None
