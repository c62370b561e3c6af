"""Who looks at the screen of a desktop and who has it: tokens for a minute, and a lease that one person holds."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import jwt

from windlass.contracts.ids import TenantId
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database
from windlass.core.desktops import COLUMNS, Desktop, Herald, find_desktop, whole_desktop
from windlass.core.errors import Conflict, NotFound, Unauthenticated
from windlass.core.identity.tokens import derive
from windlass.core.permissions import Permission
from windlass.core.rfb import password
from windlass.core.wakeup import DESKTOPS, Wakeup

ALGORITHM, TYPE = "HS256", "view+jwt"
TOKEN_LIFE = timedelta(seconds=60)  # to begin with: a view that has begun goes on
LEASE_S = 120
NOTE_CHARACTERS = 2_000
REQUIRED = ["exp", "iat", "sub", "tid", "did", "mode"]
SCREEN = "select address, generation from desktop where id = $1 and deleted_at is null"
KEEP = "select keep_desktop($1, $2, $3, $4)"
ASK = "select ask_for_desktop($1, $2, $3)"
LAST = "select last_seq from stream where id = $1"


class Mode(StrEnum):
    """What a viewer may do."""

    VIEW = "view"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A token that opens one screen to one person, until it expires."""

    token: str
    mode: Mode
    expires_at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Screen:
    """Where a desktop's screen is, and what opens it. Never shown to anybody."""

    desktop: Desktop
    mode: Mode
    address: str
    password: str


class Viewers:
    """The people at the screens of a tenant's desktops. Whoever sees a desktop may look; one of them may act."""

    def __init__(
        self, database: Database, wakeup: Wakeup, herald: Herald, secret: bytes, now: Callable[[], datetime]
    ) -> None:
        self._database, self._wakeup, self._herald = database, wakeup, herald
        self._secret, self._now = secret, now
        self._key = derive(secret, "viewer")

    async def admit(self, caller: Caller, desktop_id: UUID, mode: Mode) -> Ticket:
        """A token for a screen. Raises NotFound, Conflict: it is off, or the caller does not have it in hand."""
        async with self._database.tenant(caller.tenant_id) as connection:
            _check(caller, await find_desktop(connection, caller, desktop_id), mode)
        now = self._now()
        expires_at = now + TOKEN_LIFE
        claims = {
            "iat": now,
            "exp": expires_at,
            "sub": str(caller.person_id),
            "tid": str(caller.tenant_id),
            "did": str(desktop_id),
            "mode": str(mode),
        }
        return Ticket(jwt.encode(claims, self._key, ALGORITHM, headers={"typ": TYPE}), mode, expires_at)

    async def open(self, caller: Caller, desktop_id: UUID, token: str) -> Screen:
        """The screen a token opens to its own person. Raises Unauthenticated, NotFound, Conflict."""
        mode = self._read(caller, desktop_id, token)
        async with self._database.tenant(caller.tenant_id) as connection:
            desktop = await find_desktop(connection, caller, desktop_id)
            _check(caller, desktop, mode)
            row = await connection.fetchrow(SCREEN, desktop_id)
        if row is None or not row["address"]:
            raise Conflict(f"The desktop is {desktop.status}; it has no screen now.")
        return Screen(desktop, mode, row["address"], password(self._secret, str(desktop_id), row["generation"]))

    async def still(self, caller: Caller, desktop_id: UUID, mode: Mode) -> bool:
        """Whether a view that was opened may go on in its mode."""
        try:
            async with self._database.tenant(caller.tenant_id) as connection:
                _check(caller, await find_desktop(connection, caller, desktop_id), mode)
        except (NotFound, Conflict):
            return False
        return True

    async def take(self, caller: Caller, desktop_id: UUID) -> Desktop:
        """Give the caller the screen; no task has its turn until they give it back. Raises NotFound, Conflict."""
        async with self._database.tenant(caller.tenant_id) as connection:
            before = await find_desktop(connection, caller, desktop_id)
            desktop = await self._take(connection, caller, desktop_id)
            if not desktop.status.is_on:
                raise Conflict(f"The desktop is {desktop.status}; only one that is idle or busy can be taken over.")
            if desktop.holder != caller.person_id:
                raise Conflict(f"{desktop.holder_name} has the screen. One person at a time; nothing was changed.")
            if before.holder != caller.person_id:
                await record(connection, caller, "desktop.takeover", f"desktop:{desktop_id}", after=_name(desktop))
            seq = await connection.fetchval(LAST, desktop_id)
        self._tell(caller.tenant_id, desktop, seq)
        return desktop

    async def keep(self, caller: Caller, desktop_id: UUID) -> None:
        """Renew the lease of whoever uses the screen. Nothing happens when they do not have it any more."""
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(KEEP, caller.tenant_id, desktop_id, caller.person_id, LEASE_S)

    async def give_back(self, caller: Caller, desktop_id: UUID, note: str = "") -> Desktop:
        """Let go of the screen: the holder does, or the desktop's owner. Raises NotFound, Conflict.

        The note is told to the model that goes on, and stands in the desktop's log.
        """
        async with self._database.tenant(caller.tenant_id) as connection:
            before = await find_desktop(connection, caller, desktop_id)
            if before.holder is None:
                return before
            if caller.person_id not in (before.holder, before.owner):
                raise Conflict(f"{before.holder_name} has the screen. They give it back, or the desktop's owner does.")
            query = f"select {COLUMNS} from give_desktop_back($1, $2, $3)"  # noqa: S608 - constants
            row = await connection.fetchrow(query, caller.tenant_id, desktop_id, note.strip())
            if row is None:
                raise NotFound("desktop", desktop_id)
            await record(connection, caller, "desktop.giveback", f"desktop:{desktop_id}", before=_name(before))
            seq = await connection.fetchval(LAST, desktop_id)
        self._tell(caller.tenant_id, whole_desktop(row), seq)
        return whole_desktop(row)

    async def ask(self, caller: Caller, desktop_id: UUID) -> Desktop:
        """Ask whoever has the screen to give it back, once a minute at most. Raises NotFound, Conflict."""
        async with self._database.tenant(caller.tenant_id) as connection:
            desktop = await find_desktop(connection, caller, desktop_id)
            if desktop.holder is None:
                raise Conflict("Nobody has the screen: take it over.")
            if desktop.holder == caller.person_id:
                raise Conflict("You have the screen yourself: give it back.")
            seq = await connection.fetchval(ASK, caller.tenant_id, desktop_id, caller.name)
            desktop = await find_desktop(connection, caller, desktop_id)
        if seq is not None:
            self._wakeup.poke(caller.tenant_id, desktop.id, seq)
            self._wakeup.touch(DESKTOPS, caller.tenant_id)
        return desktop

    async def _take(self, connection: Connection, caller: Caller, desktop_id: UUID) -> Desktop:
        query = f"select {COLUMNS} from take_desktop($1, $2, $3, $4, $5)"  # noqa: S608 - constants
        row = await connection.fetchrow(query, caller.tenant_id, desktop_id, caller.person_id, caller.name, LEASE_S)
        if row is None:
            raise NotFound("desktop", desktop_id)
        return whole_desktop(row)

    def _read(self, caller: Caller, desktop_id: UUID, token: str) -> Mode:
        """What a token says, when it is ours, of this minute, this person and this desktop. Raises Unauthenticated."""
        try:
            if jwt.get_unverified_header(token) != {"alg": ALGORITHM, "typ": TYPE}:
                raise Unauthenticated("The viewer's token is not ours.")
            options: Any = {"require": REQUIRED, "verify_exp": False, "verify_iat": False}
            said = jwt.decode(token, self._key, [ALGORITHM], options)
            times = float(said["iat"]), float(said["exp"])
            bound = UUID(said["sub"]), UUID(said["tid"]), UUID(said["did"])
            mode = Mode(said["mode"])
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise Unauthenticated("The viewer's token cannot be used.") from error
        now = self._now().timestamp()
        if not times[0] - 5 <= now < times[1] or times[1] - times[0] > TOKEN_LIFE.total_seconds():
            raise Unauthenticated("The viewer's token has expired.")
        if bound != (caller.person_id, caller.tenant_id, desktop_id):
            raise Unauthenticated("The viewer's token is for another person or another desktop.")
        return mode

    def _tell(self, tenant_id: TenantId, desktop: Desktop, seq: int) -> None:
        """The workflow looks whose turn it is; pages and viewers look who has the screen."""
        self._herald.wished(tenant_id, desktop)
        self._wakeup.poke(tenant_id, desktop.id, seq)
        self._wakeup.touch(DESKTOPS, tenant_id)


def _check(caller: Caller, desktop: Desktop, mode: Mode) -> None:
    """Go on only where the caller may look, or act. Raises Conflict."""
    if not desktop.status.has_container:
        raise Conflict(f"The desktop is {desktop.status}; it has no screen now.")
    if mode is Mode.CONTROL and not (caller.may(Permission.DESKTOPS_WRITE) and desktop.holder == caller.person_id):
        raise Conflict("Take the desktop over first: who only looks cannot act.")


def _name(desktop: Desktop) -> dict[str, Any]:
    return {"name": desktop.name, "holder": desktop.holder_name}
