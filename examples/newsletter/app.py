"""A form of many kinds and an agent in a thread, as it was written for Kodosumi: only the import lines were changed."""

from datetime import date
from typing import Any

from fastapi import Request

from windlass import Launch, ServeAPI, Tracer
from windlass.errors import InputsError
from windlass.forms import (
    HR,
    Checkbox,
    Errors,
    InputArea,
    InputDate,
    InputEmail,
    InputNumber,
    InputOption,
    Markdown,
    Model,
    Select,
    Submit,
)
from windlass.response import HTML

app = ServeAPI(title="Newsletter")

form = Model(
    Markdown("# Newsletter"),
    Errors(),
    InputEmail(label="To", name="to", required=True),
    Select(
        label="Tone",
        name="tone",
        option=[InputOption(name="plain", label="Plain", value=True), InputOption(name="warm", label="Warm")],
    ),
    InputDate(label="Send on", name="day"),
    InputNumber(label="At most so many paragraphs", name="most", value=3, min_value=1, max_value=9, step=1),
    InputArea(label="Notes, one a line", name="notes", required=True, rows=6, max_length=2000),
    HR(),
    Checkbox(label="Greeting", name="greet", option="with a greeting", value=True),
    Submit("Write it"),
)


@app.enter("/write", form, summary="Newsletter", tags=["Example"])
def enter(inputs: dict[str, Any], request: Request) -> Launch:
    """Look once more at what only we can know, then launch."""
    if inputs["day"] and date.fromisoformat(inputs["day"]).weekday() >= 5:
        raise InputsError(day="nobody reads on a weekend")
    return Launch(request, write, inputs=inputs, reference=enter)


def write(inputs: dict[str, Any], tracer: Tracer) -> HTML:
    """Write paragraph by paragraph; a plain function, so it runs in a thread."""
    paragraphs: list[str] = []
    for note in [line for line in inputs["notes"].splitlines() if line][: inputs["most"] or 9]:
        tracer.action_sync({"writing about": note})
        paragraphs.append(f"{note.capitalize()}{'!' if inputs['tone'] == 'warm' else '.'}")
        tracer.result_sync(paragraphs[-1])
    greeting = f"<p>Dear {inputs['to']},</p>" if inputs["greet"] else ""
    return HTML(greeting, *[f"<p>{each}</p>" for each in paragraphs])


@app.get("/about", entry=True, author="me@example.com")
async def about() -> dict[str, str]:
    """A plain route beside the flow."""
    return {"service": app.title}
