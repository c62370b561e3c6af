"""Create the search attributes on a Temporal somebody else runs: `python -m stack.attributes`. Ours creates its own."""

import asyncio
import sys
import time

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError

from stack.temporal import ATTRIBUTES
from windlass.core.settings import Settings

PATIENCE_S = 120


async def connect(settings: Settings) -> Client:
    """A client, as soon as the server answers."""
    key = settings.temporal_api_key
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await Client.connect(
                settings.temporal_address,
                namespace=settings.temporal_namespace,
                tls=settings.temporal_tls,
                api_key=key.get_secret_value() if key else None,
            )
        except (RuntimeError, RPCError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)


async def create(client: Client) -> list[str]:
    """Create what is missing and answer its names. The second time nothing happens."""
    listing = ListSearchAttributesRequest(namespace=client.namespace)
    there = await client.operator_service.list_search_attributes(listing)
    missing = [name for name in ATTRIBUTES if name not in there.custom_attributes]
    if missing:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        adding = AddSearchAttributesRequest(
            namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword)
        )
        await client.operator_service.add_search_attributes(adding)
    return missing


async def main() -> int:
    """Create the attributes on the configured server."""
    settings = Settings.load()
    try:
        created = await create(await connect(settings))
    except (RuntimeError, RPCError) as error:
        print(f"No search attributes on {settings.temporal_address}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"Created: {', '.join(created) or 'nothing, all are there'}.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
