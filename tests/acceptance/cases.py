"""What the cases have in common: runs that are started, looked at and waited for, as a client does it."""

import json
from collections.abc import Sequence
from typing import Any

import httpx

from tests.owner import eventually
from tests.people import Person

Json = dict[str, Any]
TERMINAL = ("finished", "failed", "cancelled")
LOCK_FORM = [
    {"type": "markdown", "text": "# hello world"},
    {"type": "boolean", "name": "continue", "label": "Continue", "value": False, "option": "CONTINUE"},
    {"type": "submit", "text": "yes"},
    {"type": "cancel", "text": "no"},
]


async def read(person: Person, path: str, **query: Any) -> Json:
    """What is there. Whoever asks must be answered with it."""
    answer = await person.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def are_up(person: Person, *services: str) -> None:
    """Wait until these services run."""

    async def all_run() -> bool:
        return {(await read(person, f"/v1/services/{name}"))["state"] for name in services} == {"running"}

    await eventually(all_run)


async def started(person: Person, agent: str, **inputs: Any) -> str:
    """The id of a new run."""
    answer = await person.http.post("/v1/runs", json={"agent": agent, "inputs": inputs})
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "queued"
    return answer.json()["id"]


async def has_become(person: Person, run_id: str, *statuses: str) -> Json:
    """The run, once it is in one of these statuses."""
    found: Json = {}

    async def is_so() -> bool:
        found.update(await read(person, f"/v1/runs/{run_id}"))
        assert found["status"] in statuses or found["status"] not in TERMINAL, found
        return found["status"] in statuses

    await eventually(is_so)
    return found


async def finished(person: Person, run_id: str) -> Any:
    """What a run came to, after its end."""
    await has_become(person, run_id, "finished")
    return (await read(person, f"/v1/runs/{run_id}/result"))["value"]


async def question_of(person: Person, run_id: str) -> Json:
    """The question that a run has open, once it waits for it."""
    await has_become(person, run_id, "awaiting")
    (question,) = (await read(person, "/v1/questions", state="open", run_id=run_id))["items"]
    return question


async def answered(person: Person, question: Json, **inputs: Any) -> httpx.Response:
    """What comes of an answer."""
    return await person.http.post(f"/v1/questions/{question['id']}/answer", json={"inputs": inputs})


async def events(person: Person, run_id: str, *kinds: str) -> list[Json]:
    """The log of a run; of some kinds, or all of it."""
    query = {"kinds": ",".join(kinds)} if kinds else {}
    return (await read(person, f"/v1/runs/{run_id}/events", **query))["items"]


async def streamed(
    person: Person, run_id: str, view: str, after: int | None = None, most: int | None = None
) -> list[Json]:
    """The events of a stream to its end, or so many; `after` is the id that was seen last."""
    headers = {} if after is None else {"last-event-id": str(after)}
    found: list[Json] = []
    async with person.http.stream("GET", f"/v1/runs/{run_id}/stream?view={view}", headers=headers) as answer:
        assert answer.status_code == 200, answer
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
            if len(found) == most:
                break
    return found


async def runs_of(person: Person, **query: Any) -> Sequence[str]:
    """The ids of the runs that somebody sees, the newest first."""
    return [run["id"] for run in (await read(person, "/v1/runs", **query))["items"]]
