"""Kodosumi's files of an execution: those of runs."""

from functools import partial
from uuid import UUID

from fastapi import APIRouter, Request, Response, status
from fastapi.responses import JSONResponse

from api.dependencies import EngineDep
from api.downloads import handed_out
from api.routes.compat.kodosumi.words import PREFIX
from api.routes.files import BYTES, FileReader, FileWriter, as_download
from windlass.contracts.files import IN, MOST_FILES, OUT
from windlass.core.files import FileQuery, RunFile

router = APIRouter(prefix=f"{PREFIX}/files", tags=["compat"])


@router.get("/{run_id}/{path:path}", response_class=Response, responses=BYTES)
async def read(run_id: UUID, path: str, request: Request, caller: FileReader, engine: EngineDep) -> Response:
    """One file; or, at `in` and `out`, what there is of them."""
    root = path.strip("/")
    if root in (IN, OUT):
        found = await engine.files.list(caller, run_id, FileQuery(root, limit=MOST_FILES))
        return JSONResponse([_listed(each) for each in found])
    file = await engine.files.get(caller, run_id, path)
    return handed_out(request, as_download(file), partial(engine.files.pieces, caller.tenant_id, file.digest))


@router.delete("/{run_id}/{path:path}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(run_id: UUID, path: str, caller: FileWriter, engine: EngineDep) -> None:
    """Remove a file, or a folder with all that is in it."""
    await engine.files.remove(caller, run_id, path.strip("/"))


def _listed(file: RunFile) -> dict[str, object]:
    return {"path": file.path, "size": file.size_bytes, "last_modified": file.changed_at.timestamp()}
