"""The Python clients walk through lists page by page, against a real gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.people import Gateway, Organisation
from windlass.client import AsyncClient, Client

Listed = Callable[..., Awaitable[Any]]


async def walked(listed: Listed) -> list[str]:
    """The ids of a whole list, one at a time."""
    page = await listed(limit=1)
    ids = [item.id for item in page.items]
    while page.next is not None:
        page = await listed(limit=1, cursor=page.next)
        ids += [item.id for item in page.items]
    return ids


@pytest.mark.parametrize("noun", ["runs", "keys", "members", "questions"])
async def test_a_list_is_walked_by_its_cursor(gateway: Gateway, acme: Organisation, noun: str):
    async with AsyncClient(gateway.url) as client:
        await client.login(acme.owner.email, acme.owner.password)
        if noun == "runs":
            started = [(await client.runs.start("claude", {"prompt": "hi"})).id for _ in range(2)]
        elif noun == "keys":
            started = [(await client.keys.add(f"key {n}", ["runs:read"])).id for n in range(2)]
        else:
            started = []
        whole = [item.id for item in (await getattr(client, noun).list()).items]

        ids = await walked(getattr(client, noun).list)

    assert ids == whole
    assert set(started) <= set(ids)


async def test_the_client_that_waits_walks_alike(gateway: Gateway, acme: Organisation):
    def two_pages() -> set[str]:
        with Client(gateway.url) as client:
            client.login(acme.owner.email, acme.owner.password)
            first = client.members.list(limit=2)
            second = client.members.list(limit=2, cursor=first.next)
        return {member.id for member in (*first.items, *second.items)}

    assert len(await asyncio.to_thread(two_pages)) == 4
