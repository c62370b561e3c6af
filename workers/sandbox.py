"""The sandbox of workflows: one for each workflow, in which all its executions live."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from threading import get_ident
from typing import Any

from temporalio import workflow
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.worker.workflow_sandbox._in_sandbox import InSandbox

PASSED_THROUGH = ("windlass", "activities", "pydantic", "pydantic_core")


class Sandboxes(WorkflowRunner):
    """Keeps from every execution what the SDK's sandbox keeps from it, and loads a workflow once instead of each time.

    Loaded for each execution, it took 4 ms and 53 KiB of every run. What they now share is the module of the workflow,
    which has no state: `tests/architecture/test_sandbox.py` sees to it. Decision 42 has the figures.
    """

    def __init__(self, restrictions: SandboxRestrictions) -> None:
        self._runner = SandboxedWorkflowRunner(restrictions)
        self._rooms: dict[type, Room] = {}

    def prepare_workflow(self, defn: Any) -> None:  # the SDK's type has no public name
        """See that the workflow loads."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Let one more execution in."""
        room = self._rooms.get(det.defn.cls)
        if room is None:
            room = self._rooms[det.defn.cls] = Room(self._runner.create_instance(det))
        return Guest(room, det)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """What fails a workflow, and not only its task."""
        self._runner.set_worker_level_failure_exception_types(types)


class Room:
    """One workflow as the SDK loaded it: every module that it sees is restricted from now on."""

    def __init__(self, loaded: Any) -> None:  # the SDK's sandboxed instance, which has no public name either
        self.workflow: type = loaded.globals_and_locals["__temporal_workflow_class"]
        self._importer = loaded.importer
        # For good, where the SDK does it for the time of each activation: others may be under way in another thread.
        self._importer.restriction_context.is_runtime = True
        self._importer.restriction_context.in_activation = True

    def entered(self) -> AbstractContextManager[None]:
        """Restrict imports and builtins of this thread too."""
        return self._importer.applied()


class Guest(WorkflowInstance):
    """One execution."""

    def __init__(self, room: Room, details: WorkflowInstanceDetails) -> None:
        self._room, self._info = room, details.info
        self._thread: int | None = None
        with room.entered():
            self._inside = InSandbox(details, UnsandboxedWorkflowRunner, room.workflow)

    def activate(self, act: Any) -> Any:  # the messages between the SDK's halves
        """Go on with what has happened."""
        self._thread = get_ident()
        try:
            with self._room.entered():
                return self._inside.activate(act)
        finally:
            self._thread = None

    def get_serialization_context(self, command_info: Any) -> Any:
        """What a converter is told of a command."""
        with self._room.entered():
            return self._inside.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        """What a store of payloads is told of a command."""
        with self._room.entered():
            return self._inside.get_external_store_context(command_info)

    def get_info(self) -> workflow.Info:
        """What the execution is."""
        return self._info

    def get_thread_id(self) -> int | None:
        """The thread that works on it now, for the report of one that never comes back."""
        return self._thread


def sandbox() -> Sandboxes:
    """The sandbox every worker and the replayer use: our library passes through once, a surprise import is an error."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return Sandboxes(
        restrictions.with_import_notification_policy(
            workflow.SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
        )
    )
