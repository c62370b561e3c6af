"""Artifacts: values too large for an event, kept in the object store under their hash."""

import hashlib
from typing import Any

import orjson

from windlass.contracts.events import Payload
from windlass.contracts.ids import TenantId
from windlass.core.storage import Objects

INLINE_BYTES = 32 * 1024
PREVIEW_CHARACTERS = 1000
REFERENCE = "$artifact"


class Artifacts:
    """Large JSON values of one installation, by tenant and content hash."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def fold(self, tenant_id: TenantId, payload: Payload) -> Payload:
        """The payload as an event may carry it: when over 32 KiB its largest value becomes a reference."""
        if len(orjson.dumps(payload)) <= INLINE_BYTES:
            return payload
        sizes = {name: len(orjson.dumps(value)) for name, value in payload.items()}
        largest = max(sizes, key=lambda name: sizes[name])
        return await self.fold(tenant_id, {**payload, largest: await self._keep(tenant_id, payload[largest])})

    async def unfold(self, tenant_id: TenantId, value: Any) -> Any:
        """The value behind a reference, or the value itself."""
        if isinstance(value, dict) and REFERENCE in value:
            return orjson.loads(await self._objects.get(f"{tenant_id}/{value[REFERENCE]}"))
        return value  # pyright: ignore[reportUnknownVariableType] - any JSON value

    async def _keep(self, tenant_id: TenantId, value: Any) -> Payload:
        content = orjson.dumps(value)
        digest = hashlib.sha256(content).hexdigest()
        await self._objects.put(f"{tenant_id}/{digest}", content)
        preview = value if isinstance(value, str) else content.decode()
        return {REFERENCE: digest, "size_bytes": len(content), "preview": preview[:PREVIEW_CHARACTERS]}
