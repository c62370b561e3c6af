"""Streamable HTTP to MCP servers: connects to the address that was checked, and reads no answer without an end."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from activities.servers import ServerFailed
from windlass.contracts.servers import MAX_ANSWER_BYTES, Reach
from windlass.core.outbound import Outbound

CONNECT_S = 10.0
PLAIN = "identity"


def web(reach: Reach, outbound: Outbound) -> AbstractAsyncContextManager[Any]:
    """A transport of the library to the server's address, with its headers."""
    return _web(reach, outbound)


@asynccontextmanager
async def _web(reach: Reach, outbound: Outbound) -> AsyncGenerator[Any]:
    timeout = httpx2.Timeout(CONNECT_S, read=float(reach.timeout_s))
    headers = {**reach.headers, "accept-encoding": PLAIN}
    client = httpx2.AsyncClient(transport=CheckedTransport(outbound), headers=headers, timeout=timeout)
    async with client, streamable_http_client(str(reach.url), http_client=client) as streams:
        yield streams


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Resolves a host once, and connects to the very address that was looked at (E1); no proxy, no other way."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. Raises AddressRefused."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self._outbound.address(url.host, port, url.scheme)
        sent = httpx2.Request(
            request.method,
            url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.host},
        )
        response = await self._inner.handle_async_request(sent)
        if response.headers.get("content-encoding", PLAIN) != PLAIN:  # a few bytes may unpack to any number
            await response.aclose()
            raise ServerFailed("It answers packed, which was not asked for.", acted=True)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=Bounded(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._inner.aclose()


class Bounded(httpx2.AsyncByteStream):
    """An answer up to its limit."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for piece in self._response.aiter_raw():
            taken += len(piece)
            if taken > MAX_ANSWER_BYTES:
                raise ServerFailed(f"Its answer is longer than {MAX_ANSWER_BYTES // 2**20} MiB.", acted=True)
            yield piece

    async def aclose(self) -> None:
        """Hang up."""
        await self._response.aclose()
