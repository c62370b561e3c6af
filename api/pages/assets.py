"""The static files: one stylesheet of several sources, addresses that change with the content."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "static"
STYLES = (
    "tokens.css",
    "frame.css",
    "components.css",
    "waterfall.css",
    "log.css",
    "schedules.css",
    "sessions.css",
    "pages.css",
)
MODULES = (
    "live.js",
    "swap.js",
    "zoom.js",
    "rows.js",
    "log.js",
    "keys.js",
    "clocks.js",
    "forms.js",
    "drafts.js",
    "picks.js",
    "preview.js",
    "screens.js",
)
SCRIPTS = ("app.js", *MODULES)
ISLANDS = {
    "viewer.js": FOLDER / "viewer.js",
    "talk.js": FOLDER / "talk.js",
    "attach.js": FOLDER / "attach.js",
    "upload.js": FOLDER / "upload.js",
    "following.js": FOLDER / "following.js",
    "novnc.js": FOLDER / "vendor" / "novnc.js",
}  # each on its page only
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    media_type: str
    body: bytes
    packed: bytes


class Assets:
    """All files in memory, packed once; the address carries a hash of them all, so they may be kept for ever."""

    def __init__(self, folder: Path = FOLDER) -> None:
        styles = b"\n".join((folder / name).read_bytes() for name in STYLES)
        files = {"windlass.css": styles}
        files |= {name: (folder / name).read_bytes() for name in (*SCRIPTS, "icons.svg", "mark.svg")}
        files |= {name: path.read_bytes() for name, path in ISLANDS.items()}
        digest = hashlib.sha256()
        for name in sorted(files):
            digest.update(name.encode() + files[name])
        self.version = digest.hexdigest()[:12]
        self._files = {name: _asset(name, body) for name, body in files.items()}

    def url(self, name: str) -> str:
        """The address of a file; a name that does not exist is an error of the template."""
        if name not in self._files:
            raise LookupError(name)
        return f"/assets/{self.version}/{name}"

    def get(self, name: str) -> Asset | None:
        """The file of that name."""
        return self._files.get(name)


def _asset(name: str, body: bytes) -> Asset:
    media_type = TYPES[Path(name).suffix]
    return Asset(media_type, body, gzip.compress(body, 9, mtime=0))
