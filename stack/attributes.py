"""Create what we need on a Temporal somebody else runs: the namespace and the search attributes.

`python -m stack.attributes`; the embedded server creates its own.
"""

import asyncio
import sys
import time
from contextlib import suppress

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from stack.temporal import ATTRIBUTES
from windlass.core.settings import Settings

PATIENCE_S = 120
VISIBLE_S = 20  # a new namespace shows after the server's caches are fresh
RETENTION_DAYS = 7


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
    await _register(client)
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


async def _register(client: Client) -> None:
    retention = Duration(seconds=RETENTION_DAYS * 86_400)
    request = RegisterNamespaceRequest(
        namespace=client.namespace, workflow_execution_retention_period=retention, description="Windlass"
    )
    with suppress(RPCError):  # it is there, or somebody else looks after namespaces: what follows tells
        await client.workflow_service.register_namespace(request)
    deadline = time.monotonic() + VISIBLE_S
    while True:
        try:
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
        except RPCError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)
        else:
            return


async def main() -> int:
    """Create the attributes on the configured server."""
    settings = Settings.load()
    try:
        created = await create(await connect(settings))
    except (RuntimeError, RPCError) as error:
        print(f"No search attributes on {settings.temporal_address}: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    print(f"Created: {', '.join(created) or 'nothing, all are there'}.")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
