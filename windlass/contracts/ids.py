"""Identifiers: where every id is made and how workflows are named."""

import hashlib
import os
import time
from datetime import datetime
from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)
PersonId = NewType("PersonId", UUID)
RunId = NewType("RunId", UUID)
ServiceId = NewType("ServiceId", UUID)
TaskId = NewType("TaskId", UUID)
ScheduleId = NewType("ScheduleId", UUID)
FiringId = NewType("FiringId", UUID)
DesktopId = NewType("DesktopId", UUID)
SessionId = NewType("SessionId", UUID)


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562): sorts by its time of creation in milliseconds."""
    stamp = time.time_ns() // 1_000_000
    return _uuid7(stamp, int.from_bytes(os.urandom(10), "big"))


def derived_id(at: datetime, name: str) -> UUID:
    """A UUIDv7 of that moment that is always the same for the same name."""
    stamp, tail = int(at.timestamp() * 1000), int.from_bytes(hashlib.sha256(name.encode()).digest()[:10], "big")
    return _uuid7(stamp, tail)


def _uuid7(stamp: int, tail: int) -> UUID:
    rand_a, rand_b = tail >> 68, tail & ((1 << 62) - 1)
    return UUID(int=stamp << 80 | 0x7 << 76 | (rand_a & 0xFFF) << 64 | 0b10 << 62 | rand_b)


def workflow_id(tenant_id: UUID | str, noun: str, row_id: UUID | str) -> str:
    """Name the workflow of a row: `{tenant}/{noun}/{id}`."""
    return f"{tenant_id}/{noun}/{row_id}"
