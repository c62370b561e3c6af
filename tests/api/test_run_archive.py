"""Many runs out of the lists at once, over HTTP and at the command line."""

from pathlib import Path

import pytest

from tests.api.people import Gateway, Organisation
from tests.api.terminals import Terminal
from windlass.contracts.ids import new_id

WISH = {"agent": "claude", "inputs": {"prompt": "hi"}, "title": "Tea", "tags": ["old"]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": ["x"]},
        {"ids": [str(new_id())] * 501},
        {"ids": [str(new_id())], "filter": {}},
        {"filter": {"status": ["done"]}},
        {"filter": {"task": "x"}},
    ],
)
async def test_a_wish_that_names_no_runs_is_a_problem(acme: Organisation, body: object):
    answer = await acme.operator.http.post("/v1/runs/archive", json=body)

    assert answer.status_code == 422


async def test_who_only_looks_archives_nothing(acme: Organisation):
    answer = await acme.viewer.http.post("/v1/runs/archive", json={"filter": {}})

    assert answer.status_code == 403


async def test_the_command_names_what_stays(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    owner = await gateway.sign_up("Archie")
    terminal = Terminal.of(gateway, owner, monkeypatch, tmp_path, "run")
    run = (await owner.http.post("/v1/runs", json=WISH)).json()
    unknown = str(new_id())

    by_tag = await terminal.say("archive", "--tag", "old")
    by_id = await terminal.read("archive", run["id"], unknown)

    assert by_tag == f"0 out of the lists, 1 stay.\n  {run['id']}  Tea  It is queued: cancel it first.\n"
    assert [each["id"] for each in by_id["refused"]] == [run["id"], unknown]
    assert (await terminal.run("archive")).code == 2
