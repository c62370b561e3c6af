"""Today's workflows still make sense of every history that was kept: what is on its way now will go on."""

import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from tests.architecture.test_sandbox import every_workflow
from tests.replay.export import HISTORIES
from workers.sandbox import sandbox

CARELESS = """
import datetime, random
from temporalio import workflow

@workflow.defn(name="RunWorkflow")
class Careless:
    @workflow.run
    async def run(self, request: dict) -> str:
        return str({})
"""
KEPT = sorted(HISTORIES.glob("*/*.json"))
WORKFLOWS = list(every_workflow())


def replayer(workflows: Sequence[type]) -> Replayer:
    """What replays a history the way a worker would."""
    return Replayer(workflows=workflows, workflow_runner=sandbox())


async def replay(history: dict[str, Any]) -> None:
    """Replay one history with today's workflows; raises where the code would decide otherwise."""
    await replayer(WORKFLOWS).replay_workflow(WorkflowHistory.from_json("tenant/runs/run", history))


def read(path: Path) -> dict[str, Any]:
    """A history as it was kept."""
    return json.loads(path.read_text())


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_history_does_not_name_the_machine_it_was_made_on(path: Path):
    text = path.read_text()

    assert 'File \\"' not in text
    assert text.count('"identity": ') == text.count('"identity": "kept"')


def changed(scenario: str, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A kept history in which something else happened."""
    history = read(next(path for path in KEPT if path.name.startswith(f"{scenario}@")))
    for event in history["events"]:
        change(event)
    return history


def test_every_workflow_has_histories():
    assert {path.parent.name for path in KEPT} == {workflow.__name__ for workflow in WORKFLOWS}


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_the_history_replays(path: Path):
    await replay(read(path))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_history_is_one_that_can_fail(path: Path):
    assert "coreUsedFlags" in path.read_text()  # without these flags anything replays


async def test_a_history_with_another_activity_does_not_replay():
    def rename(event: dict[str, Any]) -> None:
        scheduled = event.get("activityTaskScheduledEventAttributes")
        if scheduled:
            scheduled["activityType"]["name"] = "walk_run"

    with pytest.raises(NondeterminismError, match="walk_run"):
        await replay(changed("finished", rename))


async def test_a_history_without_the_timer_of_a_time_limit_does_not_replay():
    def drop(event: dict[str, Any]) -> None:
        if event["eventType"].startswith("EVENT_TYPE_TIMER"):
            event["eventType"] = "EVENT_TYPE_MARKER_RECORDED"

    with pytest.raises(NondeterminismError):
        await replay(changed("finished_in_time", drop))


@pytest.mark.parametrize("deed", ["datetime.datetime.now()", "random.random()", "open('/dev/null')", "input()"])
async def test_the_second_execution_in_a_sandbox_is_held_as_the_first(
    deed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "careless.py").write_text(CARELESS.format(deed))
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "careless", raising=False)
    one = replayer([import_module("careless").Careless])
    history = WorkflowHistory.from_json("tenant/runs/run", changed("finished", lambda _: None))

    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"Cannot access .* from inside a workflow"):
            await one.replay_workflow(history)
