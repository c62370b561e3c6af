"""A question is asked once, outlives its host, and holds neither driver nor thread while it is open."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.sdk.hosts import Drive, Host, running_host
from tests.sdk.log import Log, Message
from tests.sdk.places import short_folder
from windlass import TracerMock, forms

FORM = [
    {"type": "markdown", "text": "# hello from runner"},
    {"type": "boolean", "name": "continue", "label": "Continue", "value": False, "option": "CONTINUE"},
    {"type": "submit", "text": "yes"},
    {"type": "cancel", "text": "no"},
]


@pytest.fixture(scope="module")
async def asking() -> AsyncGenerator[Host]:
    """A host with the agents that ask."""
    with short_folder() as folder:
        async with running_host(folder, "asking:app") as running:
            yield running


def opened(heard: Message) -> bool:
    return heard["op"] == "event" and heard["kind"] == "question" and heard["payload"]["state"] == "open"


def parked(heard: Message) -> bool:
    return heard["op"] == "parked"


async def ask(host: Host, flow: str, inputs: Message | None = None) -> Drive:
    """A run whose question is open and whose driver has left."""
    drive = Drive(Log(), {"run_id": flow, "flow": f"/{flow}", "inputs": inputs or {}, "user_id": "ada"})
    return await drive.on(host, until=opened)


async def test_a_question_carries_its_form_and_parks_the_run(asking: Host, tmp_path: Path):
    drive = Drive(Log(), {"run_id": "parks", "flow": "/asks", "inputs": {"marks": str(tmp_path)}})

    await drive.on(asking, until=parked)
    (question,) = drive.log.of("question")

    assert drive.last["awaiting"] is True
    assert drive.last["until"] == question["expires_at"]
    assert (question["kind"], question["name"], question["data"]) == ("form", "lock-1", {"hello": "from runner"})
    assert (question["elements"], question["handled"]) == (FORM, True)


async def test_the_answer_of_an_attach_lets_a_parked_run_go_on(asking: Host, tmp_path: Path):
    drive = Drive(Log(), {"run_id": "goes on", "flow": "/asks", "inputs": {"marks": str(tmp_path)}})
    await drive.on(asking, until=parked)

    drive.log.answer("lock-1", {"phase": "lease-1"})
    await drive.on(asking)

    assert drive.value == {"dict": {"lock-result": {"phase": "lease-1"}}}
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["after", "before"]


async def test_after_a_crash_the_question_is_found_and_not_asked_again(tmp_path: Path):
    drive = Drive(Log(), {"run_id": "crash", "flow": "/asks", "inputs": {"marks": str(tmp_path)}})
    with short_folder() as folder:
        async with running_host(folder, "asking:app") as first:
            await drive.on(first, until=opened)
            await first.kill()
        async with running_host(folder, "asking:app") as second:
            await drive.on(second, until=parked)
            await second.kill()
        drive.log.answer("lock-1", "yes")
        async with running_host(folder, "asking:app") as third:
            await drive.on(third)

    assert drive.value == {"dict": {"lock-result": "yes"}}
    assert len(drive.log.of("question")) == 1
    assert (tmp_path / "before").read_text() == "x\n"


async def test_several_questions_are_told_apart(asking: Host):
    drive = await ask(asking, "asks_several")
    while len(drive.log.of("question")) < 5:
        await drive.on(asking, until=opened)

    drive.log.answer("plain", {"amount": 3})
    drive.log.answer("Which one?", {"answer": "left"})
    drive.log.answer("Which one?", {"answer": "right"}, nth=1)
    drive.log.answer("Why?", {"answer": "because"})
    drive.log.answer("Who?", {"name": "Ada"})
    await drive.on(asking)

    kinds = {question["name"]: question["kind"] for question in drive.log.of("question")}
    assert kinds == {"plain": "form", "Which one?": "ask", "Why?": "ask", "Who?": "ask"}
    assert sorted(map(str, drive.value["__list__"])) == sorted(  # type: ignore[index]
        map(
            str,
            [{"dict": {"amount": 3}}, {"str": "left"}, {"str": "right"}, {"str": "because"}, {"dict": {"name": "Ada"}}],
        )
    )


async def test_an_answer_the_handler_refuses_late_opens_the_question_again(asking: Host, tmp_path: Path):
    drive = Drive(Log(), {"run_id": "refused", "flow": "/asks", "inputs": {"marks": str(tmp_path)}})
    await drive.on(asking, until=opened)

    drive.log.answer("lock-1", unsettled=True, inputs={"name": "bad"})
    await drive.on(asking, until=opened)
    again = drive.log.of("question")[-1]
    drive.log.answer("lock-1", unsettled=True, inputs={"name": "good"})
    await drive.on(asking)

    result = {"phase": "lease-1", "inputs": {"name": "good"}}
    assert again["errors"] == {"name": ["must not be bad"], "_global_": ["not like this"]}
    assert drive.value == {"dict": {"lock-result": result}}
    assert [(each["result"], each["by"]) for each in drive.log.of("answer")] == [(result, "Ada")]


async def test_an_attached_driver_is_told_that_the_time_is_up_and_answers(asking: Host):
    drive = Drive(Log(), {"run_id": "late", "flow": "/asks_in_vain", "inputs": {"timeout": 0.3}})

    await drive.on(asking, until=lambda heard: heard["op"] == "due")
    drive.log.expire("plain")
    await drive.on(asking)

    (question,) = drive.log.of("question")
    assert drive.value == {"str": "went on"}
    assert drive.log.of("action") == [{"str": f"Lock {question['question_id']} expired at {question['expires_at']}"}]


async def test_a_question_nobody_waits_for_any_more_is_withdrawn(asking: Host):
    drive = await asking.run("/gives_up")

    assert drive.value == {"str": "went on"}
    assert [question["state"] for question in drive.log.of("question")] == ["open", "cancelled"]


@pytest.mark.parametrize(
    ("inputs", "kind", "words"),
    [
        ({"name": "nobody"}, "UnknownQuestion", "has no form named 'nobody'"),
        ({"name": "plain", "timeout": 0}, "ValueError", "more than 0 seconds"),
        ({"name": "plain", "timeout": -1}, "ValueError", "more than 0 seconds"),
    ],
)
async def test_a_question_that_nobody_could_answer_fails_at_once(asking: Host, inputs: Message, kind: str, words: str):
    drive = await asking.run("/asks_wrongly", inputs)

    assert drive.last["outcome"] == "failed"
    assert drive.last["error"]["type"] == kind
    assert words in drive.last["error"]["message"]


async def test_two_hundred_open_questions_hold_no_thread(asking: Host):
    runs = [{"run_id": f"many {n}", "flow": "/asks_wrongly", "inputs": {"name": "plain"}} for n in range(200)]
    drives = [Drive(Log(), run) for run in runs]
    before = psutil.Process(asking.pid).num_threads()

    for drive in drives:
        await drive.on(asking, until=opened)
    threads = psutil.Process(asking.pid).num_threads()
    for drive in drives:
        drive.log.answer("plain", {"amount": 1})
        await drive.on(asking)

    assert threads < before + 10  # the pool of plain handlers, not one for each that waits
    assert all(drive.value == {"dict": {"amount": 1}} for drive in drives)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (
            {"name": "x"},
            {"op": "consulted", "outcome": "taken", "result": {"phase": "lease-1", "inputs": {"name": "x"}}},
        ),
        (
            {"name": "bad"},
            {
                "op": "consulted",
                "outcome": "invalid",
                "fields": {"name": ["must not be bad"], "_global_": ["not like this"]},
            },
        ),
    ],
)
async def test_a_host_lets_its_handler_take_an_answer(asking: Host, inputs: Message, said: Message):
    run = {"run_id": "r", "flow": "/asks"}

    assert await asking.ask({"op": "lease", "run": run, "name": "lock-1", "data": {}, "inputs": inputs}) == said


@pytest.mark.parametrize("flow", ["/crew", "/team"])
async def test_a_crew_is_kicked_off_and_its_members_are_announced(asking: Host, flow: str):
    drive = await asking.run(flow, {"topic": "whales"})

    agent, task = drive.log.of("agent")
    assert drive.value == {"str": "about whales"}
    assert agent["agent"]["tools"] == [{"name": "search", "description": "Finds"}]
    assert (task["task"]["agent"], task["task"]["expected_output"]) == ("Writer", "Text")
    assert drive.log.of("action") == [{"str": "thinking"}]
    assert drive.log.of("result") == [{"str": "written"}]
    assert drive.meta["summary"] == "Launch an object by its name"


async def test_a_tracer_in_a_test_answers_as_it_is_told():
    tracer = TracerMock()
    tracer.answers["Really?"] = "yes"

    answers: list[Any] = [await tracer.ask("Really?", form=forms.Model()), await tracer.lock("other")]

    assert answers == ["yes", {}]
    assert [payload["name"] for _, payload in tracer.events] == ["Really?", "other"]
