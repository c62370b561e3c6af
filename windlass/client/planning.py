"""The calls of tasks and schedules."""

from collections.abc import Sequence
from datetime import datetime

from windlass.client.calls import Call, fresh_key, given, nothing, segment
from windlass.client.records import Firing, Json, Page, Plan, Preview, Run, Schedule, Task, TaskRuns

# --- tasks ---


def add_task(name: str, agent: str, inputs: Json, more: Json) -> Call[Task]:
    """Save a task; `more` may hold parameters, description, tags, timeout_s, max_attempts and backoff_s."""
    body = {"name": name, "agent": agent, "inputs": inputs, **given(**more)}
    return Call("POST", "/v1/tasks", Task.model_validate, body, key=fresh_key())


def list_tasks(q: str | None, limit: int, after: str | None) -> Call[Page[Task]]:
    """The newest tasks."""
    return Call("GET", "/v1/tasks", Page[Task].model_validate, query={"q": q, "limit": limit, "after": after})


def get_task(task_id: str) -> Call[Task]:
    """A task."""
    return Call("GET", f"/v1/tasks/{segment(task_id)}", Task.model_validate)


def change_task(task_id: str, changes: Json) -> Call[Task]:
    """Change a task; a change of what it runs makes a new version."""
    return Call("PATCH", f"/v1/tasks/{segment(task_id)}", Task.model_validate, changes)


def remove_task(task_id: str) -> Call[None]:
    """Delete a task."""
    return Call("DELETE", f"/v1/tasks/{segment(task_id)}", nothing)


def run_task(task_id: str, parameters: Json) -> Call[Run]:
    """Start a task now."""
    path = f"/v1/tasks/{segment(task_id)}/run"
    return Call("POST", path, Run.model_validate, {"parameters": parameters}, key=fresh_key())


def clone_task(task_id: str, name: str | None) -> Call[Task]:
    """Copy a task."""
    return Call("POST", f"/v1/tasks/{segment(task_id)}/clone", Task.model_validate, given(name=name), key=fresh_key())


def task_runs(task_id: str, limit: int, after: str | None) -> Call[TaskRuns]:
    """The newest runs of a task, and how all of them went."""
    query = {"limit": limit, "after": after}
    return Call("GET", f"/v1/tasks/{segment(task_id)}/runs", TaskRuns.model_validate, query=query)


# --- schedules ---


def add_schedule(name: str, task_id: str, more: Json) -> Call[Schedule]:
    """Have a task start by itself; `more` says when and how, as the API takes it."""
    body = {"name": name, "task_id": task_id, **given(**more)}
    return Call("POST", "/v1/schedules", Schedule.model_validate, body, key=fresh_key())


def list_schedules(q: str | None, limit: int, after: str | None) -> Call[Page[Schedule]]:
    """The newest schedules."""
    query = {"q": q, "limit": limit, "after": after}
    return Call("GET", "/v1/schedules", Page[Schedule].model_validate, query=query)


def get_schedule(schedule_id: str) -> Call[Schedule]:
    """A schedule."""
    return Call("GET", f"/v1/schedules/{segment(schedule_id)}", Schedule.model_validate)


def change_schedule(schedule_id: str, changes: Json) -> Call[Schedule]:
    """Change a schedule."""
    return Call("PATCH", f"/v1/schedules/{segment(schedule_id)}", Schedule.model_validate, changes)


def remove_schedule(schedule_id: str) -> Call[None]:
    """Delete a schedule."""
    return Call("DELETE", f"/v1/schedules/{segment(schedule_id)}", nothing)


def pause_schedule(schedule_id: str, reason: str) -> Call[Schedule]:
    """Let its due times pass."""
    path = f"/v1/schedules/{segment(schedule_id)}/pause"
    return Call("POST", path, Schedule.model_validate, {"reason": reason}, key=fresh_key())


def resume_schedule(schedule_id: str) -> Call[Schedule]:
    """Go on."""
    return Call("POST", f"/v1/schedules/{segment(schedule_id)}/resume", Schedule.model_validate, key=fresh_key())


def trigger_schedule(schedule_id: str) -> Call[str]:
    """Have it fire now; the answer is the id of the firing."""
    path = f"/v1/schedules/{segment(schedule_id)}/trigger"
    return Call("POST", path, lambda answer: str(answer["firing_id"]), key=fresh_key())


def preview_schedule(schedule_id: str, count: int) -> Call[Preview]:
    """When it is due next."""
    path = f"/v1/schedules/{segment(schedule_id)}/preview"
    return Call("GET", path, Preview.model_validate, query={"count": count})


def preview_timing(timing: Json) -> Call[Preview]:
    """When something that is not saved would be due."""
    return Call("POST", "/v1/schedules/preview", Preview.model_validate, given(**timing), key=fresh_key())


def backfill_schedule(schedule_id: str, since: datetime, until: datetime, more: Json) -> Call[Plan]:
    """Plan to make up for a past span; with `confirm` in `more`, do it."""
    body = {"since": since.isoformat(), "until": until.isoformat(), **given(**more)}
    return Call("POST", f"/v1/schedules/{segment(schedule_id)}/backfill", Plan.model_validate, body, key=fresh_key())


def list_firings(schedule_id: str, decisions: Sequence[str], limit: int, after: str | None) -> Call[Page[Firing]]:
    """What became of its due times."""
    query = {"decision": list(decisions), "limit": limit, "after": after}
    return Call("GET", f"/v1/schedules/{segment(schedule_id)}/firings", Page[Firing].model_validate, query=query)
