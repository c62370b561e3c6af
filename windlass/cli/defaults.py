"""`windlass service defaults`: what services have where they say nothing themselves."""

from typing import Annotated, Any

import typer

from windlass.cli.screen import AsJson, console, print_json
from windlass.cli.services import asked_secrets, split_variable
from windlass.cli.session import connect


def defaults(
    context: typer.Context,
    *,
    env: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; an empty value takes it away.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="NAME; its value is asked for, empty takes it away.")] = None,
    replicas: Annotated[int | None, typer.Option(help="How many hosts each has that names no number, 1 to 8.")] = None,
    memory: Annotated[int | None, typer.Option(help="MiB a process may use; 0: half of its machine.")] = None,
    as_json: AsJson = False,
) -> None:
    """What services have where they say nothing themselves; changed by what is given, and nothing else."""
    variables = {name: text or None for name, text in (split_variable(pair) for pair in env or ())}
    secrets = {name: text or None for name, text in asked_secrets(secret).items()}
    with connect(context) as client:
        found = client.services.defaults()
        if variables or secrets or replicas is not None or memory is not None:
            wish: dict[str, Any] = found.changed(variables, secrets)
            wish |= {} if replicas is None else {"replicas": replicas}
            wish |= {} if memory is None else {"limits": {"memory_mib": memory or None}}
            found = client.services.put_defaults(wish)
    if as_json:
        print_json(found.to_json())
        return
    memory_mib = found.limits.memory_mib
    for name, said in (
        ("Variables", ", ".join(found.env) or "none"),
        ("Secrets", ", ".join(found.secrets) or "none"),
        ("Replicas", str(found.replicas)),
        ("Memory", f"{memory_mib} MiB" if memory_mib else "half of the machine"),
    ):
        console.print(f"{name}: {said}", markup=False, highlight=False)
    console.print(found.counts, markup=False, highlight=False)
