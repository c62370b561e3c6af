"""The dashboard over HTTP and at the command line."""

from pathlib import Path

import pytest

from tests.api.people import Gateway, Organisation
from tests.api.terminals import Terminal


async def test_an_operator_reads_the_dashboard_of_their_own_runs(gateway: Gateway):
    acme = await gateway.organisation("Dashboards")
    wish = {"agent": "claude", "inputs": {"prompt": "hi"}, "title": "Theirs"}
    assert (await acme.builder.http.post("/v1/runs", json=wish)).status_code == 202

    for person, seen in ((acme.viewer, ["Theirs"]), (acme.operator, [])):
        answer = await person.http.get("/v1/dashboard?span=7d")
        shown = answer.json()
        assert (answer.status_code, shown["span"], len(shown["parts"])) == (200, "7d", 28)
        assert [run["title"] for run in shown["running"]] == seen
        assert sum(shown["live"].values()) == len(seen)
    assert shown["total"] == {
        **{"ended": 0, "finished": 0, "failed": 0, "cancelled": 0, "success_rate": None},
        **{part: {"p50_s": None, "p95_s": None} for part in ("queue", "run")},
    }


@pytest.mark.parametrize("query", ["span=1y", "span=", "since=yesterday"])
async def test_a_span_that_nobody_counts_is_a_problem(acme: Organisation, query: str):
    answer = await acme.owner.http.get(f"/v1/dashboard?{query}")

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_the_command_prints_what_is_at_work(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    owner = await gateway.sign_up("Dora")
    terminal = Terminal.of(gateway, owner, monkeypatch, tmp_path, "dashboard")
    await owner.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "hi"}, "title": "[b]Tea[/b]"})

    printed = (await terminal.run("--span", "30d")).out

    assert printed.startswith("1 at work. Last 30d: 0 finished, 0 failed, 0 cancelled")
    assert "[b]Tea[/b]" in printed
    assert (await terminal.read())["live"] == {"queued": 1}
