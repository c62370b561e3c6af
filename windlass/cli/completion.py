"""What a shell completes with what the gateway knows; where it does not answer at once, with nothing."""

import time

import httpx
import typer

from windlass.cli.session import CredentialFile, Options
from windlass.client import Client
from windlass.client.agents import list_agents
from windlass.client.errors import ApiError, Unreachable

PATIENCE_S = 1.0  # of somebody who pressed a key; it is not asked twice


def agent_names(context: typer.Context, incomplete: str) -> list[str]:
    """The agents whose names begin so."""
    call = list_agents(None, None)
    try:
        options = Options.load(context.find_root().params.get("url"))
        if (bearer := lasting_bearer(options)) is None:
            return []
        with Client(options.url, api_key=bearer, timeout_s=PATIENCE_S) as client:
            known = call.answer(client.http.request(**call.request)).items
    except (ApiError, Unreachable, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, typer.BadParameter):
        return []  # a line that is being written is no place for a sentence about it
    return [each.name for each in known if each.name.startswith(incomplete)]


def lasting_bearer(options: Options) -> str | None:
    """What is shown without being renewed: a renewal whose answer comes too late to be kept ends the sign-in."""
    if options.api_key is not None:
        return options.api_key
    known = CredentialFile(options.folder).get(options.url)
    return None if known is None or known.is_stale(time.time()) else known.bearer
