"""Files of somebody's machine, given to a run on the command line."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.people import Gateway
from tests.api.terminals import Terminal
from tests.api.test_flows import FLOW, Kept, kept
from windlass.client.errors import ApiError
from windlass.contracts.ids import new_id
from windlass.core.wanted import HostFacts

__all__ = ["kept"]

FORM: list[dict[str, Any]] = [
    {"type": "text", "name": "path"},
    {"type": "file", "name": "report"},
    {"type": "file", "name": "docs", "multiple": True},
]


@pytest.fixture
async def terminal(kept: Kept, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The commands about runs, beside three files, of somebody whose service takes some."""
    flows = [{**FLOW, "name": "sort", "elements": FORM}]
    facts = HostFacts(new_id().hex, 7, kept.node, 1)
    await kept.wanted.record_up(kept.service, facts, {"isolation": "shared", "flows": flows})
    for name in ("a.pdf", "b.pdf", "plain"):
        (tmp_path / name).write_bytes(b"\xff\xfe")
    monkeypatch.chdir(tmp_path)
    return Terminal.of(gateway, kept.house.owner, monkeypatch, tmp_path / "config", "run")


async def files_of(kept: Kept, run_id: str) -> list[str]:
    answer = await kept.house.owner.http.get(f"/v1/runs/{run_id}/files", params={"below": "in"})
    return [each["path"] for each in answer.json()["items"]]


@pytest.mark.parametrize("words", [("report=a.pdf",), ("report=@a.pdf",), ("report=plain",)])
async def test_a_file_that_is_given_for_a_field_for_files_is_sent_with_the_run(
    kept: Kept, terminal: Terminal, words: tuple[str, ...]
):
    name = words[0].partition("=")[2].removeprefix("@")

    started = await terminal.read("start", "texts/sort", *words, "path=b.pdf")

    assert started["inputs"] | {"docs": None} == {"report": [name], "path": "b.pdf", "docs": None}
    assert await files_of(kept, started["id"]) == [f"in/{name}"]


async def test_several_files_for_one_field_are_sent_together(kept: Kept, terminal: Terminal):
    started = await terminal.read("start", "texts/sort", "docs=a.pdf", "docs=@b.pdf")

    assert started["inputs"]["docs"] == ["a.pdf", "b.pdf"]
    assert await files_of(kept, started["id"]) == ["in/a.pdf", "in/b.pdf"]


@pytest.mark.parametrize("given", ["nowhere.pdf", "@nowhere.pdf", "@"])
async def test_a_file_that_is_not_there_starts_nothing_and_says_how_files_are_given(
    kept: Kept, terminal: Terminal, given: str
):
    refused = await terminal.run("start", "texts/sort", f"report={given}")

    missing = f"report: there is no file {given.removeprefix('@')!r} here. The run was not started."
    assert (refused.code, missing in refused.err, "windlass file upload" in refused.err) == (2, True, True)
    assert (await terminal.read("list"))["items"] == []


async def test_an_upload_and_an_address_stand_as_they_are(kept: Kept, terminal: Terminal):
    address = "https://example.org/a.pdf"

    started = await terminal.read("start", "texts/sort", f"report={address}")
    with pytest.raises(ApiError) as refused:
        await terminal.run("start", "texts/sort", f"report={new_id()}")

    assert started["inputs"]["report"] == address
    assert [each.message for each in refused.value.errors] == ["upload is unknown or incomplete"]
