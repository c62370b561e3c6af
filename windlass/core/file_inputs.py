"""Inputs that name uploads: in the run they name files, and the run takes the uploads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database
from windlass.core.errors import FieldError, Invalid, NotFound
from windlass.core.file_uploads import clashes, find_upload

UNKNOWN = "upload is unknown or incomplete"


@dataclass(frozen=True, slots=True)
class Taken:
    """Inputs with the names of files in place of uploads, and the uploads that the run takes."""

    inputs: Payload
    upload_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Filled:
    """What a form is filled with; `uploads` are taken too, though its fields name their files and not them."""

    elements: Sequence[Payload]
    inputs: Payload
    uploads: tuple[UUID, ...] = ()


async def taken_uploads(database: Database, caller: Caller, filled: Filled) -> Taken:
    """The inputs of a form, with the names of files where an upload is named. Raises Invalid."""
    elements, inputs = filled.elements, filled.inputs
    named = _named(elements, inputs)
    if not named and not filled.uploads:
        return Taken(inputs)
    async with database.tenant(caller.tenant_id) as connection:
        found = {each: await _files_of(connection, caller, each) for each in {*named.values(), *filled.uploads}}
    wrong = [FieldError(f"inputs.{place}", UNKNOWN) for place, each in named.items() if found[each] is None]
    wrong += [FieldError("uploads", UNKNOWN) for each in filled.uploads if found[each] is None]
    wrong += clashes([path for paths in found.values() for path in paths or ()], "inputs")
    if wrong:
        raise Invalid("The files cannot be used; no run was started.", tuple(wrong))
    return Taken(_replaced(elements, inputs, found), tuple(found))


def names_upload(elements: Sequence[Payload], inputs: Mapping[str, Any]) -> bool:
    """Whether a field for files holds an upload."""
    return bool(_named(elements, dict(inputs)))


async def _files_of(connection: Connection, caller: Caller, upload_id: UUID) -> list[str] | None:
    """The paths of a complete upload; None: there is none of the caller's."""
    try:
        upload = await find_upload(connection, caller, upload_id)
    except NotFound:
        return None
    return [each.path for each in upload.files] if upload.is_complete else None


def _named(elements: Sequence[Payload], inputs: Payload, within: str = "") -> dict[str, UUID]:
    """The uploads that inputs name, by the field; those in entries of groups too."""
    named: dict[str, UUID] = {}
    for element in elements:
        name = str(element.get("name") or "")
        value = inputs.get(name)
        if element.get("type") == "file" and (upload_id := _as_id(value)) is not None:
            named[within + name] = upload_id
        elif element.get("type") == "group":
            for place, entry in enumerate(_entries(value)):
                named |= _named(element.get("elements") or (), entry, f"{within}{name}.{place}.")
    return named


def _replaced(elements: Sequence[Payload], inputs: Payload, found: Mapping[UUID, list[str] | None]) -> Payload:
    """The same inputs with the names of files in place of uploads."""
    changed = dict(inputs)
    for element in elements:
        name = str(element.get("name") or "")
        value = inputs.get(name)
        if element.get("type") == "file" and (upload_id := _as_id(value)) is not None:
            changed[name] = sorted(found[upload_id] or ())
        elif element.get("type") == "group" and (entries := _entries(value)):
            changed[name] = [_replaced(element.get("elements") or (), each, found) for each in entries]
    return changed


def _entries(value: Any) -> list[Payload]:
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return cast("list[Payload]", listed) if all(isinstance(each, dict) for each in listed) else []


def _as_id(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
