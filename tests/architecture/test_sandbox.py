"""Every workflow loads in the sandbox all workers and the replayer use."""

import asyncio
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.worker.workflow_sandbox import UnintentionalPassthroughError

import workflows
from workers.runtime import sandbox

SIDE_STEP = """
from temporalio import workflow
import structlog

@workflow.defn
class Careless:
    @workflow.run
    async def run(self) -> None: ...
"""


async def load(defined: type) -> None:
    """What a worker does with a workflow before it polls."""
    definitions: Any = workflow._Definition  # pyright: ignore[reportPrivateUsage] - validation has no public name
    sandbox().prepare_workflow(definitions.must_from_class(defined))


def every_workflow() -> Iterator[type]:
    for module in pkgutil.walk_packages(workflows.__path__, "workflows."):
        for value in vars(import_module(module.name)).values():
            if hasattr(value, "__temporal_workflow_definition") and value.__module__ == module.name:
                yield value


def test_there_are_workflows():
    assert "RunWorkflow" in {each.__name__ for each in every_workflow()}


@pytest.mark.parametrize("defined", list(every_workflow()), ids=lambda defined: defined.__name__)
def test_the_workflow_loads_in_the_sandbox(defined: type):
    asyncio.run(load(defined))


def test_a_workflow_with_a_forgotten_import_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "careless.py").write_text(SIDE_STEP)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    defined = import_module("careless").Careless

    with pytest.raises(UnintentionalPassthroughError, match="structlog"):
        asyncio.run(load(defined))
