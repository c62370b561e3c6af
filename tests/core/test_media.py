"""What a file is, by its bytes: what breaks off, lies or is too large is refused with the reason."""

import io
import struct
import zlib

import pytest
from PIL import Image

from windlass.core.errors import Invalid
from windlass.core.media import IMAGES, MiB, kind_of

PDF = b"%PDF-1.7\n1 0 obj << >> endobj\ntrailer << >>\n%%EOF\n"


def picture(kind: str, size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size, "teal").save(held, kind, **options)
    return held.getvalue()


PICTURES = {
    "image/png": picture("PNG"),
    "image/jpeg": picture("JPEG", progressive=True),
    "image/gif": picture("GIF"),
    "image/webp": picture("WEBP"),
}
KINDS_OF_WEBP = [picture("WEBP"), picture("WEBP", lossless=True), picture("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")]


@pytest.mark.parametrize("kind", PICTURES)
def test_a_whole_picture_is_one_and_its_first_half_is_none(kind: str):
    content = PICTURES[kind]

    assert kind_of(content, "picture") == kind_of(content, "misnamed.png", "image/png") == kind
    assert IMAGES[kind](content) == (40, 30)
    with pytest.raises(Invalid) as refused:
        kind_of(content[: len(content) // 2], "picture")
    assert "no whole picture" in refused.value.errors[0].message


@pytest.mark.parametrize("content", KINDS_OF_WEBP)
def test_every_kind_of_webp_tells_its_size(content: bytes):
    assert IMAGES["image/webp"](content) == (40, 30)


@pytest.mark.parametrize(
    ("content", "name", "declared", "kind"),
    [
        (PDF, "plan.pdf", "", "application/pdf"),
        ("Grüße".encode(), "notes.md", "text/markdown", "text/plain"),
        (b"a,b\n1,2\n", "table", "application/octet-stream", "text/plain"),
    ],
)
def test_a_pdf_and_a_text_are_what_they_are(content: bytes, name: str, declared: str, kind: str):
    assert kind_of(content, name, declared) == kind


def damaged() -> bytes:
    png = bytearray(PICTURES["image/png"])
    png[20] ^= 1  # in the size, under a checksum
    return bytes(png)


@pytest.mark.parametrize(
    ("content", "name", "declared", "why"),
    [
        (b"not at all", "photo.png", "", "a picture by its name"),
        (b"not at all", "photo", "image/jpeg", "a picture by its name or its type"),
        (PICTURES["image/png"], "plan.pdf", "", "a PDF by its name"),
        (b"words", "plan", "application/pdf", "a PDF by its name or its type"),
        (PDF[:-8], "plan.pdf", "", "its end is missing"),
        (damaged(), "photo.png", "", "damaged"),
        (PICTURES["image/png"] + bytes(5 * MiB), "photo.png", "", "more than 5 MiB"),
        (PDF + bytes(10 * MiB), "plan.pdf", "", "more than 10 MiB"),
        (b"x" * (MiB + 1), "notes.txt", "", "more than 1 MiB"),
        (picture("PNG", (9_000, 1)), "photo.png", "", "9000 by 1 pixels"),
        (picture("PNG", (8_000, 7_000)), "photo.png", "", "8000 by 7000 pixels"),
        (
            b"\x89PNG\r\n\x1a\n" + (bytes(4) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))) * 20_000,
            "a",
            "",
            "no whole",
        ),
        (b"\xff\xd8" + b"\xff" * 40_000, "photo.jpg", "", "no whole picture"),
        (PDF[:-6] + b"<< /Type /Page >>" * 101 + PDF[-6:], "plan.pdf", "", "101 pages"),
        (b"\x00\x01\xff\xfe", "program", "", "neither text in UTF-8"),
        (b"a\0b", "notes.txt", "", "no text"),
        (b"  \n", "notes.txt", "", "empty"),
        (b"RIFF" + struct.pack("<I", 30) + b"WEBPVP9 " + bytes(22), "photo.webp", "", "no whole picture"),
        (b"\xff\xd8\xff\xd9\x00", "photo.jpg", "", "no whole picture"),
        (b"\xff\xd8\xff" + b"\xff" * 9, "photo.jpg", "", "no whole picture"),
    ],
)
def test_what_is_none_of_them_is_refused_with_the_reason(content: bytes, name: str, declared: str, why: str):
    with pytest.raises(Invalid) as refused:
        kind_of(content, name, declared)

    assert why in refused.value.errors[0].message
