"""Prompts in desktops: a scripted model at a real screen, in a real shell; nothing is done twice."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest

from activities.deeds import NOTE
from stack.temporal import Server
from tests.desktops.machine import desk_settings, running_desk
from tests.desktops.test_tasks import Worker
from tests.parts import short_folder
from tests.workflows.engines import until
from windlass.contracts.desktops import DesktopStatus
from windlass.contracts.events import EventKind, Payload
from windlass.contracts.runs import RunStatus
from windlass.core.errors import Invalid
from windlass.core.runs import Run, StartRun


@dataclass(frozen=True, slots=True)
class Prompter(Worker):
    """A desktop of somebody, and a model that does as it is told."""

    async def ask(self, *steps: dict[str, Any], **more: Any) -> Run:
        """Queue a prompt whose answers are scripted."""
        prompt = f"Do it. <standin>{json.dumps(steps)}</standin>"
        limits = {name: more.pop(name) for name in ("max_actions", "max_cost_usd") if name in more}
        inputs = {"desktop": str(self.desktop.id), "prompt": prompt, **limits}
        return await self.desk.gateway.runs.start(self.caller, StartRun("desktop", inputs, **more))

    async def said(self, run: Run, kind: EventKind) -> list[Payload]:
        """What the run's log holds of a kind."""
        return [
            event.payload for event in await self.desk.gateway.events.read(self.caller.tenant_id, run.id, kinds=[kind])
        ]


def computer(action: str, **given: Any) -> dict[str, Any]:
    return {"tool": {"name": "computer", "input": {"action": action, **given}}}


def bash(command: str) -> dict[str, Any]:
    return {"tool": {"name": "bash", "input": {"command": command}}}


def edit(command: str, path: str, **given: Any) -> dict[str, Any]:
    return {"tool": {"name": "str_replace_based_edit_tool", "input": {"command": command, "path": path, **given}}}


@pytest.fixture(scope="module")
async def prompter(database_url: str, temporal: Server, image: str, model_url: str) -> AsyncGenerator[Prompter]:
    with short_folder() as folder:
        settings = desk_settings(folder, database_url, temporal, image).model_copy(update={"standin_url": model_url})
        async with running_desk(settings) as desk:
            caller = desk.somebody()
            yield Prompter(desk, caller, await desk.made(caller))
            await desk.delete_all()


async def test_a_model_types_into_a_terminal_runs_commands_edits_files_and_ends_in_words(prompter: Prompter):
    run = await prompter.ask(
        bash("setsid xterm -geometry 80x24+100+100 >/dev/null 2>&1 & sleep 1"),
        computer("left_click", coordinate=[300, 250]),
        computer("type", text="echo 'It works: ~!?' > typed\n"),
        computer("key", text="ctrl+l"),
        bash("until [ -s ~/typed ]; do sleep 0.1; done; cat ~/typed"),
        edit("create", "/home/worker/notes/a.txt", file_text="one\ntwo\n"),
        edit("str_replace", "/home/worker/notes/a.txt", old_str="two", new_str="three"),
        edit("view", "/home/worker/notes/a.txt"),
        {"text": "All is done."},
    )

    ended = await prompter.ended(run.id)
    results = await prompter.said(run, EventKind.TOOL_RESULT)

    assert (ended.status, ended.result, ended.error) == (
        RunStatus.FINISHED,
        {"Markdown": {"body": "All is done."}},
        None,
    )
    assert [each["outcome"] for each in results] == ["done"] * 8
    assert results[4]["text"] == "It works: ~!?"
    assert results[7]["text"].split() == ["1", "one", "2", "three"]
    assert (
        await prompter.desk.shell(prompter.desktop.id, "cat ~/notes/a.txt; ls ~/.windlass/tasks")
    ).out == b"one\nthree\n"
    line = await prompter.desk.gateway.screenshots.of_task(prompter.caller.tenant_id, prompter.desktop.id, run.id)
    assert {str(each.id) for each in line} == {each["screenshot"] for each in results if "screenshot" in each}
    assert (ended.model_calls, ended.standin) == (9, True)


async def test_what_cannot_be_done_is_said_to_the_model_and_it_goes_on(prompter: Prompter):
    run = await prompter.ask(
        computer("left_click", coordinate=[5000, 1]),
        computer("key", text="hyper+banana"),
        bash("echo before; exit 3"),
        edit("view", "/nowhere"),
        edit("view", "/etc/passwd", view_range=["first", 2]),
        {"tool": {"name": "telephone", "input": {}}},
        {"text": "I gave up."},
    )

    assert (await prompter.ended(run.id)).status is RunStatus.FINISHED
    results = await prompter.said(run, EventKind.TOOL_RESULT)
    assert [each["outcome"] for each in results] == ["failed"] * 6
    assert "1280 by 800" in results[0]["text"]
    assert results[2]["text"] == "before\nexit code 3"


async def test_what_the_desktop_knows_is_told_to_the_model(prompter: Prompter):
    script = '<standin>{"text": "I was told."}</standin>'  # in the system prompt it counts where the prompt has none
    await prompter.desk.shell(prompter.desktop.id, f"mkdir ~/skills; echo '{script}' > ~/skills/orders.md")
    skills = prompter.desk.gateway.skills
    for name in ("b", "a"):
        await skills.put(prompter.caller, name, f"The organisation's {name}.")
    inputs = {"desktop": str(prompter.desktop.id), "prompt": "What were you told?"}

    run = await prompter.desk.gateway.runs.start(prompter.caller, StartRun("desktop", inputs))
    ended = await prompter.ended(run.id)
    await prompter.desk.shell(prompter.desktop.id, "rm -r ~/skills")
    for name in ("b", "a"):
        await skills.remove(prompter.caller, name)

    assert ended.result == {"Markdown": {"body": "I was told."}}
    (told,) = await prompter.said(run, EventKind.LOG)
    assert told["text"] == "Skills: organisation/a.md, organisation/b.md, skills/orders.md"
    assert (
        told["skills"].index("organisation's a")
        < told["skills"].index("organisation's b")
        < told["skills"].index(script)
    )


async def test_a_model_may_do_so_much_and_no_more(prompter: Prompter):
    run = await prompter.ask(*(computer("mouse_move", coordinate=[n, n]) for n in range(5)), max_actions=3)

    ended = await prompter.ended(run.id)

    assert ended.error is not None
    assert ended.error["type"] == "ActionLimit"
    assert len(await prompter.said(run, EventKind.TOOL_CALL)) == 3


async def test_nothing_is_thought_that_may_cost_nothing(prompter: Prompter):
    run = await prompter.ask({"text": "never"}, max_cost_usd=0.0)

    ended = await prompter.ended(run.id)

    assert ended.error is not None
    assert (ended.error["type"], ended.model_calls) == ("CostLimit", 0)


async def test_a_person_at_the_screen_pauses_the_model_which_then_looks_again(prompter: Prompter):
    viewers = prompter.desk.gateway.viewers
    run = await prompter.ask(
        bash("touch ~/started; until [ -e ~/go-on ]; do sleep 0.05; done"),
        computer("left_click", coordinate=[10, 10]),
        computer("screenshot"),
        {"text": "I looked."},
    )
    await prompter.appears("started")
    await viewers.take(prompter.caller, prompter.desktop.id)
    await prompter.desk.shell(prompter.desktop.id, "touch ~/go-on")

    async def has_thought() -> bool:
        return len(await prompter.said(run, EventKind.MESSAGE)) == 2

    await until(has_thought)
    begun = await prompter.said(run, EventKind.TOOL_CALL)
    await viewers.give_back(prompter.caller, prompter.desktop.id, " I closed the window. ")

    assert (await prompter.ended(run.id)).status is RunStatus.FINISHED
    results = await prompter.said(run, EventKind.TOOL_RESULT)
    assert [each["name"] for each in begun] == ["bash"]
    assert [each["outcome"] for each in results] == ["done", "failed", "done"]
    assert results[1]["text"].endswith("look at the screen.\n" + NOTE.format("I closed the window."))
    assert [NOTE.format("") in each["text"] for each in (results[0], results[2])] == [False, False]


async def test_a_cancelled_prompt_stops_its_command_and_frees_the_desktop(prompter: Prompter):
    run = await prompter.ask(bash("sleep 300 & echo $! > ~/pid; touch ~/begun-by-model; wait"), {"text": "never"})
    await prompter.appears("begun-by-model")

    await prompter.desk.gateway.runs.cancel(prompter.caller, run.id)

    assert (await prompter.ended(run.id)).status is RunStatus.CANCELLED
    assert (await prompter.done("kill -0 $(cat ~/pid)")).error is not None


async def test_a_desktop_that_dies_under_a_model_is_lost_before_its_task_has_failed(prompter: Prompter):
    run = await prompter.ask(bash("kill -9 $(pidof Xtigervnc Xvnc); sleep 300"), {"text": "never"})

    ended = await prompter.ended(run.id)
    lost = await prompter.desk.gateway.desktops.get(prompter.caller, prompter.desktop.id)

    assert (lost.status, lost.reason) == (DesktopStatus.LOST, "its container ended")
    assert ended.error is not None
    assert ended.error["type"] == "DesktopLost"
    assert (await prompter.done("echo again")).status is RunStatus.FINISHED


async def test_a_task_is_a_script_or_a_prompt(prompter: Prompter):
    for work in ({}, {"script": "id", "prompt": "id"}):
        wish = StartRun("desktop", {"desktop": str(prompter.desktop.id), **work})
        with pytest.raises(Invalid, match="one of the two"):
            await prompter.desk.gateway.runs.start(prompter.caller, wish)
