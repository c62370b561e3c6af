"""Lists of pages that are searched by words and read page by page, the newest first."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request

from api.paging import Cursors, Dated, page_query, place_in_time, place_of
from windlass.core.callers import Caller

T = TypeVar("T", bound=Dated)

SHOWN = 50
LONGEST = 100  # letters of the words


@dataclass(frozen=True, slots=True)
class Searched(Generic[T]):
    """One page of such a list."""

    items: Sequence[T]
    query: str
    older: str | None
    is_first: bool

    @property
    def place(self) -> dict[str, Any]:
        """Which page this is of what, as templates take it."""
        return {"query": self.query, "older": self.older, "is_first": self.is_first}


async def search(
    request: Request, caller: Caller, cursors: Cursors, name: str, newest: Callable[..., Awaitable[list[T]]]
) -> Searched[T]:
    """The page of the list `name` that the address asks for; `newest` is the store's."""
    text = request.query_params.get("q", "")[:LONGEST]
    query = page_query(request.query_params.get("after"), SHOWN)
    after = place_of(cursors.read(caller, name + text, query))
    found = await newest(caller, text or None, limit=SHOWN + 1, after=after)
    items, older = cursors.page(caller, name + text, query, found, place_in_time)
    return Searched(items, text, older, after is None)
