"""Files of sessions: those of the workspace as they are, and those that were kept as results."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict

from api.dependencies import EngineDep
from api.routes.sessions import MessagesQuery, SessionReader

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])


class FileView(BaseModel):
    """A file of a session's workspace, and the turn that changed it last."""

    model_config = ConfigDict(from_attributes=True)

    path: str
    size_bytes: int
    digest: str
    turn: int
    changed_at: datetime


class FileList(BaseModel):
    """The files of a workspace by their path."""

    items: Sequence[FileView]
    next: None = None


class ArtifactView(BaseModel):
    """A file that was kept as a result of the session, as it was then."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    description: str
    path: str
    size_bytes: int
    digest: str
    turn: int
    saved_at: datetime


class ArtifactsPage(BaseModel):
    """What was kept, in its order; `next` is the id to go on after."""

    items: Sequence[ArtifactView]
    next: int | None


@router.get("/{session_id}/files")
async def files(session_id: UUID, caller: SessionReader, engine: EngineDep) -> FileList:
    """The files of the session's workspace."""
    await engine.sessions.get(caller, session_id)
    found = await engine.workspaces.files(caller.tenant_id, session_id)
    return FileList(items=[FileView.model_validate(each) for each in found.values()])


@router.get("/{session_id}/files/{path:path}", response_class=Response)
async def download(session_id: UUID, path: str, caller: SessionReader, engine: EngineDep) -> Response:
    """One file of the workspace, to be kept and never shown by a browser."""
    await engine.sessions.get(caller, session_id)
    content = await engine.workspaces.content(caller.tenant_id, session_id, path)
    return attachment(path, content)


@router.get("/{session_id}/artifacts")
async def artifacts(
    session_id: UUID, query: Annotated[MessagesQuery, Query()], caller: SessionReader, engine: EngineDep
) -> ArtifactsPage:
    """The files that were kept as results of the session."""
    found = await engine.sessions.saved(caller, session_id, query.after, query.limit)
    items = [ArtifactView.model_validate(each) for each in found]
    return ArtifactsPage(items=items, next=items[-1].id if len(items) == query.limit else None)


@router.get("/{session_id}/artifacts/{artifact_id}", response_class=Response)
async def artifact(
    session_id: UUID, artifact_id: Annotated[int, Path(ge=1, le=2**62)], caller: SessionReader, engine: EngineDep
) -> Response:
    """One of them as it was kept, as a download."""
    kept = await engine.sessions.saved_file(caller, session_id, artifact_id)
    return attachment(kept.name, await engine.workspaces.read(caller.tenant_id, kept.digest))


def attachment(path: str, content: bytes) -> Response:
    """A file as a download under its own name."""
    name = quote(path.rsplit("/", 1)[-1])
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}", "x-content-type-options": "nosniff"}
    return Response(content, media_type="application/octet-stream", headers=headers)
