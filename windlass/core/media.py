"""What a file is, by its bytes: a picture that is whole, a PDF, or text. What a sender says of it is only compared."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping

from windlass.core.errors import FieldError, Invalid

MiB = 1 << 20
IMAGE_BYTES, PDF_BYTES, TEXT_BYTES = 5 * MiB, 10 * MiB, MiB
LARGEST_BYTES = max(IMAGE_BYTES, PDF_BYTES, TEXT_BYTES)
LONGEST_SIDE, MOST_PIXELS = 8_000, 50_000_000  # models take no longer ones, and whoever looks at it unpacks it
MOST_PARTS = 10_000  # of a picture
MOST_PAGES = 100  # of a PDF; models take no more
PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")  # where they are not packed
PDF, TEXT, MARKDOWN = "application/pdf", "text/plain", "text/markdown"
PNG, JPEG, GIF, WEBP = "image/png", "image/jpeg", "image/gif", "image/webp"
PNG_MARK = b"\x89PNG\r\n\x1a\n"
ENDINGS = {"png": PNG, "jpg": JPEG, "jpeg": JPEG, "gif": GIF, "webp": WEBP, "pdf": PDF}
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of a JPEG that tell its size
BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers that have no length

Size = tuple[int, int]


class Unreadable(Exception):
    """The bytes are not what they begin like."""


def kind_of(content: bytes, name: str, declared: str = "") -> str:
    """The media type of a file. Raises Invalid: it is not what its name or sender says, or nothing a model reads."""
    begins = begins_like(content)
    expected = ENDINGS.get(name.rpartition(".")[2].lower()) or (declared if declared.startswith("image/") else None)
    if expected is None and declared == PDF:
        expected = PDF
    if expected is not None and begins != expected and not _both_images(begins, expected):
        raise _wrong(f"{_said(expected)} by its name or its type, but its bytes are something else")
    if begins is not None and begins in IMAGES:
        _check_image(content, begins)
    elif begins == PDF:
        _check_pdf(content)
    else:
        _check_text(content)
    return begins or TEXT


def begins_like(content: bytes) -> str | None:
    """The media type whose mark a file begins with; None where there is none, as in texts."""
    if content.startswith(PNG_MARK):
        return PNG
    if content.startswith(b"\xff\xd8\xff"):
        return JPEG
    if content[:6] in (b"GIF87a", b"GIF89a"):
        return GIF
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return WEBP
    return PDF if content.startswith(b"%PDF-") else None


def _both_images(begins: str | None, expected: str) -> bool:
    """A picture under the wrong ending is still one."""
    return begins in IMAGES and expected.startswith("image/")


def _check_image(content: bytes, kind: str) -> None:
    if len(content) > IMAGE_BYTES:
        raise _wrong(f"a picture of more than {IMAGE_BYTES // MiB} MiB")
    try:
        width, height = IMAGES[kind](content)
    except (Unreadable, IndexError, struct.error) as error:
        raise _wrong("no whole picture: it breaks off, or is damaged") from error
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE and width * height <= MOST_PIXELS):
        most = f"a side has at most {LONGEST_SIDE:,}, the whole {MOST_PIXELS:,}"
        raise _wrong(f"a picture of {width} by {height} pixels; {most}")


def _check_pdf(content: bytes) -> None:
    if len(content) > PDF_BYTES:
        raise _wrong(f"a PDF of more than {PDF_BYTES // MiB} MiB")
    if b"%%EOF" not in content[-1024:]:
        raise _wrong("no whole PDF: its end is missing")
    if (pages := sum(1 for _ in PAGE.finditer(content))) > MOST_PAGES:
        raise _wrong(f"a PDF of {pages} pages; it has at most {MOST_PAGES}")


def _check_text(content: bytes) -> None:
    if len(content) > TEXT_BYTES:
        raise _wrong(f"a text of more than {TEXT_BYTES // MiB} MiB")
    try:
        is_empty = not content.decode().strip()
    except UnicodeDecodeError as error:
        raise _wrong("neither text in UTF-8, nor a picture (PNG, JPEG, GIF, WebP), nor a PDF") from error
    if is_empty or b"\0" in content:
        raise _wrong("empty, or no text")


def _png(content: bytes) -> Size:
    size = None
    for kind, body in _chunks(content):
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        elif kind == b"IEND" and size is not None:
            return size
    raise Unreadable


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, each with a checksum that fits."""
    place = len(PNG_MARK)
    for _ in range(MOST_PARTS):
        (length,) = struct.unpack_from(">I", content, place)
        body = content[place + 4 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, place + 8 + length)
        if zlib.crc32(body) != checksum:
            raise Unreadable
        yield body[:4], body[4:]
        place += 12 + length
    raise Unreadable


def _jpeg(content: bytes) -> Size:
    place, size = 2, None
    for _ in range(MOST_PARTS):
        if content[place] != 0xFF:
            raise Unreadable
        if (marker := content[place + 1]) == 0xDA:  # from there on it is the picture itself
            break
        if marker in FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            size = width, height
        place += 1 if marker == 0xFF else 2 if marker in BARE else 2 + struct.unpack_from(">H", content, place + 2)[0]
    if size is None or content.find(b"\xff\xd9", place) < 0:
        raise Unreadable
    return size


def _gif(content: bytes) -> Size:
    if b"\x3b" not in content[-8:] or b"\x2c" not in content:
        raise Unreadable
    width, height = struct.unpack_from("<HH", content, 6)
    return width, height


def _webp(content: bytes) -> Size:
    (length,) = struct.unpack_from("<I", content, 4)
    if length + 8 > len(content):
        raise Unreadable
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L" and content[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise Unreadable


IMAGES: Mapping[str, Callable[[bytes], Size]] = {PNG: _png, JPEG: _jpeg, GIF: _gif, WEBP: _webp}


def _said(kind: str) -> str:
    return "a PDF" if kind == PDF else "a picture"


def _wrong(what: str) -> Invalid:
    return Invalid("Nothing was attached.", (FieldError("file", f"is {what}"),))
