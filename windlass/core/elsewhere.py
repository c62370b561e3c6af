"""The way to services that run elsewhere: to the address that was checked, and no answer without an end."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import httpx
import orjson

from windlass.core.doors import BadGateway, GatewayTimeout
from windlass.core.outbound import Outbound

CONNECT_S = 10.0
UNPACKED = {"accept-encoding": "identity"}  # unless whoever asks takes it packed
PLAIN = {"accept": "application/json"}
NUL = b"\\u0000"


class Way(httpx.AsyncBaseTransport):
    """Resolves a host once, and connects to the very address that was looked at (E1); no proxy, no other way."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._inner = httpx.AsyncHTTPTransport(verify=_trusted(), trust_env=False, retries=0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises AddressRefused, and what the library raises."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self._outbound.address(url.host, port, url.scheme)
        extensions = {**request.extensions, "sni_hostname": url.host}
        sent = httpx.Request(
            request.method, url.copy_with(host=address), headers=request.headers, stream=request.stream,
            extensions=extensions,
        )  # fmt: skip
        return await self._inner.handle_async_request(sent)

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._inner.aclose()


class Elsewhere:
    """Reads what services that run elsewhere say of themselves."""

    def __init__(self, outbound: Outbound) -> None:
        self.outbound = outbound

    def client(self) -> httpx.AsyncClient:
        """A client that follows no redirect: where one leads, nobody has looked."""
        patience = httpx.Timeout(None, connect=CONNECT_S)
        return httpx.AsyncClient(transport=Way(self.outbound), timeout=patience, headers=UNPACKED)

    async def read(self, url: str, most_bytes: int, patience_s: float) -> Any:
        """The JSON document at an address. Raises AddressRefused, BadGateway, GatewayTimeout."""
        self.outbound.check(url)
        try:
            async with (
                asyncio.timeout(patience_s),
                self.client() as client,
                client.stream("GET", url, headers=PLAIN) as it,
            ):
                if it.status_code != HTTPStatus.OK:
                    raise BadGateway(f"{url} answers {it.status_code}, not 200.")
                if it.headers.get("content-encoding", "identity") != "identity":
                    raise BadGateway(f"{url} answers packed, which was not asked for.")
                body = await _whole(it.aiter_raw(), most_bytes, url)
        except TimeoutError:
            raise GatewayTimeout(f"{url} did not answer to its end within {patience_s:g} seconds.") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise BadGateway(f"{url} does not answer: {type(error).__name__}.") from error
        return _parsed(body, url)


async def _whole(pieces: AsyncIterator[bytes], most_bytes: int, url: str) -> bytes:
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > most_bytes:
            raise BadGateway(f"{url} answers with more than {most_bytes >> 20} MiB.")
    return bytes(body)


def _parsed(body: bytes, url: str) -> Any:
    try:
        if NUL in body:
            raise ValueError("text that cannot be stored")
        return orjson.loads(body)
    except ValueError:
        raise BadGateway(f"{url} answers what is no JSON.") from None


@lru_cache(1)
def _trusted() -> ssl.SSLContext:
    """Loading the certificates takes 20 ms, so once is enough."""
    return ssl.create_default_context()
