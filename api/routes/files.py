"""Files of runs: what went in and what came out. A run reaches its own with a token of its own."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response, status
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from api.archives import zipped
from api.bodies import Body
from api.dependencies import EngineDep, Public, SettingsDep, requires
from api.downloads import Download, disposition, handed_out
from api.uploads import arriving
from windlass.contracts.files import MOST_FILES
from windlass.core.callers import Caller
from windlass.core.file_links import FileLink
from windlass.core.files import FileQuery, RunFile
from windlass.core.permissions import Permission

router = APIRouter(prefix="/v1/runs", tags=["files"])
links = APIRouter(prefix="/v1/file-links", tags=["files"])

FileReader = Annotated[Caller, Depends(requires(Permission.FILES_READ))]
FileWriter = Annotated[Caller, Depends(requires(Permission.FILES_WRITE))]

Root = Literal["in", "out"] | None
ANY: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
BYTES: dict[int | str, dict[str, Any]] = {200: {"content": ANY}, 206: {"content": ANY}}


class RunFileView(BaseModel):
    """A file of a run."""

    model_config = ConfigDict(from_attributes=True)

    path: str = Field(description="With its root in front: in/a.txt, out/b.txt")
    size_bytes: int
    sha256: str = Field(validation_alias="digest")
    changed_at: datetime


class RunFiles(BaseModel):
    """Files by their path; `next` is the path to go on after."""

    items: Sequence[RunFileView]
    next: str | None


class FilesQuery(BaseModel):
    """Which files: of a root, below a path, after a path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    root: Root = None
    below: str = Field("", max_length=1100, description="A folder or a file, with its root.")
    after: str = Field("", max_length=1100)
    limit: int = Field(500, ge=1, le=1000)

    def wanted(self) -> FileQuery:
        """The same as the core asks for it; one more, to know whether there are more."""
        return FileQuery(self.below or self.root or "", self.after, self.limit + 1)


class LinkBody(Body):
    """Which file anybody who has the link may download, and for how long."""

    path: str = Field(min_length=1, max_length=1100)
    minutes: int = Field(60, ge=1, le=10_080)


class LinkView(BaseModel):
    """A signed address."""

    url: str
    expires_at: datetime


@router.get("/{run_id}/files")
async def files(run_id: UUID, query: Annotated[FilesQuery, Query()], caller: FileReader, engine: EngineDep) -> RunFiles:
    """The files of the run by their path, those in folders too."""
    found = await engine.files.list(caller, run_id, query.wanted())
    items = [RunFileView.model_validate(each) for each in found[: query.limit]]
    return RunFiles(items=items, next=items[-1].path if len(found) > query.limit else None)


@router.get("/{run_id}/files.zip", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
async def archive(run_id: UUID, caller: FileReader, engine: EngineDep, root: Root = None) -> Response:
    """All files of the run, or those of one root, as one zip that is made while it is sent."""
    found = await engine.files.list(caller, run_id, FileQuery(root or "", limit=MOST_FILES))
    headers = {"content-disposition": disposition(f"run-{str(run_id)[-8:]}.zip"), "x-content-type-options": "nosniff"}
    content = zipped(found, partial(engine.files.pieces, caller.tenant_id))
    return StreamingResponse(content, headers=headers, media_type="application/zip")


@router.head("/{run_id}/files/{path:path}", response_class=Response, include_in_schema=False)
@router.get("/{run_id}/files/{path:path}", response_class=Response, responses=BYTES)
async def download(run_id: UUID, path: str, request: Request, caller: FileReader, engine: EngineDep) -> Response:
    """One file, or a range of it, to be kept and never shown by a browser."""
    found = await engine.files.get(caller, run_id, path)
    return handed_out(request, as_download(found), partial(engine.files.pieces, caller.tenant_id, found.digest))


@router.put(
    "/{run_id}/files/{path:path}",
    status_code=status.HTTP_201_CREATED,
    openapi_extra={"requestBody": {"content": ANY}},
)
async def write(run_id: UUID, path: str, request: Request, caller: FileWriter, engine: EngineDep) -> RunFileView:
    """Write a file below `out/`; only the run itself does. The second time it is the same one."""
    return RunFileView.model_validate(await engine.files.keep(caller, run_id, path, arriving(request)))


@router.delete("/{run_id}/files/{path:path}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(run_id: UUID, path: str, caller: FileWriter, engine: EngineDep) -> None:
    """Remove a file, or a folder with all that is in it."""
    await engine.files.remove(caller, run_id, path)


@router.post("/{run_id}/file-links", status_code=status.HTTP_201_CREATED)
async def link(run_id: UUID, body: LinkBody, caller: FileReader, engine: EngineDep, settings: SettingsDep) -> LinkView:
    """A signed address of one file for a while: of the bucket, or of the gateway where the store is a folder."""
    found = await engine.files.get(caller, run_id, body.path)
    lifetime = timedelta(minutes=body.minutes)
    made = FileLink(caller.tenant_id, found.name, found.digest, found.size_bytes, datetime.now(UTC) + lifetime)
    url = await engine.file_links.address(made, lifetime, f"{settings.url}{links.prefix}")
    return LinkView(url=url, expires_at=made.expires_at)


@links.head("", response_class=Response, include_in_schema=False, dependencies=[Public])
@links.get("", response_class=Response, responses=BYTES, dependencies=[Public])
async def linked(
    request: Request, token: Annotated[str, Query(min_length=1, max_length=4000)], engine: EngineDep
) -> Response:
    """The file that a signed address is for; nobody needs to be signed in."""
    found = engine.file_links.read(token)
    file = Download(found.name, found.digest, found.size_bytes)
    return handed_out(request, file, partial(engine.files.pieces, found.tenant_id, found.digest))


def as_download(file: RunFile) -> Download:
    """A file of a run under its own name."""
    return Download(file.name, file.digest, file.size_bytes)
