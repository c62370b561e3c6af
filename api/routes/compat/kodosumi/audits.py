"""Kodosumi's audit log: rows as lines, the oldest first. An offset is the number of a row, not of a byte."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.dependencies import AuditDep, AuditReader
from api.routes.compat.kodosumi.words import PREFIX, unix
from windlass.core.audit import AuditEntry

router = APIRouter(prefix=f"{PREFIX}/audit", tags=["compat"])

Offset = Annotated[int, Query(ge=0, le=(1 << 63) - 1)]


class AuditLines(BaseModel):
    """Some lines; `next_offset` is where to go on."""

    lines: Sequence[str]
    next_offset: int
    file_size: int


class AuditInfo(BaseModel):
    """How much there is. It is a table, not a file: nothing is rotated away."""

    exists: bool
    path: str = "/v1/audit"
    size: int
    max_bytes: int = 0
    backup_count: int = 0
    modified: float | None


@router.get("/stream")
async def stream(
    caller: AuditReader, audit: AuditDep, offset: Offset = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> AuditLines:
    """The rows after an offset as lines, those of the last seconds still left out; beyond the end it begins anew."""
    last = await audit.last_settled(caller)
    size = 0 if last is None else last[0]
    start = offset if offset <= size else 0
    found = await audit.settled(caller, after=start, limit=limit)
    next_offset = found[-1].id if found else start
    return AuditLines(lines=[_line(each) for each in found], next_offset=next_offset, file_size=max(size, next_offset))


@router.get("/info")
async def info(caller: AuditReader, audit: AuditDep) -> AuditInfo:
    """How far the log goes, and when something was added last."""
    last = await audit.last_settled(caller)
    if last is None:
        return AuditInfo(exists=False, size=0, modified=None)
    return AuditInfo(exists=True, size=last[0], modified=unix(last[1]))


def _line(entry: AuditEntry) -> str:
    """A row in Kodosumi's format: who did what to what, never what it held."""
    at = f"{entry.at:%Y-%m-%d %H:%M:%S},{entry.at.microsecond // 1000:03d}"
    said = " ".join(part for part in (entry.actor_name or "system", entry.action, entry.subject) if part)
    return f"{at} INFO - {' '.join(said.split())}"
