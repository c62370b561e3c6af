"""Every workflow loads in the sandbox all workers and the replayer use, and has nothing that its executions share."""

import ast
import asyncio
import pkgutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TypeVar, cast

import pytest
from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.worker.workflow_sandbox import UnintentionalPassthroughError

import workflows
from tests.architecture.sources import shown, written
from workers.sandbox import sandbox

SIDE_STEP = """
from temporalio import workflow
import structlog

@workflow.defn
class Careless:
    @workflow.run
    async def run(self) -> None: ...
"""

FIRM = (str, int, float, bool, bytes, None.__class__, timedelta, Enum, TypeVar, SearchAttributeKey)
OF_A_CLASS = {"__dict__", "__weakref__", "__temporal_workflow_definition"}
CHANGING = {"setattr", "delattr", "globals", "vars", "__dict__"}


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


def is_firm(value: object) -> bool:
    """Whether nobody can change it: code, or a value that is another when it differs."""
    if isinstance(value, tuple | frozenset):
        return all(is_firm(each) for each in cast("tuple[object, ...]", value))
    return isinstance(value, (*FIRM, ModuleType, FunctionType, type))


def kept(module: ModuleType) -> Iterator[str]:
    """What a module, or a class in it, holds from one execution to the next."""
    for name, value in vars(module).items():
        if not name.startswith("__") and not is_firm(value):
            yield name
        if isinstance(value, type) and value.__module__ == module.__name__:
            inside = {key: each for key, each in vars(value).items() if key not in OF_A_CLASS}
            yield from (f"{name}.{key}" for key, each in inside.items() if not is_firm(each))


def changing(source: str) -> Iterator[int]:
    """The lines that change, or could, what is not the execution's own: all but `self` and local names."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Global(lineno=line):
                yield line
            case ast.Name(id=name, lineno=line) | ast.Attribute(attr=name, lineno=line) if name in CHANGING:
                yield line
            case ast.Attribute(value=ast.Name(id="self")):
                pass
            case ast.Attribute(ctx=ast.Store() | ast.Del(), lineno=line):
                yield line
            case _:
                pass


@pytest.mark.parametrize("module", list(pkgutil.walk_packages(workflows.__path__, "workflows.")), ids=lambda m: m.name)
def test_a_module_of_workflows_holds_nothing_that_changes(module: pkgutil.ModuleInfo):
    assert list(kept(import_module(module.name))) == []


def test_no_workflow_changes_anything_but_itself():
    found = {shown(path): lines for path in written("workflows") if (lines := list(changing(path.read_text())))}

    assert found == {}


@pytest.mark.parametrize(
    "line", ["SEEN = []", "ONES = (1, {})", "NEXT = iter(())", "class W:\n    seen = {}", "f = functools.cache(len)"]
)
def test_a_module_that_holds_something_would_be_found(line: str):
    module = ModuleType("careless")
    exec(f"import functools\n__name__ = 'careless'\n{line}", vars(module))  # noqa: S102 - lines above

    assert len(list(kept(module))) == 1


@pytest.mark.parametrize(
    "line", ["global n", "W.n = 1", "self.words.n += 1", "del W.n", "type(self).n = 1", "setattr(W, 'n', 1)"]
)
def test_a_workflow_that_changes_something_would_be_found(line: str):
    assert list(changing(f"self.n = n = 1\n{line}")) == [2]
