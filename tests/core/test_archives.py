"""Archives that others send: what is in them comes out, and nothing else happens."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from windlass.core import archives
from windlass.core.archives import ArchiveRefused, examine, unpack

Made = Callable[..., Path]
FILES = {"app.py": b"app = 1\n", "data/words.txt": b"one two\n"}


def zipped(place: Path, files: Mapping[str, bytes] = FILES, mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(place / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return place / "a.zip"


def tarred(place: Path, files: Mapping[str, bytes] = FILES, kind: bytes = tarfile.REGTYPE, link: str = "") -> Path:
    with tarfile.open(place / "a.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, link
            archive.addfile(info, io.BytesIO(content))
    return place / "a.tar.gz"


@pytest.mark.parametrize("made", [zipped, tarred])
def test_what_is_in_it_comes_out(tmp_path: Path, made: Made):
    archive, folder = made(tmp_path), tmp_path / "out"
    folder.mkdir()

    assert (len(examine(archive)), unpack(archive, folder)) == (2, 2)

    assert {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == FILES


@pytest.mark.parametrize("made", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../out.py", "a/../../out.py", "/etc/out.py", "a\\..\\out.py", "a\u202ex.py", "x" * 256, "d/" * 33 + "x"]
)
def test_a_name_that_leads_out_or_cannot_be_read_is_refused(tmp_path: Path, made: Made, name: str):
    with pytest.raises(ArchiveRefused):
        examine(made(tmp_path, {name: b"x"}))
    folder = tmp_path / "deep" / "out"
    folder.mkdir(parents=True)
    with pytest.raises(ArchiveRefused):
        unpack(tmp_path / ("a.zip" if made is zipped else "a.tar.gz"), folder)
    assert not list(tmp_path.rglob("*.py"))


def test_a_nul_in_a_name_is_refused(tmp_path: Path):
    archive = zipped(tmp_path, {"app.py_.txt": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"app.py_.txt", b"app.py\0.txt"))

    with pytest.raises(ArchiveRefused):
        examine(archive)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes):
    with pytest.raises(ArchiveRefused, match="not taken"):
        examine(tarred(tmp_path, {"a": b""}, kind, "/etc/passwd"))
    with pytest.raises(ArchiveRefused, match="not taken"):
        examine(zipped(tmp_path, {"a": b"/etc/passwd"}, 0o120777))


@pytest.mark.parametrize("made", [zipped, tarred])
def test_a_bomb_is_refused_while_it_is_still_small(tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 4 << 20)
    monkeypatch.setattr(archives, "MOST_ENTRIES", 5)
    folder = tmp_path / "out"
    folder.mkdir()

    with pytest.raises(ArchiveRefused) as large:
        unpack(made(tmp_path, {"zeros": bytes(16 << 20)}), folder)
    with pytest.raises(ArchiveRefused) as many:
        examine(made(tmp_path, {f"f{n}": b"" for n in range(6)}))

    assert "more than 4 MiB" in large.value.errors[0].message
    assert "more than 5 entries" in many.value.errors[0].message
    assert sum(path.stat().st_size for path in folder.rglob("*")) <= 4 << 20


def test_a_header_that_announces_a_name_of_gigabytes_is_refused_unread(tmp_path: Path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 33
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))

    with pytest.raises(ArchiveRefused) as refused:
        examine(tmp_path / "a.tar.gz")

    assert "header that is too large" in refused.value.errors[0].message


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_is_unpacked_without_a_limit_of_what_comes_out_is_refused(tmp_path: Path, packed: int):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", packed) as archive:
        archive.writestr("zeros", bytes(1 << 20))

    with pytest.raises(ArchiveRefused) as refused:
        examine(tmp_path / "a.zip")

    assert "another way than deflate" in refused.value.errors[0].message


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0", "old"])
def test_maps_of_holes_are_refused_unread(tmp_path: Path, version: str):
    info = tarfile.TarInfo("a")
    said = {"0.0": "GNU.sparse.size", "0.1": "GNU.sparse.map", "1.0": "GNU.sparse.major"}
    info.pax_headers = {said.get(version, "comment"): "1", "GNU.sparse.minor": "0"}
    info.type = tarfile.GNUTYPE_SPARSE if version == "old" else tarfile.REGTYPE
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)

    with pytest.raises(ArchiveRefused) as refused:
        examine(tmp_path / "a.tar.gz")

    assert "a sparse file" in refused.value.errors[0].message


def test_headers_are_bounded_all_together_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    archive = tarred(tmp_path, {f"{'d' * 120}/{number}": b"" for number in range(20)})
    assert len(examine(archive)) == 20
    monkeypatch.setattr(archives, "ALL_HEADERS_BYTES", 1024)

    with pytest.raises(ArchiveRefused) as refused:
        examine(archive)

    assert "header that is too large" in refused.value.errors[0].message


def test_a_zip_whose_end_hides_another_is_refused(tmp_path: Path):
    archive = zipped(tmp_path)
    content = bytearray(archive.read_bytes())
    content[-14:-10] = archives.END  # where it says how many entries there are
    archive.write_bytes(bytes(content))

    with pytest.raises(ArchiveRefused):
        examine(archive)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a", "a/")])
def test_a_file_that_is_a_folder_too_is_refused_before_it_is_kept(tmp_path: Path, names: tuple[str, str]):
    with pytest.raises(ArchiveRefused):
        examine(zipped(tmp_path, dict.fromkeys(names, b"x")))


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04 and no more", b"\x1f\x8b broken", b"plain text"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a").write_bytes(content)

    with pytest.raises(ArchiveRefused):
        examine(tmp_path / "a")
