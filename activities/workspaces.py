"""The files of a session while one tool works on them: as recorded, and what changes with the tool's result."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from activities.editor import MOST_BYTES, BadEdit
from windlass.contracts.ids import TenantId
from windlass.core.errors import NotFound
from windlass.core.workspaces import Change, WorkspaceFile, Workspaces

QUOTA_BYTES = 1 << 30
MOST_FILES = 10_000
MOST_PATH_CHARACTERS = 500
MOST_LISTED = 500


class Workspace:
    """One tool's view of the files; nobody else sees what it changes before it is recorded."""

    def __init__(self, store: Workspaces, tenant_id: TenantId, files: Mapping[str, WorkspaceFile]) -> None:
        self._store, self._tenant_id, self.files = store, tenant_id, files
        self.changes: dict[str, Change] = {}

    async def listing(self, path: str) -> str | None:
        """The files below a folder with their sizes; None: it is a file. Raises BadEdit."""
        path = contained(path)
        if path in self.files:
            return None
        found = self.below(path)
        if path and not found:
            raise BadEdit(f"There is no {path}. Nothing was changed.")
        lines = [f"{self.files[name].size_bytes:>10}  {name}" for name in found[:MOST_LISTED]]
        more = f"… and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
        return "\n".join([*lines, more]).strip("\n") or "(no files)"

    async def read(self, path: str) -> str:
        """A file as text. Raises BadEdit."""
        path = contained(path)
        file = self.files.get(path)
        if file is None:
            raise BadEdit(f"There is no file {path or 'without a name'}.")
        if file.size_bytes > MOST_BYTES:
            raise BadEdit(f"{path} has {file.size_bytes} bytes; at most {MOST_BYTES} can be read at once.")
        return (await self.bytes_of(file)).decode(errors="replace")

    async def write(self, path: str, content: str) -> None:
        """Have a file hold this once the tool's result is recorded. Raises BadEdit."""
        path = contained(path)
        if not path or self.below(path):
            raise BadEdit(f"{path or 'The workspace'} is a folder. Nothing was changed.")
        if any(str(parent) in self.files for parent in PurePosixPath(path).parents):
            raise BadEdit(f"A part of {path} is a file, not a folder. Nothing was changed.")
        if path not in self.files and len(self.files) >= MOST_FILES:
            raise BadEdit(f"The workspace has {MOST_FILES} files, and that is the limit. Nothing was changed.")
        self.changes[path] = await self._store.keep(self._tenant_id, path, content.encode())

    async def bytes_of(self, file: WorkspaceFile) -> bytes:
        """What is in a file. Raises BadEdit."""
        try:
            return await self._store.read(self._tenant_id, file.digest)
        except NotFound as lost:
            raise BadEdit(f"What was in {file.path} is no longer in store.") from lost

    def below(self, folder: str) -> list[str]:
        """The files in a folder and in its folders."""
        return [path for path in self.files if not folder or path.startswith(f"{folder}/")]


def contained(path: str) -> str:
    """The path as the record knows it; the workspace itself is empty. Raises BadEdit for one that leads outside."""
    parts = PurePosixPath(path).parts
    if path.startswith(("/", "~")) or ".." in parts or not path.isprintable() or len(path) > MOST_PATH_CHARACTERS:
        raise BadEdit(f"{path[:100]!r} is not in the workspace. Paths begin in it, such as notes/plan.md.")
    return "/".join(parts)
