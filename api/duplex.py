"""What WebSockets have in common: several works at once, until the first one ends, and a code that says why."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

RECHECK_S = 1.5  # as for streams: whoever may no longer read is out within 5 s
STUCK_S = 60.0  # a client that takes nothing for so long is gone
PROTOCOL, TOKEN_MARK = "windlass", "windlass.token."

LEFT, ENDED, OVER, RESYNC, MALFORMED, RESTART = 1000, 4000, 4001, 4002, 1002, 1012

Check = Callable[[], Awaitable[bool]]
Work = Coroutine[Any, Any, int]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def offered(websocket: WebSocket) -> list[str]:
    """The protocols that the client offers."""
    found: list[str] = websocket.scope.get("subprotocols", [])
    return found


def token_of(websocket: WebSocket) -> str:
    """The token a client shows: among its protocols, where no log of addresses sees it."""
    return next((each.removeprefix(TOKEN_MARK) for each in offered(websocket) if each.startswith(TOKEN_MARK)), "")


async def race(websocket: WebSocket, works: Sequence[Work], malformed: tuple[type[Exception], ...] = ()) -> None:
    """Do all of this until the first one ends, then close with its code."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        code = _code(done, (*malformed, TimeoutError))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    with suppress(RuntimeError, OSError, WebSocketDisconnect):  # they left already
        await websocket.close(code)


async def watch(check: Check) -> int:
    """Ask again and again whether this may go on."""
    while await asked(check):  # noqa: ASYNC110 - it is asked, nobody tells
        await asyncio.sleep(RECHECK_S)
    return OVER


async def asked(check: Check) -> bool:
    """Whether this may go on."""
    try:
        return await check()
    except Exception as error:  # noqa: BLE001 - an outage revokes nothing: ask again
        log.warning("whoever listens could not be checked", error=repr(error))
        return True


def _code(done: set[asyncio.Task[int]], malformed: tuple[type[Exception], ...]) -> int:
    """Why it ends, of several reasons the gravest."""
    codes: list[int] = []
    for task in done:
        error = task.exception()
        if error is None:
            codes.append(task.result())
        elif isinstance(error, WebSocketDisconnect):
            codes.append(LEFT)
        elif isinstance(error, malformed):
            codes.append(MALFORMED)
        elif isinstance(error, OSError | RuntimeError):
            codes.append(ENDED)
        else:
            raise error
    return max(codes)
