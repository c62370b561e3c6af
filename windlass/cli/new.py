"""`windlass new`: a service to start from, with a test that passes."""

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from windlass.cli.screen import AsJson, print_outcome

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

APP = '''"""What {name} does."""

from typing import Any

from fastapi import Request

from windlass import Launch, ServeAPI, Tracer, forms

app = ServeAPI()

FORM = forms.Model(
    forms.Markdown("# {title}"),
    forms.InputText("topic", label="Topic", required=True),
    forms.Checkbox("ask", option="Ask me before it goes on", label="Careful"),
    forms.Submit("Start"),
    forms.Cancel("Cancel"),
)


@app.enter("/work", FORM, tags=["{name}"])
async def enter(inputs: dict[str, Any], request: Request) -> Launch:
    """Work on a topic.

    Every step is done once, whatever crashes; a question waits for its answer as long as it takes.
    """
    return Launch(request, work, inputs)


async def work(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Collect, ask if wanted, write."""
    words = await tracer.step("collect", collect, inputs["topic"])
    if inputs["ask"]:
        answer = await tracer.ask(f"Go on with {{len(words)}} words?", options=["yes", "no"])
        if answer == "no":
            return "stopped"
    return await tracer.step("write", write, words)


def collect(topic: str) -> list[str]:
    """Something that takes time and must not be done twice."""
    return topic.split()


async def write(words: list[str]) -> str:
    """The result."""
    return " ".join(word.capitalize() for word in words)
'''

TEST = '''"""The agent without any server: `python -m pytest`."""

import asyncio

from app import work

from windlass import TracerMock


def test_it_writes_what_it_was_told():
    answer = asyncio.run(work({{"topic": "white whales", "ask": False}}, TracerMock()))

    assert answer == "White Whales"


def test_it_stops_when_told_so():
    tracer = TracerMock()
    tracer.answers["Go on with 2 words?"] = "no"

    answer = asyncio.run(work({{"topic": "white whales", "ask": True}}, tracer))

    assert answer == "stopped"
'''

README = """# {name}

A service for Windlass.

Alone, with its form on a page and anew at every change, without any server:

    windlass dev

With a server:

    windlass service add {name} --project . --app app:app
    windlass run start {name}/work topic="white whales" --watch

Its tests, with pytest (`python -m pip install pytest`):

    python -m pytest
"""

FILES = {"app.py": APP, "test_app.py": TEST, "README.md": README}


def new(
    name: Annotated[str, typer.Argument(help="Short and lower case; it becomes the folder and the service.")],
    folder: Annotated[Path, typer.Option("--in", help="Where to make it.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Make a folder with a working service and its test."""
    if not NAME.fullmatch(name):
        raise typer.BadParameter(f"{name!r} is no name: lower-case letters, digits, - and _, at most 63.")
    home = folder / name
    try:
        home.mkdir(parents=True)
    except FileExistsError as taken:
        raise typer.BadParameter(f"{home} is there already; nothing was changed.") from taken
    title = name.replace("-", " ").replace("_", " ").capitalize()
    for file, text in FILES.items():
        (home / file).write_text(text.format(name=name, title=title))
    place = shlex.quote(str(home.resolve()))  # the lines work from wherever the one before has led
    following = (
        f"cd {place} && windlass dev",
        f"windlass service add {name} --project {place} --app app:app",
        f'windlass run start {name}/work topic="white whales" --watch',
    )
    said = "\n  ".join((f"Made {home}. Next:", *following))
    print_outcome({"folder": str(home), "files": sorted(FILES), "next": following}, said, as_json=as_json)
