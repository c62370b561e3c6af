"""Uploads: files on their way to a run. The form's field then holds the id of the upload."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, status
from pydantic import BaseModel, Field

from api.bodies import Body
from api.dependencies import EngineDep, requires
from api.uploads import arriving, read_file
from windlass.contracts.files import CHUNK_BYTES, MOST_FILES, SIZE_BYTES
from windlass.core.callers import Caller
from windlass.core.file_uploads import FileUpload, NewFile, UploadFile
from windlass.core.permissions import Permission

router = APIRouter(prefix="/v1/artifacts/uploads", tags=["files"])

Uploader = Annotated[Caller, Depends(requires(Permission.RUNS_START))]
ANY: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
SENT: dict[str, Any] = {"requestBody": {"content": ANY}}


class FileBody(Body):
    """A file that will be sent."""

    path: str = Field(min_length=1, max_length=1000, description="Its name, with folders if it lies in some.")
    size_bytes: int | None = Field(None, ge=0, le=SIZE_BYTES, description="Not sent: known once all of it is there.")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="What came is compared with it.")


class UploadBody(Body):
    """The files of one field of a form."""

    files: list[FileBody] = Field(min_length=1, max_length=MOST_FILES)


class UploadFileView(BaseModel):
    """A file of an upload; `sha256` is there once all of it is, `received` names the chunks that are.

    A file that was announced without a size has none until then, and as many `chunks` as its last one says.
    """

    file_id: UUID
    path: str
    size_bytes: int | None
    sha256: str | None
    chunks: int
    chunk_bytes: int = CHUNK_BYTES
    received: Sequence[int]


class UploadView(BaseModel):
    """An upload as it stands; a run may take it once it is complete, until it expires."""

    upload_id: UUID
    expires_at: datetime
    complete: bool
    files: Sequence[UploadFileView]


class ChunkView(BaseModel):
    """A chunk that was received."""

    chunk: int
    received_chunks: int


@router.post("", status_code=status.HTTP_201_CREATED)
async def begin(body: UploadBody, caller: Uploader, engine: EngineDep) -> UploadView:
    """Announce files, then send each whole or in chunks."""
    files = [NewFile(each.path, each.size_bytes, each.sha256) for each in body.files]
    return view_upload(await engine.file_uploads.begin(caller, files))


@router.get("/{upload_id}")
async def read(upload_id: UUID, caller: Uploader, engine: EngineDep) -> UploadView:
    """How far an upload is, to go on with it."""
    return view_upload(await engine.file_uploads.get(caller, upload_id))


@router.put("/{upload_id}/{file_id}", openapi_extra=SENT)
async def put(upload_id: UUID, file_id: UUID, request: Request, caller: Uploader, engine: EngineDep) -> UploadFileView:
    """Send a whole file as the body. The second time it is the same one."""
    return view_file(await engine.file_uploads.put(caller, upload_id, file_id, arriving(request)))


@router.put("/{upload_id}/{file_id}/{n}", openapi_extra=SENT)
async def put_chunk(
    upload_id: UUID,
    file_id: UUID,
    n: Annotated[int, Path(ge=0, le=SIZE_BYTES // CHUNK_BYTES)],
    request: Request,
    caller: Uploader,
    engine: EngineDep,
) -> ChunkView:
    """Send one chunk as the body, in any order and as often as it takes."""
    async with engine.uploads.place(caller.person_id):
        content = await read_file(request, CHUNK_BYTES, "A chunk")
        count = await engine.file_uploads.put_chunk(caller, upload_id, file_id, n, content)
    return ChunkView(chunk=n, received_chunks=count)


@router.post("/{upload_id}/complete")
async def complete(upload_id: UUID, caller: Uploader, engine: EngineDep) -> UploadView:
    """All is sent: make files of it. The second time nothing changes; 409 while a chunk is missing."""
    return view_upload(await engine.file_uploads.complete(caller, upload_id))


@router.delete("/{upload_id}", status_code=status.HTTP_204_NO_CONTENT)
async def cancel(upload_id: UUID, caller: Uploader, engine: EngineDep) -> None:
    """Forget an upload; a run that took it keeps its files."""
    await engine.file_uploads.cancel(caller, upload_id)


def view_upload(upload: FileUpload) -> UploadView:
    """An upload as clients see it."""
    files = [view_file(each) for each in upload.files]
    return UploadView(upload_id=upload.id, expires_at=upload.expires_at, complete=upload.is_complete, files=files)


def view_file(file: UploadFile) -> UploadFileView:
    """A file of it as clients see it."""
    return UploadFileView(
        file_id=file.id,
        path=file.path,
        size_bytes=file.size_bytes,
        sha256=file.digest,
        chunks=file.chunks,
        received=range(file.chunks) if file.digest else file.received,
    )
