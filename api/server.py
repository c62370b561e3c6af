"""The HTTP server around the gateway: ends streams before it stops, and waits for nobody's headers for long."""

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from windlass.core.settings import Settings

GRACE_S = 5  # how long open requests may take to end
HEADERS_PATIENCE_S = 30.0
WEBSOCKET_BYTES = 1024 * 1024  # of one message
IDLE_S = 30  # how long a connection is kept for the next request


class Connection(HttpToolsProtocol):
    """A connection that is closed when a request's head takes too long to arrive."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Wait for the first request."""
        super().connection_made(transport)
        self._waiting = self.loop.call_later(HEADERS_PATIENCE_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the rest of a request's head."""
        super().on_message_begin()
        self._arrived()
        self._waiting = self.loop.call_later(HEADERS_PATIENCE_S, self.transport.close)

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._arrived()
        super().on_headers_complete()

    def _arrived(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class Line(WebSocketsSansIOProtocol):
    """A WebSocket that may be refused by an answer, as ours are: of those uvicorn says that no handshake came."""

    async def send(self, message: ASGISendEvent) -> None:
        """Send; once a refusal is whole there is no handshake to wait for, as after a close without an answer."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True


class Server(uvicorn.Server):
    """A server that lets its streams end, so that clients go on elsewhere, before it waits for requests."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain = drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, then requests, then connections."""
        self._drain()
        await super().shutdown(sockets)


def server(app: FastAPI, settings: Settings, drain: Callable[[], None]) -> Server:
    """The server of one gateway process."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="none",
        http=Connection,
        ws=Line,
        access_log=False,
        log_config=None,
        server_header=False,
        ws_max_size=WEBSOCKET_BYTES,
        ws_max_queue=16,
        ws_per_message_deflate=False,  # screens come compressed
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies or None,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=IDLE_S,
    )
    return Server(config, drain)
