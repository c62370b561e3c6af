"""Archives that come with a form of a page: sent ahead as an upload, which the form then names."""

from contextlib import suppress
from uuid import UUID

from windlass.core.archives import LARGEST_BYTES, ArchiveRefused, refused
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.file_uploads import FileUploads, UploadFile, folder_of
from windlass.core.sources import Sources
from windlass.core.storage import Objects

GONE = "was not sent to its end, or is not kept any more: choose it again"


def upload_named(project: str) -> UUID | None:
    """The upload that a project names, if it is one."""
    try:
        return UUID(project)
    except ValueError:
        return None


class SentArchives:
    """Makes archives of services out of uploads; once one is taken or refused, its upload is forgotten."""

    def __init__(self, uploads: FileUploads, objects: Objects, sources: Sources) -> None:
        self._uploads, self._objects, self._sources = uploads, objects, sources

    async def keep(self, caller: Caller, upload_id: UUID, module: str) -> str:
        """Keep the archive in an upload, and answer the project that means it.

        Raises ArchiveRefused, Conflict over the quota; then the upload stays, to be named again.
        """
        try:
            file = await self._file(caller, upload_id)
            content = self._objects.read(f"{folder_of(caller.tenant_id)}/{file.digest}")
            project = await self._sources.keep(caller, content, module)
        except NotFound:
            raise refused(GONE) from None
        except ArchiveRefused:
            await self._forget(caller, upload_id)
            raise
        await self._forget(caller, upload_id)
        return project

    async def _file(self, caller: Caller, upload_id: UUID) -> UploadFile:
        upload = await self._uploads.get(caller, upload_id)
        if not upload.is_complete:
            raise refused(GONE)
        if len(upload.files) != 1:
            raise refused(f"must be one file, not {len(upload.files):,}")
        (file,) = upload.files
        if (file.size_bytes or 0) > LARGEST_BYTES:
            raise refused(f"is larger than {LARGEST_BYTES >> 20} MiB")
        return file

    async def _forget(self, caller: Caller, upload_id: UUID) -> None:
        with suppress(NotFound):  # somebody else did, or it has expired
            await self._uploads.cancel(caller, upload_id)
