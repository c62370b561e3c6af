"""Files of sessions: those of the workspace as they are, and those that were kept as results."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response, status
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.dependencies import EngineDep
from api.routes.sessions import AttachmentView, MessagesQuery, SessionReader, SessionWriter
from api.uploads import read_file
from windlass.core.attachments import NewAttachment
from windlass.core.changes import Compared
from windlass.core.media import IMAGES, LARGEST_BYTES

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

ANY: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def _file_name(value: str) -> str:
    if not value.isprintable() or "/" in value or "\\" in value or value in (".", ".."):
        raise ValueError("must be the name of a file, without folders")
    return value


FileName = Annotated[str, Query(min_length=1, max_length=200), AfterValidator(_file_name)]


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


class ChangeView(BaseModel):
    """A file that is not as it was when the session began: a unified diff, or why there is none."""

    path: str
    change: Literal["added", "changed", "removed"]
    added: int = Field(description="Lines.")
    removed: int
    diff: str
    problem: str

    @classmethod
    def of(cls, told: Compared) -> "ChangeView":
        """The same, as clients read it."""
        facts = {"path": told.file.path, "change": told.file.kind, "diff": "\n".join(told.lines)}
        return cls.model_validate({**facts, "added": told.added, "removed": told.removed, "problem": told.problem})


class ChangeList(BaseModel):
    """What has become of the files of a workspace, by their path."""

    items: Sequence[ChangeView]
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


@router.get("/{session_id}/changes")
async def changes(session_id: UUID, caller: SessionReader, engine: EngineDep) -> ChangeList:
    """What has become of the files since the session began, line by line."""
    await engine.sessions.get(caller, session_id)
    told = await engine.changes.compared(caller.tenant_id, session_id)
    return ChangeList(items=[ChangeView.of(each) for each in told])


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


@router.post(
    "/{session_id}/attachments", status_code=status.HTTP_201_CREATED, openapi_extra={"requestBody": {"content": ANY}}
)
async def attach(
    session_id: UUID, name: FileName, request: Request, caller: SessionWriter, engine: EngineDep
) -> AttachmentView:
    """Keep a picture, a PDF or a text, sent as the body, for a message to name. The second time it is the same one."""
    await engine.sessions.get(caller, session_id)
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    async with engine.uploads.place(caller.person_id):
        wish = NewAttachment(name, declared, await read_file(request, LARGEST_BYTES))
        kept = await engine.attachments.keep(caller.tenant_id, session_id, wish)
    return AttachmentView.model_validate(kept)


@router.get("/{session_id}/attachments/{attachment_id}", response_class=Response)
async def attached(session_id: UUID, attachment_id: UUID, caller: SessionReader, engine: EngineDep) -> Response:
    """What was attached to a message, as it came; a picture may be shown, everything else is a download."""
    await engine.sessions.get(caller, session_id)
    kept = await engine.attachments.get(caller.tenant_id, session_id, attachment_id)
    content = await engine.attachments.content(caller.tenant_id, kept.digest)
    return attachment(kept.name, content, kept.media_type if kept.media_type in IMAGES else None)


def attachment(path: str, content: bytes, shown_as: str | None = None) -> Response:
    """A file as a download under its own name, or as a picture of this type."""
    name = quote(path.rsplit("/", 1)[-1])
    way = "attachment" if shown_as is None else "inline"
    headers = {"content-disposition": f"{way}; filename*=UTF-8''{name}", "x-content-type-options": "nosniff"}
    return Response(content, media_type=shown_as or "application/octet-stream", headers=headers)
