"""Files of runs: their two roots, and which paths may be. Both sides hold a path to the same rules."""

import unicodedata

IN, OUT = "in", "out"
ROOTS = (IN, OUT)
SEGMENT_BYTES = 255  # what file systems take, so that every file can be laid down on a disk
PATH_CHARACTERS = 1000
DEPTH = 32
CHUNK_BYTES = 1 << 20
MOST_FILES = 10_000  # of one run, and of one upload
SIZE_BYTES = 5 << 30
LIFE_HEADER = "x-windlass-life"  # which life of the run it is that calls
RUN_TOKEN = "wr_"  # noqa: S105 - how the token begins by which a run reaches its own files
# They change the order in which a name is shown: "exe.txt" may then be "txt.exe".
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, half characters, breaks of lines


def checked_path(path: str) -> str:
    """A path below a root, composed (NFC) so that one name is one file. A ValueError says what is wrong with it."""
    if not path or len(path) > PATH_CHARACTERS:
        raise ValueError(f"must be a path of 1 to {PATH_CHARACTERS} characters")
    if "\\" in path or path.startswith("/"):
        raise ValueError("must be relative, with / between its folders")
    parts = unicodedata.normalize("NFC", path).split("/")
    if len(parts) > DEPTH:
        raise ValueError(f"must have at most {DEPTH} folders")
    for part in parts:
        _check_part(part)
    return "/".join(parts)


def rooted_path(path: str, *, may_be_root: bool = True) -> str:
    """A path with its root in front, `in/a.txt`. A ValueError says what is wrong with it."""
    root, _, rest = path.strip("/").partition("/")
    if root not in ROOTS:
        raise ValueError(f"invalid root {root!r}")
    if not rest and not may_be_root:
        raise ValueError("must name a file, not only its root")
    return f"{root}/{checked_path(rest)}" if rest else root


def folders_of(path: str) -> list[str]:
    """Every folder a path lies in, but its root."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(2, len(parts))]


def _check_part(part: str) -> None:
    if part in ("", ".", ".."):
        raise ValueError("must not hold empty parts, `.` or `..`")
    if len(part.encode(errors="replace")) > SEGMENT_BYTES:
        raise ValueError(f"must not hold a name of more than {SEGMENT_BYTES} bytes")
    if any(each in TURNING for each in part):
        raise ValueError("must not hold marks that turn the direction of text")
    if any(unicodedata.category(each) in UNSEEN for each in part):
        raise ValueError("must not hold control characters")
