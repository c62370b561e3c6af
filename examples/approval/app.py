"""An agent that asks before it goes on, as it was written for Kodosumi: only the import lines were changed."""

import asyncio
from typing import Any

from fastapi import Request

import windlass.forms as F
from windlass import InputsError, Launch, ServeAPI, Tracer

app = ServeAPI()

start_model = F.Model(
    F.Markdown("""
    # Approval
    The agent works a little, asks you, and works on.
    """),
    F.Errors(),
    F.InputText(label="Name", name="name", placeholder="Enter your name", required=True),
    F.Checkbox(label="Active", name="active", option="ACTIVE"),
    F.Submit("Submit"),
    F.Cancel("Cancel"),
)


@app.enter(
    path="/",
    model=start_model,
    summary="Approval",
    description="Asks a person in the middle of its work.",
    tags=["Test", "Lock"],
    author="me@example.com",
    version="1.0.0",
    organization="Example",
)
async def enter(request: Request, inputs: dict[str, Any]) -> Launch:
    """Refuse a bad name, launch everything else."""
    error = InputsError()
    if inputs.get("name") == "bad":
        error.add(name="name must not be bad")
        error.flash("that is not how we begin")
    if error.has_errors():
        raise error
    return Launch(request, "app:runner", inputs=inputs)


@app.lock("lock-1")
async def lock_one(data: dict[str, Any]) -> F.Model:
    """The form that interrupts the agent."""
    return F.Model(
        F.Markdown(f"# hello world\nThe agent has {data['found']} things to say."),
        F.Errors(),
        F.InputNumber(label="How many of them", name="count", min_value=1, max_value=10, required=True),
        F.Checkbox(label="Continue", name="continue", option="CONTINUE"),
        F.Submit("yes"),
        F.Cancel("no"),
    )


@app.lease("lock-1")
async def lease_one(data: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """What the answer amounts to."""
    if inputs["count"] > data["found"]:
        raise InputsError(count=f"there are only {data['found']}")
    return {"phase": "lease-1", "count": inputs["count"], "continue": inputs["continue"]}


async def runner(inputs: dict[str, Any], tracer: Tracer) -> dict[str, Any]:
    """Work, ask, work on."""
    await tracer.debug("this is a debug message")
    print("this is stdout")
    things = [f"{inputs['name']} {word}" for word in ("reads", "writes", "rests")]
    await asyncio.sleep(0.1)
    answer = await tracer.lock("lock-1", data={"found": len(things)})
    await tracer.markdown("\n".join(f"- {thing}" for thing in things[: answer["count"]]))
    return {"lock-result": answer}
