"""Parts every test of a model call needs: a running stand-in, and a log that remembers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from activities.adapters.claude import ClaudeMessages
from stack.standin.server import HOST, listen


@pytest.fixture(scope="session")
async def standin() -> AsyncIterator[str]:
    """The address of a stand-in."""
    server = await listen(0)
    yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
async def claude(standin: str) -> AsyncIterator[ClaudeMessages]:
    """The Messages API as the stand-in speaks it."""
    messages = ClaudeMessages("no-key", standin, standin=True)
    yield messages
    await messages.aclose()


@pytest.fixture
async def claude_at() -> AsyncIterator[Callable[[str], ClaudeMessages]]:
    """The Messages API at any address."""
    async with AsyncExitStack() as stack:

        def make(url: str) -> ClaudeMessages:
            messages = ClaudeMessages("no-key", url)
            stack.push_async_callback(messages.aclose)
            return messages

        yield make
