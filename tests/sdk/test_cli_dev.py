"""`windlass dev`: one service alone, with nothing but the SDK; a change starts it anew and its runs go on."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.sdk.commands import run
from tests.sdk.test_cli_new import ENVIRONMENT

PATIENCE_S = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service to work on."""
    assert run(tmp_path, ["new", "bench"], ENVIRONMENT).code == 0
    program = tmp_path / "bench" / "app.py"
    program.write_text(
        program.read_text().replace("    forms.Submit(", '    forms.InputFiles("notes"),\n    forms.Submit(')
    )
    return tmp_path / "bench"


@pytest.fixture
def page(folder: Path) -> Iterator[httpx.Client]:
    """Its page."""
    with socket.create_server(("127.0.0.1", 0)) as some:
        port = some.getsockname()[1]
    command = [sys.executable, "-m", "windlass.cli", "dev", "--port", str(port), "--json"]
    with subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            until(lambda: "Work on a topic" in looked(client, "/"))
            yield client
        process.terminate()


def looked(client: httpx.Client, address: str) -> str:
    """What a page shows; nothing while it is not there."""
    try:
        return client.get(address).text
    except httpx.TransportError:
        return ""


def until(claim: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_is_started_asks_outlives_a_change_and_is_answered(page: httpx.Client, folder: Path):
    refused = page.post("/flows/work", data={"topic": "", "notes": "a.txt"})
    filled = {"topic": "white whales", "ask": "on", "notes": ""}  # as a browser sends a file that is left out
    run_page = page.post("/flows/work", data=filled).headers["location"]
    until(lambda: "Go on with 2 words?" in page.get(run_page).text)
    action = re.search(r"action='([^']+)'", page.get(run_page).text)
    assert action is not None

    program = folder / "app.py"
    program.write_text(program.read_text().replace("word.capitalize()", "word.upper()"))
    until(lambda: "Lives of its host: 2" in page.get(run_page).text)
    unfit = page.post(action[1], data={"answer": "perhaps"})
    answered = page.post(action[1], data={"answer": "yes"})
    until(lambda: "work: finished" in page.get(run_page).text)

    shown = page.get(run_page).text
    assert (refused.status_code, "is required" in refused.text, "takes no files" in refused.text) == (422, True, True)
    assert (unfit.status_code, answered.status_code) == (422, 303)
    assert "WHITE WHALES" in shown
    assert shown.count("collect") == 2, "started and done, once"


def test_no_other_site_reaches_it(page: httpx.Client):
    elsewhere = page.get("/", headers={"host": "evil.example:80"})
    foreign = page.post("/flows/work", data={"topic": "x"}, headers={"origin": "http://evil.example"})

    assert (elsewhere.status_code, foreign.status_code) == (403, 403)
    assert page.get("/runs/none").status_code == 404


def test_a_taken_port_is_named_with_what_to_do(folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run(folder, ["dev", "--port", port], ENVIRONMENT)

    assert ran.code == 2
    assert f"Port {port} cannot be used" in ran.err
    assert "Traceback" not in ran.err
