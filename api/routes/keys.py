"""API keys: what programs show instead of a password."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, status
from pydantic import AwareDatetime, BaseModel, Field

from api.bodies import Body, Name
from api.dependencies import CursorsDep, requires
from api.paging import ListQuery, PageOf
from windlass.core.callers import Caller
from windlass.core.identity import ApiKey, Keys, NewKey
from windlass.core.permissions import Permission

router = APIRouter(prefix="/v1/api-keys", tags=["api keys"])

KeyReader = Annotated[Caller, Depends(requires(Permission.KEYS_READ))]
KeyWriter = Annotated[Caller, Depends(requires(Permission.KEYS_WRITE))]
LIST = "api-keys"


class CreateKey(Body):
    """A key's name, what it may do (default: all you may give) and when it ends (default: never)."""

    name: Name
    permissions: frozenset[Permission] | None = Field(None, min_length=1)
    expires_at: AwareDatetime | None = None


class RenameKey(Body):
    """A key's new name."""

    name: Name


class KeyView(BaseModel):
    """A key without its secret."""

    id: str
    person_id: UUID
    name: str
    permissions: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class CreatedKey(KeyView):
    """A new key; `key` is shown this once."""

    key: str


async def get_keys(request: Request) -> Keys:
    """The API keys."""
    keys: Keys = request.state.keys
    return keys


KeysDep = Annotated[Keys, Depends(get_keys)]


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_key(body: CreateKey, caller: KeyWriter, keys: KeysDep) -> CreatedKey:
    """Make a key; its text is in this answer and nowhere else."""
    key, text = await keys.create(caller, NewKey(body.name, body.permissions, body.expires_at))
    return CreatedKey(**_view(key).model_dump(), key=text)


@router.get("")
async def list_keys(
    query: Annotated[ListQuery, Query()], caller: KeyReader, keys: KeysDep, cursors: CursorsDep
) -> PageOf[KeyView]:
    """Your keys, or for administrators everybody's, the newest first."""
    place = cursors.read(caller, LIST, query)
    after = (datetime.fromisoformat(place[0]), str(place[1])) if place else None
    found = await keys.newest(caller, limit=query.limit + 1, after=after)
    items, next_ = cursors.page(caller, LIST, query, found, lambda key: (key.created_at, key.id))
    return PageOf(items=[_view(key) for key in items], next=next_)


@router.get("/{key_id}")
async def get_key(key_id: str, caller: KeyReader, keys: KeysDep) -> KeyView:
    """One key."""
    return _view(await keys.get(caller, key_id))


@router.patch("/{key_id}")
async def rename_key(key_id: str, body: RenameKey, caller: KeyWriter, keys: KeysDep) -> KeyView:
    """Give a key another name."""
    return _view(await keys.rename(caller, key_id, body.name))


@router.delete("/{key_id}", status_code=status.HTTP_204_NO_CONTENT)
async def revoke_key(key_id: str, caller: KeyWriter, keys: KeysDep) -> None:
    """End a key; within five seconds no gateway takes it any more."""
    await keys.revoke(caller, key_id)


def _view(key: ApiKey) -> KeyView:
    return KeyView.model_validate(key, from_attributes=True)
