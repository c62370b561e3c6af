"""What a shell completes with what the gateway knows; where it does not answer at once, with nothing."""

import httpx
import typer

from windlass.cli.session import Options, client_of
from windlass.client.agents import list_agents
from windlass.client.errors import ApiError, Unreachable

PATIENCE_S = 1.0  # of somebody who pressed a key; it is not asked twice


def agent_names(context: typer.Context, incomplete: str) -> list[str]:
    """The agents whose names begin so."""
    call = list_agents(None, None)
    try:
        options = Options.load(context.find_root().params.get("url"))
        with client_of(options, timeout_s=PATIENCE_S) as client:
            known = call.answer(client.http.request(**call.request)).items
    except (ApiError, Unreachable, httpx.HTTPError, OSError, typer.BadParameter):
        return []  # a line that is being written is no place for a sentence about it
    return [each.name for each in known if each.name.startswith(incomplete)]
