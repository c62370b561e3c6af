"""`windlass question` and `windlass approve`: what runs and sessions ask, and answering it."""

from typing import Annotated, Any, cast

import typer
from rich.table import Table
from rich.text import Text

from windlass.cli.inputs import parse_inputs
from windlass.cli.screen import AsJson, clock, console, errors, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.client import Client, Question
from windlass.contracts.questions import exactly

app = typer.Typer(no_args_is_help=True, help="What runs ask people, and answering it.")

OLDEST = "next"
QuestionId = Annotated[str, typer.Argument(metavar="QUESTION", help="Its id, or `next` for what waits longest.")]


@app.command("list")
def list_questions(
    context: typer.Context,
    *,
    run_id: Annotated[str | None, typer.Option("--run", help="Only those of this run.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that are closed.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200)] = 20,
    as_json: AsJson = False,
) -> None:
    """What waits for an answer, the oldest first."""
    with connect(context) as client:
        page = client.questions.list(state=None if every else "open", run_id=run_id, limit=limit)
    if as_json:
        print_json(page.to_json())
        return
    rows = ((q.id, q.state, q.name, q.run_title, clock(q.asked_at), clock(q.expires_at)) for q in page.items)
    print_table(("Question", "State", "Asks", "Title", "Asked", "Until"), rows, "Nothing waits for an answer.")


@app.command()
def show(context: typer.Context, question_id: QuestionId, as_json: AsJson = False) -> None:
    """A question: what came with it, and the fields of its form."""
    with connect(context) as client:
        question = find(client, question_id)
    if as_json:
        print_json(question.to_json())
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, content in facts(question):
        table.add_row(name, Text(content))
    console.print(table)
    fields = [(str(e["name"]), str(e.get("type")), str(e.get("label") or ""), choices(e)) for e in named(question)]
    print_table(("Field", "Kind", "Label", "Choices"), fields, "It has no fields: any answer will do.")


@app.command()
def answer(
    context: typer.Context,
    question_id: QuestionId,
    pairs: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="A field; also KEY:=JSON.")] = None,
    *,
    inputs: Annotated[str | None, typer.Option("--inputs", help="All fields as a JSON object, or @file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question: windlass question answer next answer=yes. The first valid answer stands."""
    with connect(context) as client:
        question = client.questions.answer(find(client, question_id).id, parse_inputs(pairs or (), inputs))
    if as_json:
        print_json(question.to_json())
        return
    said = f"“{question.name}” is answered. {_asker(question)} goes on."
    console.print(said, markup=False, highlight=False, soft_wrap=True)
    if question.unsettled:
        errors.print("The service is down: its handler looks at the answer when the run goes on.")


def approve(
    context: typer.Context,
    question_id: Annotated[
        str | None, typer.Argument(metavar="[QUESTION]", help="Its id; without it they are listed.")
    ] = None,
    *,
    for_session: Annotated[bool, typer.Option("--session", help="This and its like for the session.")] = False,
    deny: Annotated[bool, typer.Option("--deny", help="Do not allow it.")] = False,
    why: Annotated[str | None, typer.Option(help="It is told to the model.")] = None,
    as_json: AsJson = False,
) -> None:
    """Allow once what a turn of a session asks to do, or for its session, or not at all."""
    with connect(context) as client:
        if question_id is None:
            print_approvals(client, as_json=as_json)
            return
        if for_session and deny:
            raise typer.BadParameter("Give --session or --deny, not both.")
        decision = "deny" if deny else "session" if for_session else "once"
        said = {"decision": decision, **({"why": why} if why else {})}
        question = client.questions.answer(question_id, said)
    done = {"once": "Allowed once", "session": "Allowed for the session", "deny": "Denied"}[decision]
    print_outcome(question.to_json(), f"{done}: {call_of(question)}. {_asker(question)} goes on.", as_json=as_json)


def print_approvals(client: Client, *, as_json: bool) -> None:
    """Print what waits for somebody to allow it, the oldest first."""
    waiting = [each for each in client.questions.list(limit=200).items if each.kind == "approval"]
    if as_json:
        print_json({"items": [each.to_json() for each in waiting]})
        return
    rows = ((each.id, call_of(each), each.run_title, clock(each.expires_at)) for each in waiting)
    print_table(("Question", "Would do", "Title", "Until"), rows, "Nothing waits to be allowed.")


def call_of(question: Question) -> str:
    """The exact call that an approval is about."""
    data: Any = question.data
    is_call = isinstance(cast("object", question.data), dict)
    return f"{data['tool']} {exactly(data['input'])}" if is_call else question.name


def find(client: Client, question_id: str) -> Question:
    """The question of that id, or the one that waits longest."""
    if question_id != OLDEST:
        return client.questions.get(question_id)
    waiting = client.questions.list(limit=1).items
    if not waiting:
        raise typer.BadParameter("Nothing waits for an answer.")
    return waiting[0]


def facts(question: Question) -> list[tuple[str, str]]:
    """What there is to know about a question."""
    known = [
        ("Question", question.id),
        ("Asks", question.name),
        ("State", question.state),
        ("Asked by", _asker(question)),
    ]
    known += [("Asked", clock(question.asked_at)), ("Until", clock(question.expires_at))]
    if question.answered_by_name:
        known.append(("Answered by", question.answered_by_name))
    if question.data not in (None, {}):
        known.append(("With", _shown(question.data)))
    return known


def _shown(data: Any) -> str:
    """All that came with a question: who decides must see the end of a command, too."""
    return data if isinstance(data, str) else exactly(data, indent=2)


def named(question: Question) -> list[dict[str, Any]]:
    """The elements that take a value."""
    return [each for each in question.elements if each.get("name")]


def choices(element: dict[str, Any]) -> str:
    """The options of a choice; a tick has one word beside it."""
    options: str | list[dict[str, Any]] = element.get("option") or []
    if isinstance(options, str):
        return f"on: {options}" if options != "on" else options
    return ", ".join(str(each["name"]) for each in options)


def _asker(question: Question) -> str:
    """Who asks: a run or a session."""
    return f"Session {question.session_id}" if question.run_id is None else f"Run {question.run_id}"
