"""Artifacts: values too large for an event, kept in the object store under their hash."""

import hashlib
import json
import re
from typing import Any
from uuid import UUID

import orjson

from windlass.contracts.events import Payload
from windlass.contracts.ids import TenantId
from windlass.core.contents import Contents
from windlass.core.database import encode_json

INLINE_BYTES = 32 * 1024
SMALL_BYTES = 2048  # a reference with its preview is not smaller
PREVIEW_CHARACTERS = 1000
REFERENCE = "$artifact"
EXPONENT = re.compile(r"\de([+-]\d{1,3})")
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


class Artifacts:
    """Large JSON values of one installation, by tenant and content hash."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def fold(self, tenant_id: TenantId, stream_id: UUID | None, payload: Payload) -> Payload:
        """The payload as an event of this log may carry it: while over 32 KiB its largest value becomes a reference.

        A value that only looks like a reference is kept as one, so that nobody can forge one. Without a log whoever
        records the payload within a day says which one names what is `named` in it.
        """
        for name in [name for name, value in payload.items() if _is_reference(value)]:
            payload = {**payload, name: await self._keep(tenant_id, stream_id, payload[name])}
        while not _fits(payload):
            sizes = {name: _size(value) for name, value in payload.items() if not _is_reference(value)}
            largest = max(sizes, key=lambda name: sizes[name], default="")
            if sizes.get(largest, 0) <= SMALL_BYTES:  # it is large by its many parts
                return await self._keep(tenant_id, stream_id, payload)
            payload = {**payload, largest: await self._keep(tenant_id, stream_id, payload[largest])}
        return payload

    async def unfold(self, tenant_id: TenantId, value: Any) -> Any:
        """The value behind a reference, or the value itself. Raises NotFound."""
        if _is_reference(value):
            return orjson.loads(await self._contents.get(tenant_id, value[REFERENCE]))
        return value

    async def whole(self, tenant_id: TenantId, payload: Payload) -> Payload:
        """The payload as it was before it was folded. Raises NotFound."""
        if _is_reference(payload):
            return await self.unfold(tenant_id, payload)
        return {name: await self.unfold(tenant_id, value) for name, value in payload.items()}

    async def _keep(self, tenant_id: TenantId, stream_id: UUID | None, value: Any) -> Payload:
        content = encode_json(value).encode()
        digest = hashlib.sha256(content).hexdigest()
        await self._contents.put(tenant_id, digest, content, stream_id)
        shown = value["body"] if isinstance(value, dict) and set(value) == {"body"} else value  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
        preview = shown if isinstance(shown, str) else content.decode()
        return {REFERENCE: digest, "size_bytes": len(content), "preview": preview[:PREVIEW_CHARACTERS]}


def preview_of(value: Any) -> Any:
    """The beginning of what is behind a reference, as text; or the value itself."""
    return value["preview"] if _is_reference(value) else value


def behind(payload: Payload) -> int:
    """How many bytes are behind the references of a payload."""
    return sum(value["size_bytes"] for value in (payload, *payload.values()) if _is_reference(value))


def named(payload: Payload) -> list[str]:
    """What a payload that was folded refers to, by its hashes."""
    return [value[REFERENCE] for value in (payload, *payload.values()) if _is_reference(value)]


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and REFERENCE in value


def _fits(payload: Payload) -> bool:
    """Whether the database takes it: it writes JSON with spaces, and numbers without exponents."""
    if len(encode_json(payload)) > INLINE_BYTES:
        return False
    return _size(payload) <= INLINE_BYTES


def _size(value: Any) -> int:
    text = json.dumps(value, ensure_ascii=False)
    return len(text.encode(errors="replace")) + sum(abs(int(power)) for power in EXPONENT.findall(TEXT.sub("", text)))
