"""Names others rely on. A failure here is a migration, not a typo: histories, rows and programs carry the old name."""

import inspect
from dataclasses import MISSING, Field, fields
from typing import Any

import pytest
from temporalio import activity, workflow

import windlass
import windlass.client
import windlass.forms
from activities.boot import BootActivities
from activities.desktops import DesktopActivities, DesktopRecords
from activities.onward import OnwardActivities
from activities.runs import STOP_CHANNEL, RunActivities
from activities.screens import ScreenActivities
from activities.sessions import SessionActivities
from activities.uses import ToolActivities
from windlass.contracts import (
    boot,
    desktops,
    events,
    firings,
    maintenance,
    prompts,
    questions,
    queues,
    runs,
    screens,
    sessions,
)
from windlass.contracts.ids import workflow_id
from windlass.core.maintenance import SYSTEM
from windlass.core.permissions import Permission, Role
from windlass.tracer import Tracer
from workflows.boot import BootWorkflow
from workflows.desktops import DesktopWorkflow
from workflows.firings import FiringWorkflow
from workflows.maintenance import MaintenanceWorkflow
from workflows.prompts import PromptWorkflow
from workflows.runs import RunWorkflow
from workflows.sessions import SessionWorkflow


def test_queues():
    assert {name: value for name, value in vars(queues).items() if name.isupper()} == {"RUNS": "runs"}
    assert queues.desktops("node", "boot") == "desktops/node/boot"


def test_workflow_and_its_messages():
    defined: Any = workflow._Definition.must_from_class(RunWorkflow)  # pyright: ignore[reportPrivateUsage]

    assert defined.name == "RunWorkflow"
    assert set(defined.signals) == {"cancel", "resume"}
    assert set(defined.queries) == set()
    assert set(defined.updates) == set()


def test_firings():
    defined: Any = workflow._Definition.must_from_class(FiringWorkflow)  # pyright: ignore[reportPrivateUsage]

    assert defined.name == "FiringWorkflow"
    assert (firings.DECIDE, firings.DECIDE_ALL) == ("decide_firing", "decide_firings")
    assert [*firings.Overlap] == ["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]
    assert [*firings.Decision] == ["started", "late", "buffered", "skipped", "refused", "failed", "unknown"]


def test_system_schedules():
    defined: Any = workflow._Definition.must_from_class(MaintenanceWorkflow)  # pyright: ignore[reportPrivateUsage]

    assert (defined.name, maintenance.MAINTAIN) == ("MaintenanceWorkflow", "maintain")
    assert [each.name for each in SYSTEM] == ["cleanup", "retention", "archive", "reconciliation"]


def test_boots():
    defined: Any = workflow._Definition.must_from_class(BootWorkflow)  # pyright: ignore[reportPrivateUsage]
    definitions: Any = activity._Definition  # pyright: ignore[reportPrivateUsage]
    methods = [method for _, method in inspect.getmembers(BootActivities, inspect.isfunction)]

    names = {found.name for method in methods if (found := definitions.from_callable(method))}

    assert (defined.name, boot.NOUN) == ("BootWorkflow", "boots")
    assert names == {"begin_boot", "bring_up_service", "settle_boot"}


def test_activities():
    definitions: Any = activity._Definition  # pyright: ignore[reportPrivateUsage]
    methods = [method for _, method in inspect.getmembers(RunActivities, inspect.isfunction)]

    names = {found.name for method in methods if (found := definitions.from_callable(method))}

    assert names == {"drive_run", "stop_run", "end_run"}


def test_the_workflow_of_desktops_and_its_messages():
    defined: Any = workflow._Definition.must_from_class(DesktopWorkflow)  # pyright: ignore[reportPrivateUsage]

    assert defined.name == "DesktopWorkflow"
    assert set(defined.signals) == {"changed", "ended", "found"}
    assert (set(defined.queries), set(defined.updates)) == (set(), {"screenshot"})


def test_the_activities_of_desktops():
    definitions: Any = activity._Definition  # pyright: ignore[reportPrivateUsage]
    kinds = (DesktopRecords, DesktopActivities, ScreenActivities)
    methods = [method for kind in kinds for _, method in inspect.getmembers(kind, inspect.isfunction)]

    names = {found.name for method in methods if (found := definitions.from_callable(method))}

    assert names == {
        *("look_at_desktop", "place_desktop", "record_desktop"),
        *("claim_desktop", "release_desktop"),
        *("bring_up_desktop", "shut_down_desktop", "freeze_desktop", "remove_desktop"),
        "take_screenshot",
    }


def test_the_workflow_of_prompts_and_its_activities():
    defined: Any = workflow._Definition.must_from_class(PromptWorkflow)  # pyright: ignore[reportPrivateUsage]

    assert (defined.name, prompts.PREPARE, prompts.THINK, prompts.ACT) == (
        "PromptWorkflow",
        "read_skills",
        "think",
        "act",
    )
    assert set(defined.signals) | set(defined.queries) | set(defined.updates) == set()


def test_the_workflow_of_sessions_and_its_activities():
    defined: Any = workflow._Definition.must_from_class(SessionWorkflow)  # pyright: ignore[reportPrivateUsage]
    definitions: Any = activity._Definition  # pyright: ignore[reportPrivateUsage]
    kinds = (SessionActivities, ToolActivities, OnwardActivities)
    methods = [method for kind in kinds for _, method in inspect.getmembers(kind, inspect.isfunction)]

    names = {found.name for method in methods if (found := definitions.from_callable(method))}

    assert defined.name == "SessionWorkflow"
    assert (set(defined.signals), set(defined.updates), set(defined.queries)) == ({"look"}, {"say"}, set())
    assert names == {"begin_turn", "ask_model", "seal_turn", "use_tool", "use_tool_then_ask"}
    assert sessions.CHANNEL == "interrupt"


def test_workflow_ids_begin_with_the_tenant():
    assert workflow_id("tenant", "runs", "run") == "tenant/runs/run"


def test_the_channel_on_which_answers_are_told_to_whoever_drives_a_run():
    assert questions.CHANNEL == "answer"


def test_the_channel_on_which_workers_of_two_versions_tell_each_other_to_stop():
    assert STOP_CHANNEL == "stop"


def shape(kind: type[Any]) -> list[str]:
    """The fields in their order; those that old histories may lack end with a question mark."""
    return [f"{each.name}{'?' if _has_default(each) else ''}" for each in fields(kind)]


def _has_default(each: Field[Any]) -> bool:
    return each.default is not MISSING or each.default_factory is not MISSING


@pytest.mark.parametrize(
    ("kind", "pinned"),
    [
        (runs.RunInput, "tenant_id run_id agent title? owner? link? max_attempts? timeout_s? backoff_s?"),
        (runs.DriveInput, "tenant_id run_id attempt?"),
        (
            runs.DriveOutcome,
            "end error_type? error_message? retryable? parked_s? steps? steps_total? awaiting? waited_s?",
        ),
        (runs.StepLine, "name state ms? executions?"),
        (runs.EndInput, "tenant_id run_id status attempt? reason? error?"),
        (boot.BootInput, "tenant_id boot_id"),
        (boot.BootService, "service_id name"),
        (boot.Begun, "services?"),
        (boot.BringUpInput, "tenant_id boot_id service_id name"),
        (boot.BroughtUp, "name state reason?"),
        (firings.FiringInput, "tenant_id schedule_id firing_id?"),
        (firings.DecideInput, "tenant_id schedule_id scheduled_at? firing_id?"),
        (firings.FiringOutcome, "decision reason? run? stop?"),
        (desktops.DesktopInput, "tenant_id desktop_id name? taken? taken_s?"),
        (desktops.DesktopRef, "tenant_id desktop_id"),
        (desktops.PlaceInput, "tenant_id desktop_id template?"),
        (desktops.Placed, "queue? generation? reason?"),
        (
            desktops.Orders,
            "wish revision heard status generation queue? template? left_s? is_left? next_task? steady_s? idle_s?",
        ),
        (desktops.Claim, "queue? reason? is_gone? prompted?"),
        (desktops.Prompted, "desktop_id generation template? max_actions?"),
        (prompts.PromptInput, "tenant_id run_id desktop_id generation queue template? max_actions?"),
        (prompts.PrepareInput, "tenant_id run_id desktop_id"),
        (prompts.ThinkInput, "tenant_id run_id turn template?"),
        (prompts.Thought, "seq? moves? outcome?"),
        (prompts.ActInput, "tenant_id run_id desktop_id generation turn place seq"),
        (sessions.SessionInput, "tenant_id session_id title? taken?"),
        (sessions.SessionRef, "tenant_id session_id"),
        (sessions.Said, "message_id place?"),
        (sessions.Turn, "number? taken?"),
        (sessions.AskInput, "tenant_id session_id turn call tried?"),
        (sessions.Answered, "seq? end? error_type? error_message? moves?"),
        (sessions.Onward, "waits_s? answered? tried?"),
        (sessions.Move, "tool only_reads?"),
        (sessions.UseInput, "tenant_id session_id turn call place seq"),
        (sessions.Used, "waits_s?"),
        (sessions.SealInput, "tenant_id session_id turn end error_type? error_message?"),
        (desktops.BringUpInput, "tenant_id desktop_id generation template owner?"),
        (desktops.BroughtUp, "container? address? image? reason?"),
        (desktops.Ended, "generation? reason?"),
        (screens.ScreenshotWish, "is_fresh?"),
        (screens.TakeInput, "tenant_id desktop_id generation"),
        (screens.Taken, "id? reason?"),
        (desktops.Recorded, "tenant_id desktop_id status reason? heard? container? address? image? gone?"),
    ],
)
def test_what_histories_hold_only_grows_at_its_end_and_with_defaults(kind: type[Any], pinned: str):
    wanted = pinned.split()

    assert shape(kind)[: len(wanted)] == wanted
    assert all(name.endswith("?") for name in shape(kind)[len(wanted) :])


def test_statuses_and_ends():
    assert [*runs.RunStatus] == ["queued", "starting", "running", "awaiting", "finished", "failed", "cancelled"]
    assert [*desktops.DesktopStatus] == ["offline", "starting", "idle", "busy", "paused", "lost"]
    assert [*desktops.Wish] == ["on", "off", "paused", "gone"]
    assert [*sessions.SessionStatus] == ["idle", "running", "awaiting", "archived"]
    assert [*sessions.TurnEnd] == ["finished", "failed", "interrupted", "closed"]
    assert [*sessions.Refusal] == ["busy", "stale", "closed"]
    assert [*runs.DriveEnd] == ["finished", "failed", "cancelled", "parked", "closed"]


def test_event_kinds():
    pinned = """status meta inputs agent action result final error debug stdout stderr step question answer upload
        message message.delta tool.call tool.result approval.requested approval.decided usage artifact screenshot
        file.changed log boot firing"""

    assert [*events.EventKind] == pinned.split()


def test_roles_and_permissions():
    pinned = """me:read me:write agents:read agents:write runs:read runs:read-all runs:start runs:cancel runs:delete
        files:read files:write questions:read questions:answer services:read services:write servers:read servers:write
        tasks:read tasks:write tasks:write-all schedules:read schedules:write desktops:read desktops:read-all
        desktops:write desktops:configure sessions:read sessions:read-all sessions:write members:read members:write
        keys:read keys:write keys:all audit:read
        tenants:read tenants:create tenants:write tenants:own platform:read"""

    assert [*Role] == ["owner", "admin", "builder", "operator", "viewer"]
    assert [*Permission] == pinned.split()


def test_the_sdk():
    pinned = """AsyncClient Client InputsError KodosumiError Launch ServeAPI StepFailed StepUnknown Templates Tracer
        TracerMock WindlassError __version__ forms response"""

    assert sorted(windlass.__all__) == sorted(pinned.split())
    assert all(hasattr(windlass, name) for name in windlass.__all__)


def test_the_tracer():
    pinned = """action action_sync ask attempt debug debug_sync fid fs fs_sync html html_sync is_tracer lock markdown
        markdown_sync result result_sync run_id sleep step step_sync tenant_id text text_sync user_id
        warning warning_sync"""

    assert {name for name in vars(Tracer) if not name.startswith("_")} == set(pinned.split())


def test_forms():
    pinned = """Action Break Cancel Checkbox DisplayInfo Errors Group HR HTML InputArea InputColor InputDate
        InputDateTime InputEmail InputFiles InputHidden InputMonth InputNumber InputOption InputPassword InputRadio
        InputRange InputSearch InputTel InputText InputTime InputUrl InputWeek Markdown Model Select Submit"""

    assert set(pinned.split()) <= set(windlass.forms.__all__)


def test_the_client():
    pinned = """Agent ApiError Archived AsyncClient Boot BootMessage BootState Client CredentialStore Credentials
        Dashboard Desktop DesktopSkill DesktopTemplate Event FieldProblem FileLink Firing Grant Invitation Key McpServer
        McpTool McpTools Me Member Message Moved Page Person Plan Preview Question Result Run RunChanges RunFile
        SavedAgent Schedule Screenshot Service ServiceDefaults Session Setting SystemReport SystemSchedule Task TaskRuns
        Tenant Unreachable Upload UploadFile"""

    assert set(windlass.client.__all__) == set(pinned.split())
