"""The database: one pool per process and role, tenant first."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol, Self, TypeVar

import asyncpg
import orjson

from windlass.contracts.ids import TenantId
from windlass.core.errors import Unavailable

APP_ROLE = "windlass_app"
JOBS_ROLE = "windlass_jobs"

# What connecting and beginning raise when the server went away; the last one: it went while a connection was lent.
NO_ANSWER = (
    *(OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError),
    asyncpg.InternalClientError,
)
# What a query raises then: it may work in a moment.
OUTAGES = (
    *(ConnectionError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError),
    *(asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError),
)
# What a connection of one's own raises, whatever became of it: another one must be dialled.
BROKEN = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
PATIENCE_S, KNOCK_S = 10.0, 0.05
CLOSE_S = 5.0
IDLE_S = 30.0  # a connection nobody needed for so long is closed: one that has worked costs the server 4 to 7 MiB

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # what a Python string may hold and PostgreSQL may not

T = TypeVar("T")
Row = Mapping[str, Any]  # asyncpg.Record: column name to decoded value


class Connection(Protocol):
    """What a query needs of a connection (asyncpg ships without types)."""

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement and answer its command tag."""
        ...

    async def fetch(self, query: str, *args: Any) -> Sequence[Row]:
        """Run a query and answer every row."""
        ...

    async def fetchrow(self, query: str, *args: Any) -> Row | None:
        """Run a query and answer its first row."""
        ...

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Run a query and answer the first column of its first row."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """A transaction, or a savepoint inside one."""
        ...


class Away(Unavailable):
    """The database does not answer. Nothing was changed; try again."""


class Lease(Protocol):
    """A connection on its way: to be awaited, or entered and given back."""

    def __await__(self) -> Generator[Any, Any, Connection]: ...
    async def __aenter__(self) -> Connection: ...
    async def __aexit__(self, *error: object) -> None: ...


class Pool(Protocol):
    """What this module needs of a pool of connections."""

    def acquire(self) -> Lease:
        """Lend a connection."""
        ...

    async def release(self, connection: Connection) -> None:
        """Take it back."""
        ...

    async def close(self) -> None:
        """Close all connections as they come back."""
        ...

    def terminate(self) -> None:
        """Cut all connections."""
        ...


class Database:
    """A pool that speaks as one database role; jsonb columns are Python objects.

    While the server is away, whoever asks for a connection waits for it, at most 10 s; then Away is raised.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._knocking = asyncio.Lock()

    @classmethod
    async def connect(cls, url: str, *, role: str = APP_ROLE, max_size: int = 10, name: str = "windlass") -> Self:
        """Open a pool on `url` (the owner's DSN) whose connections act as `role`. Raises Away."""

        async def pool() -> Pool:
            made: Any = asyncpg.create_pool(  # pyright: ignore[reportUnknownMemberType] - it ships without types
                url,
                min_size=0,
                init_size=1,  # so that a server that is away is noticed here
                max_size=max_size,
                max_inactive_connection_lifetime=IDLE_S,
                init=prepare,
                reset=leave,
                command_timeout=30,
                server_settings={"role": role, "application_name": name},
            )
            return await made

        return cls(await patiently(pool, asyncio.Lock()))

    async def close(self) -> None:
        """Wait a moment for the borrowed connections, then close all; what is still borrowed by then is cut."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def tenant(self, tenant_id: TenantId) -> AsyncGenerator[Connection]:
        """A transaction that sees the rows of one tenant."""

        async def begin() -> Connection:  # a lent connection may turn out to be dead: then nothing was done yet
            async with AsyncExitStack() as begun:
                connection = await begun.enter_async_context(self._pool.acquire())
                await begun.enter_async_context(connection.transaction())
                await connection.execute("select set_config('app.tenant', $1, true)", str(tenant_id))
                stack.push_async_exit(begun.pop_all())
            return connection

        async with AsyncExitStack() as stack:
            yield await patiently(begin, self._knocking)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Connection]:
        """A connection without a tenant: for tables without one, and functions that set it themselves."""
        connection = await patiently(self._pool.acquire, self._knocking)
        try:
            yield connection
        finally:
            await self._pool.release(connection)


async def patiently(connect: Callable[[], Awaitable[T]], turn: asyncio.Lock) -> T:
    """Connect, waiting for a server that is away. Raises Away after 10 s.

    Those who wait take turns: every knock costs a starting server a process, and time.
    """
    try:
        return await connect()
    except NO_ANSWER as error:
        reason = error
    try:
        async with asyncio.timeout(PATIENCE_S), turn:
            while True:
                try:
                    return await connect()
                except NO_ANSWER as error:
                    reason = error
                await asyncio.sleep(KNOCK_S)
    except TimeoutError:
        raise Away("The database does not answer at the moment. Nothing was changed; try again.") from reason


async def dial(url: str, *, name: str, role: str = APP_ROLE, timeout_s: float = 5.0) -> Any:
    """One connection outside any pool, as a raw asyncpg connection: for locks and notifications."""
    untyped: Any = asyncpg  # it ships without types
    settings = {"role": role, "application_name": name}
    return await untyped.connect(url, server_settings=settings, timeout=timeout_s, command_timeout=timeout_s)


def encode_json(value: Any) -> str:
    """JSON text as PostgreSQL takes it: characters that jsonb cannot hold become U+FFFD."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate
        text = orjson.dumps(_storable(value)).decode()
    return text if "\\u0000" not in text else orjson.dumps(_storable(value)).decode()


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]  # pyright: ignore[reportUnknownVariableType] - JSON
    return value


async def prepare(connection: Any) -> None:
    """Teach a new connection that jsonb columns are Python objects."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=encode_json, decoder=orjson.loads)


async def leave(_connection: Any) -> None:
    """Return a connection as it is: no session is ever changed, and asyncpg's own reset costs a round trip."""
