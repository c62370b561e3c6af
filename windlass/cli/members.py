"""`windlass member`: the people of the organisation, and those invited into it."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from windlass.cli.named import is_id, only_one
from windlass.cli.screen import AsJson, clock, console, errors, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.client import Client, Invitation, Member

PAGE = 200

app = typer.Typer(no_args_is_help=True, help="The people of the organisation.")

Who = Annotated[str, typer.Argument(metavar="MEMBER", help="Their e-mail address, name or id.")]
Role = Annotated[str, typer.Option(help="admin, builder, operator or viewer; below your own.")]


@app.command("list")
def list_members(context: typer.Context, as_json: AsJson = False) -> None:
    """Everybody, by name."""
    with connect(context) as client:
        members = list(everybody(client))
    if as_json:
        print_json({"items": [member.to_json() for member in members], "next": None})
        return
    rows = ((m.id, m.name, m.email, m.role, "yes" if m.active else "no", clock(m.last_seen_at)) for m in members)
    print_table(("Member", "Name", "E-mail", "Role", "May sign in", "Last seen"), rows, "There are no members.")


@app.command()
def invite(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="The address they will sign in with.")],
    role: Role = "operator",
    days: Annotated[int, typer.Option(min=1, max=30, help="How long the link is good for.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Make a link that lets one person in. It is printed once; hand it over yourself."""
    with connect(context) as client:
        invitation = client.members.invite(email, role, days)
    if as_json:
        print_json(invitation.to_json())
        return
    console.print(invitation.url or invitation.code or invitation.id, markup=False, highlight=False, soft_wrap=True)
    errors.print("Hand it over yourself: no mail is sent, and it is not shown again.")


@app.command()
def invitations(context: typer.Context, as_json: AsJson = False) -> None:
    """The invitations that can still be used."""
    with connect(context) as client:
        page = client.members.invitations()
    if as_json:
        print_json(page.to_json())
        return
    rows = ((i.id, i.email, i.role, i.created_by_name, clock(i.expires_at)) for i in page.items)
    print_table(("Invitation", "E-mail", "Role", "By", "Good until"), rows, "Nobody is invited.")


@app.command()
def uninvite(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="INVITATION", help="Its e-mail address or id.")],
    as_json: AsJson = False,
) -> None:
    """Take an invitation back."""
    with connect(context) as client:
        invitation_id = which if is_id(which) else invited(client, which).id
        client.members.uninvite(invitation_id)
    outcome = {"id": invitation_id, "removed": True}
    print_outcome(outcome, "The invitation is taken back; its link lets nobody in.", as_json=as_json)


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What they are called.")],
    email: Annotated[str, typer.Argument(help="The address they sign in with.")],
    *,
    role: Role = "operator",
    from_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read their first password from standard input.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a person with a first password, which they must change; an account that exists keeps its own."""
    password = sys.stdin.readline().rstrip("\n") if from_stdin else first_password()
    with connect(context) as client:
        member = client.members.add(name, email, password, role)
    said = f"{member.name} is {article(member.role)} now, and signs in as {member.email}."
    print_outcome(member.to_json(), said, as_json=as_json)


@app.command("role")
def change_role(
    context: typer.Context,
    who: Who,
    role: Annotated[str, typer.Argument(help="admin, builder, operator or viewer; below your own.")],
    as_json: AsJson = False,
) -> None:
    """Give a member another role; it is in force at once."""
    with connect(context) as client:
        member = client.members.change(find(client, who).id, role=role)
    print_outcome(member.to_json(), f"{member.name} is {article(member.role)} now.", as_json=as_json)


@app.command()
def remove(context: typer.Context, who: Who, as_json: AsJson = False) -> None:
    """Take a person out of the organisation; their sessions and keys in it end."""
    with connect(context) as client:
        member = find(client, who)
        client.members.remove(member.id)
    said = f"{member.name} is no member any more. Their sessions and keys here have ended; their runs stay on record."
    print_outcome({"id": member.id, "removed": True}, said, as_json=as_json)


def everybody(client: Client) -> Iterator[Member]:
    """All members, page by page."""
    page = client.members.list(limit=PAGE)
    yield from page.items
    while page.next is not None:
        page = client.members.list(limit=PAGE, cursor=page.next)
        yield from page.items


def find(client: Client, who: str) -> Member:
    """The member of that address, name or id; ends the command when there is none, or more than one."""
    if is_id(who):
        return client.members.get(who)
    members = list(everybody(client))
    known = [member for member in members if member.email.casefold() == who.casefold()]
    return known[0] if known else only_one("member", who, members)


def invited(client: Client, email: str) -> Invitation:
    """The invitation of that address; ends the command when there is none."""
    found = [each for each in client.members.invitations().items if each.email.casefold() == email.casefold()]
    if not found:
        raise typer.BadParameter(f"Nobody is invited as {email}. See: windlass member invitations")
    return found[0]


def first_password() -> str:
    """Ask for the password to give somebody."""
    return str(typer.prompt("Their first password", hide_input=True, confirmation_prompt=True, err=True))


def article(role: str) -> str:
    """A role in a sentence."""
    return f"{'an' if role[:1] in 'aeiou' else 'a'} {role}"
