"""An agent that is given passwords and treats them carelessly: what it says of them is for the platform to cover."""

import hashlib
import os
from pathlib import Path
from typing import Any, cast

from fastapi import Request

from windlass import Launch, ServeAPI, Tracer, forms

app = ServeAPI()

FORM = forms.Model(
    forms.InputText("folder", label="Where agent and test meet"),
    forms.Checkbox("twice", option="Ask for a second one"),
    forms.InputPassword("password", label="Password", required=True, min_length=4),
    forms.InputPassword("second", label="Second", visible_if={"twice": True}),
    forms.Group("doors", [forms.InputText("door"), forms.InputPassword("code", pattern=r"code .*")], label="Doors"),
    forms.Submit("Start"),
)
PIN = forms.Model(forms.InputPassword("pin", label="PIN", required=True), forms.Submit("Answer"))


def filled(password: str) -> forms.Model:
    """A form that says a password in every way it can."""
    told = forms.Group("told", [forms.InputText("before", value=password), forms.Checkbox("on", option=password)])
    choice = forms.Select("way", [forms.InputOption("one", label=password)])
    return forms.Model(forms.Markdown(password), *PIN.children, forms.InputText("as", value=password), choice, told)


@app.enter("/unlock", FORM)
async def enter_unlock(inputs: dict[str, Any], request: Request) -> Launch:
    """Decide something that has the password within it."""
    return Launch(request, unlock, {**inputs, "header": f"Bearer {inputs['password']}"})


@app.lease("checked")
def checked(inputs: dict[str, Any]) -> dict[str, str]:
    """A result made of a password."""
    return {"opened": inputs["pin"].upper()}


@app.lock("checked")
def check() -> forms.Model:
    """A question whose answers a handler takes."""
    return PIN


async def unlock(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Say all of it aloud, die once, ask for more, fail the first try; answer a hash of what was received."""
    codes = [str(each["code"]) for each in cast("list[dict[str, str]]", inputs["doors"])]
    print(f"the header is {inputs['header']}")  # noqa: T201 - that is what people do
    await tracer.action(f"signing in with {inputs['password']}")
    await tracer.debug(f"said {inputs['password']!r}")
    session = await tracer.step("sign in", sign_in, inputs["password"], codes)
    if not passed(inputs["folder"], "died"):
        os._exit(7)
    plain = await tracer.ask("pin", {"typed": [inputs["password"]]}, form=filled(inputs["password"]))
    taken = await tracer.lock("checked")
    if not passed(inputs["folder"], "failed"):
        raise ValueError(f"no entry with {inputs['header']} and {plain['pin']}")
    heard = (inputs["password"], inputs["second"], *codes, inputs["header"], *session, plain["pin"], taken["opened"])
    return hashed(*heard)


def sign_in(password: str, codes: list[str]) -> list[str]:
    """What a step gives back has it too."""
    return [f"session of {password}", *codes]


def passed(folder: str, name: str) -> bool:
    """Whether this was reached before; from now on it was."""
    mark = Path(folder) / name
    was = mark.exists()
    mark.touch()
    return was


def hashed(*words: str | None) -> str:
    """What proves that all of it was heard."""
    return hashlib.sha256("\n".join(map(str, words)).encode()).hexdigest()
