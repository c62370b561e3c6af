"""The gateway of the tests and two organisations in it."""

from collections.abc import AsyncGenerator

import pytest

from tests.api.people import Gateway, Organisation, running_gateway, settings_for


@pytest.fixture(scope="session")
async def gateway(database_url: str) -> AsyncGenerator[Gateway]:
    """A real gateway on a loopback port."""
    async with running_gateway(settings_for(database_url)) as running:
        yield running


@pytest.fixture(scope="session")
async def acme(gateway: Gateway) -> Organisation:
    """An organisation with one person of every role; leave it as you found it."""
    return await gateway.organisation("Acme")


@pytest.fixture(scope="session")
async def umbrella(gateway: Gateway) -> Organisation:
    """Another one, which must never see anything of the first."""
    return await gateway.organisation("Umbrella")
