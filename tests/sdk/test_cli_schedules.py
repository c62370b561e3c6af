"""`windlass task` and `windlass schedule`, run as processes against a small gateway on loopback."""

import json
from pathlib import Path
from typing import Any

from tests.sdk.test_cli import Gateway, gateway, home, windlass

__all__ = ["gateway", "home"]

TASK: dict[str, Any] = {"id": "t1", "name": "news", "version": 2, "agent": "claude", "parameters": {"topic": {}}}
RUN = {"id": "7", "agent": "claude", "status": "queued", "title": "news"}
SCHEDULE = {
    "id": "s1", "name": "mornings", "task_id": "t1", "task_name": "news", "agent": "claude", "state": "on",
    "words": "At 07:30 on Monday to Friday", "time_zone": "Europe/Berlin",
}  # fmt: skip
PREVIEW = {
    "words": "At 02:30 every day",
    "time_zone": "Europe/Berlin",
    "next": [
        {"at": "", "local": "2027-03-28T03:00:00+02:00", "skipped": None, "note": "the clocks go forward"},
        {"at": "", "local": "2027-10-31T02:30:00+02:00", "skipped": "it comes twice", "note": None},
    ],
}
TASKS, SCHEDULES = {"items": [TASK], "next": None}, {"items": [SCHEDULE], "next": None}


def test_a_task_is_saved_with_its_parameters(gateway: Gateway, home: Path):
    gateway.answers = {"POST /v1/tasks": (201, TASK)}

    ran = windlass(
        gateway, home, "task", "create", "news", "claude", "prompt={{ parameters.topic }}", "-p", "topic:text=tea"
    )

    assert (ran.code, ran.out) == (0, "news is saved. Start it: windlass task run 'news'\n")
    sent = gateway.asked[0][1]
    assert sent["inputs"] == {"prompt": "{{ parameters.topic }}"}
    assert sent["parameters"] == {"topic": {"type": "text", "default": "tea"}}


def test_a_task_is_started_by_its_name(gateway: Gateway, home: Path):
    gateway.answers = {"GET /v1/tasks": TASKS, "POST /v1/tasks/t1/run": (202, RUN)}

    ran = windlass(gateway, home, "task", "run", "News", "topic=coffee")

    assert (ran.code, ran.out) == (0, "7\n")
    assert gateway.asked[-1][1] == {"parameters": {"topic": "coffee"}}


def test_what_the_installation_does_by_itself_is_listed_and_one_of_them_told(gateway: Gateway, home: Path):
    report = {"due_at": "2026-11-28T03:00:00Z", "ended_at": "2026-11-28T03:00:01Z", "words": "12 screenshots"}
    cleanup = {"name": "cleanup", "means": "Removes.", "when": "At 03:00 every day", "time_zone": "UTC", "last": report}
    gateway.answers = {
        "GET /v1/admin/system-schedules": {"items": [cleanup], "next": None},
        "GET /v1/admin/system-schedules/cleanup/reports": {"items": [report], "next": None},
    }

    listed, told = (
        windlass(gateway, home, "schedule", "system"),
        windlass(gateway, home, "schedule", "system", "cleanup"),
    )

    assert (listed.code, told.code) == (0, 0)
    assert "At 03:00 every day, UTC" in listed.out
    assert "12 screenshots" in told.out


def test_a_task_that_does_not_exist_says_how_to_find_one(gateway: Gateway, home: Path):
    gateway.answers = {"GET /v1/tasks": {"items": [], "next": None}}

    ran = windlass(gateway, home, "task", "run", "nothing")

    assert (ran.code, ran.err) == (3, "There is no task nothing. See: windlass task list\n")


def test_a_schedule_is_made_over_a_task_and_shows_what_comes(gateway: Gateway, home: Path):
    gateway.answers = {
        "GET /v1/tasks": TASKS,
        "POST /v1/schedules": (201, SCHEDULE),
        "GET /v1/schedules/s1/preview": PREVIEW,
    }

    ran = windlass(gateway, home, "schedule", "create", "mornings", "news", "--cron", "30 2 * * *", "--catch-up", "60")

    assert ran.code == 0
    sent = next(body for path, body in gateway.asked if path == "POST /v1/schedules")
    assert (sent["task_id"], sent["cron"], sent["catch_up_s"]) == ("t1", "30 2 * * *", 60)
    assert "Sun 2027-03-28 03:00:00 +0200  the clocks go forward" in ran.out
    assert "skipped: it comes twice" in ran.out


def test_firings_are_listed_with_their_reasons(gateway: Gateway, home: Path):
    firing = {"id": "f", "scheduled_at": "2026-11-27T06:30:00Z", "decision": "skipped", "reason": "paused by Ada"}
    gateway.answers = {
        "GET /v1/schedules": SCHEDULES,
        "GET /v1/schedules/s1/firings": {"items": [firing], "next": None},
    }

    ran = windlass(gateway, home, "schedule", "firings", "mornings", "--decision", "skipped")

    assert ran.code == 0
    assert "skipped" in ran.out
    assert "paused by Ada" in ran.out
    assert "decision=skipped" in gateway.asked[-1][0]


def test_a_backfill_is_a_plan_until_it_is_confirmed(gateway: Gateway, home: Path):
    plan = {"count": 2, "times": [{"at": "2026-01-05T07:30:00Z", "would_start": True, "note": ""}], "started": False}
    gateway.answers = {"GET /v1/schedules": SCHEDULES, "POST /v1/schedules/s1/backfill": plan}

    planned = windlass(gateway, home, "schedule", "backfill", "mornings", "2026-01-05", "2026-01-07")
    windlass(gateway, home, "schedule", "backfill", "mornings", "2026-01-05", "2026-01-07", "--yes")
    plan |= {"count": 1, "started": True}
    started = windlass(gateway, home, "schedule", "backfill", "mornings", "2026-01-05", "2026-01-06", "--yes")

    assert started.out.endswith("1 run is started. Cost: unknown.\n")
    assert "2 runs would start; say --yes. Cost: unknown." in planned.out
    assert [body.get("confirm") for path, body in gateway.asked if path.endswith("/backfill")] == [
        None,
        None,
        2,
        None,
        1,
    ]


def test_what_is_done_to_tasks_and_schedules_can_be_read_by_programs(gateway: Gateway, home: Path):
    gateway.answers = {
        "GET /v1/tasks": TASKS,
        "GET /v1/schedules": SCHEDULES,
        "POST /v1/tasks/t1/clone": (201, TASK),
        "DELETE /v1/tasks/t1": (204, b""),
        "POST /v1/schedules/s1/pause": {**SCHEDULE, "state": "paused"},
        "POST /v1/schedules/s1/resume": SCHEDULE,
        "POST /v1/schedules/s1/trigger": (202, {"firing_id": "f1"}),
        "DELETE /v1/schedules/s1": (204, b""),
    }

    def answer(*words: str) -> dict[str, Any]:
        return json.loads(windlass(gateway, home, *words, "--json").out)

    assert answer("task", "clone", "news")["id"] == "t1"
    assert answer("task", "remove", "news") == {"id": "t1", "removed": True}
    assert answer("schedule", "pause", "mornings")["state"] == "paused"
    assert answer("schedule", "resume", "mornings")["state"] == "on"
    assert answer("schedule", "trigger", "mornings") == {"firing_id": "f1"}
    assert answer("schedule", "remove", "mornings") == {"id": "s1", "removed": True}


def test_two_things_of_one_name_need_the_id(gateway: Gateway, home: Path):
    gateway.answers = {"GET /v1/tasks": {"items": [TASK, {**TASK, "id": "t2"}], "next": None}}

    ran = windlass(gateway, home, "task", "remove", "news")

    assert (ran.code, ran.err) == (3, "2 tasks are called news: use the id. See: windlass task list\n")
    assert [path for path, _ in gateway.asked if path.startswith("DELETE")] == []


def test_a_schedule_that_is_paused_says_why_and_names_no_next_time(gateway: Gateway, home: Path):
    paused = {"state": "paused", "paused_by_name": "Ada", "pause_reason": "holidays", "next_at": None}
    gateway.answers = {"GET /v1/schedules": {"items": [SCHEDULE | paused], "next": None}}

    ran = windlass(gateway, home, "schedule", "show", "mornings")

    assert "paused by Ada: holidays" in ran.out
    assert "next" not in ran.out


def test_the_next_time_of_a_schedule_is_that_of_the_clock_it_follows(gateway: Gateway, home: Path):
    gateway.answers = {"GET /v1/schedules": {"items": [SCHEDULE | {"next_at": "2026-12-01T06:30:00Z"}], "next": None}}

    shown, listed = (windlass(gateway, home, "schedule", *words) for words in (("show", "mornings"), ("list",)))

    assert "Europe/Berlin; next 2026-12-01 07:30 +0100" in shown.out
    assert "2026-12-01 07:30 +0100" in listed.out
