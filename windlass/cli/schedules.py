"""`windlass schedule`: when tasks start by themselves, and what became of every due time."""

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from windlass.cli.inputs import parse_inputs
from windlass.cli.named import is_id, only_one
from windlass.cli.screen import AsJson, clock, console, duration, print_head, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.cli.tasks import find as find_task
from windlass.client import Client, Plan, Preview, Schedule

app = typer.Typer(no_args_is_help=True, help="When tasks start by themselves.")

Which = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Its name or its id.")]
Cron = Annotated[str | None, typer.Option(help="Five fields: minute, hour, day of month, month, day of week.")]
Every = Annotated[int | None, typer.Option(metavar="SECONDS", help="Every so many seconds, at least 10.")]
At = Annotated[str | None, typer.Option(metavar="TIME", help="Once, such as 2026-12-24T18:00.")]
Zone = Annotated[str, typer.Option("--zone", help="An IANA time zone, such as Europe/Berlin.")]


@app.command()
def create(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    task: Annotated[str, typer.Argument(help="What it starts: the name or id of a task.")],
    pairs: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="A parameter of its runs.")] = None,
    *,
    cron: Cron = None,
    every: Every = None,
    at: At = None,
    zone: Zone = "UTC",
    overlap: Annotated[
        str, typer.Option(help="skip, buffer_one, buffer_all, cancel_other, terminate_other or allow_all.")
    ] = "skip",
    catch_up: Annotated[int, typer.Option(metavar="SECONDS", help="How late it may still start.")] = 600,
    jitter: Annotated[int, typer.Option(metavar="SECONDS", help="Spread its starts over so many seconds.")] = 0,
    remaining: Annotated[int | None, typer.Option(help="How often it may start.")] = None,
    pause_on_failure: Annotated[bool, typer.Option(help="Pause when a run of it fails.")] = False,
    paused: Annotated[bool, typer.Option(help="Begin paused.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have a task start by itself: windlass schedule create daily news --cron "30 7 * * 1-5" --zone Europe/Berlin."""
    more: dict[str, Any] = {"cron": cron, "interval_s": every, "at": at, "time_zone": zone, "remaining": remaining}
    more |= {"overlap": overlap, "catch_up_s": catch_up, "jitter_s": jitter, "pause_on_failure": pause_on_failure}
    more |= {"paused": paused, "parameters": parse_inputs(pairs or (), None)}
    with connect(context) as client:
        made = client.schedules.add(name, find_task(client, task).id, **more)
        following = client.schedules.preview(made.id, 3)
    if as_json:
        print_json(made.to_json())
        return
    console.print(f"{made.name} starts {made.task_name}.", markup=False, highlight=False)
    print_preview(following)


@app.command("list")
def list_schedules(
    context: typer.Context,
    q: Annotated[str | None, typer.Option("--search", "-q", help="Words to look for.")] = None,
    as_json: AsJson = False,
) -> None:
    """The newest schedules."""
    with connect(context) as client:
        page = client.schedules.list(q=q, limit=200)
    if as_json:
        print_json(page.to_json())
        return
    rows = ((s.name, s.state, s.task_name, s.words, s.time_zone, due(s)) for s in page.items)
    print_table(("Schedule", "State", "Task", "When", "Zone", "Next"), rows, "There are no schedules.")


@app.command()
def show(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """A schedule as it stands."""
    with connect(context) as client:
        print_json(find(client, name).to_json()) if as_json else print_facts(find(client, name))


@app.command()
def preview(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="SCHEDULE", help="A saved one; else --cron, --every, --at.")
    ] = None,
    *,
    cron: Cron = None,
    every: Every = None,
    at: At = None,
    zone: Zone = "UTC",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=100)] = 10,
    as_json: AsJson = False,
) -> None:
    """When it is due next, with what the clocks do to it."""
    with connect(context) as client:
        if name:
            found = client.schedules.preview(find(client, name).id, count)
        else:
            found = client.schedules.preview_timing(cron=cron, interval_s=every, at=at, time_zone=zone, count=count)
    print_json(found.to_json()) if as_json else print_preview(found)


@app.command()
def pause(
    context: typer.Context,
    name: Which,
    reason: Annotated[str, typer.Option(help="Why; each firing says so.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let its due times pass without a run; each leaves its line."""
    with connect(context) as client:
        paused = client.schedules.pause(find(client, name).id, reason)
    print_outcome(paused.to_json(), f"{paused.name} is paused.", as_json=as_json)


@app.command()
def resume(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Go on with the next due time."""
    with connect(context) as client:
        resumed = client.schedules.resume(find(client, name).id)
    said = f"{resumed.name} goes on: next {due(resumed)}."
    print_outcome(resumed.to_json(), said, as_json=as_json)


@app.command()
def trigger(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Have it fire now, also while it is paused."""
    with connect(context) as client:
        schedule = find(client, name)
        firing_id = client.schedules.trigger(schedule.id)
    said = f"Asked for. Look: windlass schedule firings '{schedule.name}'"
    print_outcome({"firing_id": firing_id}, said, as_json=as_json)


@app.command()
def backfill(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    name: Which,
    since: Annotated[datetime, typer.Argument(help="From when, UTC.")],
    until: Annotated[datetime, typer.Argument(help="Until when, UTC.")],
    *,
    overlap: Annotated[str, typer.Option(help="As in create; usually one after the other.")] = "buffer_all",
    yes: Annotated[bool, typer.Option("--yes", help="Start them; without it only the plan is shown.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make up for a past span: the plan, and with --yes the runs."""
    span = (since.replace(tzinfo=UTC), until.replace(tzinfo=UTC))
    with connect(context) as client:
        schedule = find(client, name)
        plan = client.schedules.backfill(schedule.id, *span)
        if yes:
            plan = client.schedules.backfill(schedule.id, *span, confirm=plan.count, overlap=overlap)
    print_json(plan.to_json()) if as_json else print_plan(plan)


@app.command()
def firings(
    context: typer.Context,
    name: Which,
    decision: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200)] = 20,
    as_json: AsJson = False,
) -> None:
    """What became of its due times, and why."""
    with connect(context) as client:
        page = client.schedules.firings(find(client, name).id, decision or (), limit=limit)
    if as_json:
        print_json(page.to_json())
        return
    rows = (
        (clock(f.scheduled_at), f.decision or "on its way", f.reason, f.run_status or "", f.run_id or "")
        for f in page.items
    )
    print_table(("Due", "Decision", "Because", "Run", "Id"), rows, "It has not been due yet.")


@app.command()
def remove(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Delete a schedule; its firings and runs stay on record."""
    with connect(context) as client:
        schedule = find(client, name)
        client.schedules.remove(schedule.id)
    said = f"{schedule.name} is deleted. Its firings and runs stay on record."
    print_outcome({"id": schedule.id, "removed": True}, said, as_json=as_json)


@app.command()
def system(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One of them: what it did, the newest first.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200)] = 20,
    as_json: AsJson = False,
) -> None:
    """What the installation does by itself, and what it did; for the operator of the platform."""
    with connect(context) as client:
        if name is None:
            page = client.system_schedules.list()
            rows = [
                (s.name, f"{s.when}, {s.time_zone}", clock(s.next_at), s.last.words if s.last else "", s.means)
                for s in page.items
            ]
            heads = ("Schedule", "When", "Next", "Last", "What it is for")
        else:
            page = client.system_schedules.reports(name, limit=limit)
            rows = [(clock(r.due_at), clock(r.ended_at), r.words) for r in page.items]
            heads = ("Due", "Ended", "What it did")
    print_json(page.to_json()) if as_json else print_table(heads, rows, "It was not due yet.")


def find(client: Client, name: str) -> Schedule:
    """The schedule of that name or id; ends the command when there is none."""
    if is_id(name):
        return client.schedules.get(name)
    return only_one("schedule", name, client.schedules.list(q=name, limit=200).items)


def print_facts(schedule: Schedule) -> None:
    """A schedule for people."""
    print_head(schedule.name, f"{schedule.state}, starts {schedule.task_name}")
    following = f"; next {due(schedule)}" if schedule.next_at else ""
    console.print(f"{schedule.words}, {schedule.time_zone}{following}", markup=False)
    if schedule.state == "paused":
        why = f": {schedule.pause_reason}" if schedule.pause_reason else ""
        console.print(f"paused by {schedule.paused_by_name}{why}", markup=False, highlight=False)
    rules = f"overlap {schedule.overlap}, at most {duration(schedule.catch_up_s * 1000)} late"
    left = "" if schedule.remaining is None else f", {schedule.remaining} times more"
    console.print(rules + left, markup=False, highlight=False)


def due(schedule: Schedule) -> str:
    """Its next due time as the clock of its zone shows it; as this machine's does where that zone is not known."""
    if schedule.next_at is None:
        return ""
    try:
        zone = ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = None
    return f"{schedule.next_at.astimezone(zone):%Y-%m-%d %H:%M %z}"


def print_preview(found: Preview) -> None:
    """Due times for people: as the clock of the zone shows them."""
    console.print(f"{found.words} ({found.time_zone})", markup=False, highlight=False)
    for each in found.next:
        at = datetime.fromisoformat(each["local"])
        said = each["skipped"] or each["note"] or ""
        line = f"  {at:%a %Y-%m-%d %H:%M:%S %z}  {'skipped: ' if each['skipped'] else ''}{said}"
        console.print(line.rstrip(), markup=False, highlight=False)


def print_plan(plan: Plan) -> None:
    """What a backfill starts."""
    for each in plan.times:
        sign = "start" if each["would_start"] else "  –  "  # noqa: RUF001 - an en dash is what pages show too
        console.print(f"  {each['at']}  {sign}  {each['note']}".rstrip(), markup=False, highlight=False)
    cost = "unknown" if plan.estimated_cost_usd is None else f"about ${plan.estimated_cost_usd:.2f}"
    runs, are = ("1 run", "is") if plan.count == 1 else (f"{plan.count} runs", "are")
    verb = f"{are} started" if plan.started else "would start; say --yes"
    console.print(f"{runs} {verb}. Cost: {cost}.", markup=False, highlight=False)
