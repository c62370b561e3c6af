"""Agents that ask people; run by real hosts in the tests."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Request

from windlass import InputsError, Launch, ServeAPI, Tracer, forms

app = ServeAPI()
Agent = Callable[..., Any]


def flow(agent: Agent) -> Agent:
    """Serve an agent under its own name, with whatever inputs it gets."""

    async def enter(request: Request) -> Launch:
        return Launch(request, agent, await request.json())

    app.enter(f"/{agent.__name__}", forms.Model(forms.Submit("Go")), summary=agent.__name__)(enter)
    return agent


@app.lock("lock-1")
async def lock_1(data: dict[str, Any]) -> forms.Model:
    """The form of Kodosumi's example."""
    return forms.Model(
        forms.Markdown(f"# hello {data['hello']}"),
        forms.Checkbox("continue", option="CONTINUE", label="Continue"),
        forms.Submit("yes"),
        forms.Cancel("no"),
    )


@app.lease("lock-1")
def lease_1(inputs: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Takes every answer but a bad one."""
    if inputs.get("name") == "bad":
        raise InputsError("not like this", name="must not be bad")
    return {"phase": "lease-1", "inputs": inputs}


@app.question("plain")
def plain(request: Request) -> forms.Model:
    """A form whose inputs are the answer."""
    return forms.Model(forms.InputNumber("amount", required=True), forms.InputText("by", value=request.state.user))


@flow
async def asks(inputs: dict[str, Any], tracer: Tracer) -> dict[str, Any]:
    """A step, a question, a step."""
    await tracer.step("before", mark, inputs["marks"], "before")
    answer = await tracer.lock("lock-1", data={"hello": "from runner"}, timeout=inputs.get("timeout"))
    await tracer.step("after", mark, inputs["marks"], "after")
    return {"lock-result": answer}


def mark(folder: str, name: str) -> str:
    """Leave a mark for this execution."""
    with (Path(folder) / name).open("a") as file:
        file.write("x\n")
    return name


@flow
async def asks_several(tracer: Tracer) -> list[Any]:
    """Several at once, one of them twice."""
    return list(
        await asyncio.gather(
            tracer.ask("plain"),
            tracer.ask("Which one?", options=["left", "right"]),
            tracer.ask("Which one?", options=["left", "right"]),
            tracer.ask("Why?"),
            tracer.ask("Who?", form=forms.Model(forms.InputText("name", required=True))),
        )
    )


@flow
async def asks_in_vain(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Nobody answers in time; the agent goes on."""
    try:
        await tracer.lock("plain", timeout=inputs["timeout"])
    except TimeoutError as late:
        await tracer.action(str(late))
    return "went on"


@flow
async def gives_up(tracer: Tracer) -> str:
    """Want no answer after all."""
    try:
        async with asyncio.timeout(0.2):
            await tracer.lock("plain")
    except TimeoutError:
        await tracer.action("gave up")
    return "went on"


@flow
async def asks_wrongly(inputs: dict[str, Any], tracer: Tracer) -> Any:
    """A name nobody knows, or a time that cannot be."""
    return await tracer.lock(inputs["name"], timeout=inputs.get("timeout"))


class Worker:
    """A member of a crew, or a tool, or a task: whatever has these names."""

    def __init__(self, **facts: Any) -> None:
        self.__dict__.update(facts)


class Crew:
    """What CrewAI's crews look like from outside."""

    def __init__(self) -> None:
        tool = Worker(name="search", description="Finds")
        self.agents = [Worker(role="Writer", goal="Write", backstory="Long", tools=[tool])]
        self.tasks = [
            Worker(name="write", description="Write it", expected_output="Text", agent=self.agents[0], tools=[])
        ]
        self.step_callback = self.task_callback = print

    def kickoff(self, inputs: dict[str, Any]) -> str:
        """Work, without an await."""
        raise NotImplementedError(f"nobody awaits {inputs}")

    async def kickoff_async(self, inputs: dict[str, Any]) -> str:
        """Work."""
        await asyncio.to_thread(self.step_callback, "thinking")
        self.task_callback("written")
        return f"about {inputs['topic']}"


class Team:
    """A crew class as `CrewBase` makes them."""

    is_crew_class = True

    def crew(self) -> Crew:
        """The crew."""
        return Crew()


crew = Crew()


@app.enter("/crew", forms.Model(forms.InputText("topic")))
async def enter_crew(inputs: dict[str, Any], request: Request) -> Launch:
    """Launch an object by its name."""
    return Launch(request, "asking:crew", inputs)


@app.enter("/team", forms.Model(forms.InputText("topic")))
async def enter_team(inputs: dict[str, Any], request: Request) -> Launch:
    """Launch a class, described by another handler."""
    return Launch(request, Team, inputs, reference=enter_crew)
