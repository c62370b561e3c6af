"""Lists in pages: a limit, and an opaque cursor that only fits the list it came from."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field

from windlass.core.callers import Caller
from windlass.core.errors import BadCursor
from windlass.core.identity.tokens import derive

T = TypeVar("T")
TAG_BYTES = 16
LONGEST_CURSOR = 1000


class Dated(Protocol):
    """What a list has by time."""

    @property
    def id(self) -> UUID:
        """What it is called."""
        ...

    @property
    def created_at(self) -> datetime:
        """Since when there is such a thing."""
        ...


class ListQuery(BaseModel):
    """The part of a list's query that every list has; subclasses add their filters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(50, ge=1, le=200, description="How many items at most.")
    after: str | None = Field(None, max_length=LONGEST_CURSOR, description="The `next` of the page before.")

    def filters(self) -> dict[str, Any]:
        """Everything that says which items are meant, without where in them."""
        return self.model_dump(mode="json", exclude={"limit", "after"}, exclude_none=True)


def page_query(after: str | None, limit: int) -> ListQuery:
    """The query of a list on a page; a cursor that is too long to be one of ours is cut, and fits nothing."""
    return ListQuery(limit=limit, after=None if after is None else after[:LONGEST_CURSOR])


class PageOf(BaseModel, Generic[T]):
    """One page of a list; `next` is null on the last one."""

    items: Sequence[T]
    next: str | None


class Cursors:
    """Makes cursors and reads them back; they are bound to tenant, list and filters."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "cursor")

    def make(self, caller: Caller, name: str, query: ListQuery, place: Sequence[Any]) -> str:
        """The cursor for what comes after `place` (JSON values) in a list."""
        body = orjson.dumps(list(place), default=str)  # the database's ids are a kind of UUID of their own
        return base64.urlsafe_b64encode(self._tag(caller, name, query, body) + body).rstrip(b"=").decode()

    def read(self, caller: Caller, name: str, query: ListQuery) -> list[Any] | None:
        """The place the query's cursor stands for; None without one. Raises BadCursor."""
        if query.after is None:
            return None
        try:
            raw = base64.b64decode(query.after + "=" * (-len(query.after) % 4), altchars=b"-_", validate=True)
        except ValueError as error:
            raise BadCursor("The cursor was not made here.") from error
        tag, body = raw[:TAG_BYTES], raw[TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(caller, name, query, body)):
            raise BadCursor("The cursor belongs to another list or other filters. Start again without it.")
        return orjson.loads(body)

    def page(
        self, caller: Caller, name: str, query: ListQuery, items: Sequence[T], place: Callable[[T], Sequence[Any]]
    ) -> tuple[Sequence[T], str | None]:
        """Cut a list that was asked for one item more than the limit, and say where it goes on."""
        if len(items) <= query.limit:
            return items, None
        shown = items[: query.limit]
        return shown, self.make(caller, name, query, place(shown[-1]))

    def _tag(self, caller: Caller, name: str, query: ListQuery, body: bytes) -> bytes:
        filters = orjson.dumps(query.filters(), option=orjson.OPT_SORT_KEYS)
        bound = b"\0".join([str(caller.tenant_id).encode(), name.encode(), hashlib.sha256(filters).digest(), body])
        return hmac.digest(self._key, bound, "sha256")[:TAG_BYTES]


def place_in_time(item: Dated) -> tuple[str, str]:
    """Where something stands in a list by time."""
    return item.created_at.isoformat(), str(item.id)


def place_of(cursor: list[Any] | None) -> tuple[datetime, UUID] | None:
    """The place a cursor of a list by time stands for."""
    return None if cursor is None else (datetime.fromisoformat(cursor[0]), UUID(cursor[1]))
