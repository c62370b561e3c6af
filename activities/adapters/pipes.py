"""MCP servers that are commands: a process of one's own per connection, spoken to through its pipes."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from activities.servers import ServerFailed
from windlass.contracts.servers import MAX_ANSWER_BYTES
from windlass.core.mortality import dying_with_us

PASSED_ON = ("PATH", "HOME", "LANG", "TZ")  # nothing of ours: no database, no keys
END_S = 2.0

Incoming = SessionMessage | Exception


def piped(command: Sequence[str]) -> AbstractAsyncContextManager[Any]:
    """A transport of the library to a fresh process, which ends with it."""
    return _piped(command)


@asynccontextmanager
async def _piped(command: Sequence[str]) -> AsyncGenerator[Any]:
    process = await _start(command)
    heard, messages = anyio.create_memory_object_stream[Incoming](0)
    written, to_write = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks, heard, messages, written, to_write:
            tasks.start_soon(_read, process, heard)
            tasks.start_soon(_write, process, to_write)
            yield messages, written
            tasks.cancel_scope.cancel()
    finally:
        await _end(process)


async def _start(command: Sequence[str]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            limit=MAX_ANSWER_BYTES,
            start_new_session=True,
            preexec_fn=dying_with_us(),  # one that ignores the end of its pipe would outlive a worker that was killed
        )
    except OSError as error:
        raise ServerFailed(f"Its command cannot be started: {error.strerror}.") from error


async def _read(process: asyncio.subprocess.Process, heard: MemoryObjectSendStream[Incoming]) -> None:
    """One message a line; what is no message is handed on as what is wrong with it."""
    assert process.stdout is not None  # noqa: S101 - it was started with pipes
    async with heard:
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError as error:
                raise ServerFailed(f"Its answer is longer than {MAX_ANSWER_BYTES // 2**20} MiB.", acted=True) from error
            if not line:
                return
            try:
                message: Incoming = SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
            except ValueError as error:
                message = error
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await heard.send(message)


async def _write(process: asyncio.subprocess.Process, to_write: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert process.stdin is not None  # noqa: S101 - it was started with pipes
    with suppress(ConnectionError):  # the reader finds out what became of it
        async for each in to_write:
            process.stdin.write(each.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            await process.stdin.drain()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its pipe, which tells it to end; what does not is killed with all it has started."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
