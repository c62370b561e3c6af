"""The changes of the list of runs, over HTTP and at the command line."""

from pathlib import Path

import pytest

from tests.api.people import Gateway, Organisation
from tests.api.terminals import Terminal

WISH = {"agent": "claude", "inputs": {"prompt": "hi"}, "title": "Tea"}


async def test_a_client_follows_the_list_from_cursor_to_cursor(
    gateway: Gateway, acme: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    owner = await gateway.sign_up("Follower")
    terminal = Terminal.of(gateway, owner, monkeypatch, tmp_path, "run")
    first = (await owner.http.get("/v1/runs/changes")).json()
    run = (await owner.http.post("/v1/runs", json=WISH)).json()

    begun = (await owner.http.get("/v1/runs/changes", params={"since": first["cursor"]})).json()
    by_command = await terminal.say("changes", "--since", first["cursor"])
    quiet = await terminal.read("changes", "--since", begun["cursor"])
    foreign = await acme.owner.http.get("/v1/runs/changes", params={"since": first["cursor"]})

    assert (first["items"], first["deleted"], first["is_more"]) == ([], [], False)
    assert [(each["id"], each["title"]) for each in begun["items"]] == [(run["id"], "Tea")]
    assert run["id"] in by_command
    assert (quiet["items"], quiet["deleted"]) == ([], [])
    assert (foreign.status_code, (await owner.http.get("/v1/runs/changes?since=x")).status_code) == (400, 400)
