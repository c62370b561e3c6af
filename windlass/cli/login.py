"""`windlass login`, `logout`, `whoami`: who the command acts as."""

import sys
from typing import Annotated

import typer

from windlass.cli.screen import AsJson, errors, print_outcome
from windlass.cli.session import CredentialFile, ServerStore, connect, options
from windlass.client import Client, Credentials


def login(
    context: typer.Context,
    email: Annotated[str | None, typer.Option(envvar="WINDLASS_EMAIL", help="Asked for if left out.")] = None,
    tenant: Annotated[str | None, typer.Option(help="The organisation, if you are in several.")] = None,
    from_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    api_key: Annotated[
        bool, typer.Option("--api-key-stdin", help="Keep an API key from standard input instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sign in; the tokens are kept in a file only you can read, and renewed by themselves."""
    chosen = options(context)
    store = ServerStore(CredentialFile(chosen.folder), chosen.url)
    with Client(chosen.url, store=store) as client:
        if api_key:
            store.save(Credentials(sys.stdin.readline().strip()))
        else:
            sign_in(client, email or typer.prompt("E-mail", err=True), tenant, from_stdin=from_stdin)
        me = client.me()
    print_outcome(me.to_json(), f"Signed in to {chosen.url} as {me}.", as_json=as_json)


def logout(context: typer.Context, as_json: AsJson = False) -> None:
    """End the session and forget its tokens."""
    chosen = options(context)
    store = ServerStore(CredentialFile(chosen.folder), chosen.url)
    known = store.load()
    try:
        if known is not None and known.refresh_token:
            with Client(chosen.url, store=store) as client:
                client.logout()
    finally:
        store.save(None)
    print_outcome({"url": chosen.url, "signed_out": True}, f"Signed out of {chosen.url}.", as_json=as_json)


def whoami(context: typer.Context, as_json: AsJson = False) -> None:
    """Who you are to the gateway, and what you may do."""
    with connect(context) as client:
        me = client.me()
    print_outcome(me.to_json(), f"{me} at {options(context).url}", as_json=as_json)


def sign_in(client: Client, email: str, tenant: str | None, *, from_stdin: bool) -> None:
    """Sign in with a password; a generated one is changed on the spot where somebody can be asked."""
    password = sys.stdin.readline().rstrip("\n") if from_stdin else typer.prompt("Password", hide_input=True, err=True)
    grant = client.login(email, password, tenant)
    if grant.must_change_password and not from_stdin:
        errors.print("This password was made for you. Choose your own.")
        new = typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
        client.change_password(password, new)
    elif grant.must_change_password:
        errors.print("This password was made for you: sign in on a terminal or in the browser to change it.")
