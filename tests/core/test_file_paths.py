"""Which paths a file of a run may have."""

import pytest

from windlass.contracts.files import checked_path, folders_of, rooted_path

GOOD = [
    "a.txt",
    "data/b.csv",
    "Bericht für März.pdf",
    "報告/表.xlsx",
    "a b/..c",
    "\U0001f469\u200d\U0001f4bb.txt",
    "x" * 255,
]


@pytest.mark.parametrize("path", GOOD)
def test_a_good_name_stays(path: str):
    assert checked_path(path) == path


def test_one_name_is_one_file_however_it_is_composed():
    assert checked_path("u\u0308ber.txt") == "\u00fcber.txt"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../a", "`..`"),
        ("a/../b", "`..`"),
        ("a//b", "empty"),
        ("./a", "`.`"),
        ("", "1 to 1000"),
        ("/etc/passwd", "relative"),
        ("a\\b", "relative"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("x" * 300, "255 bytes"),
        ("ä" * 200, "255 bytes"),
        ("invoice\u202etxt.exe", "direction"),
        ("a\u200fb", "direction"),
        ("a/" * 40 + "b", "32 folders"),
        ("a" * 200 + ("/" + "a" * 200) * 5, "1 to 1000"),
    ],
)
def test_a_path_that_may_lead_elsewhere_or_deceive_is_refused(path: str, words: str):
    with pytest.raises(ValueError, match=words):
        checked_path(path)


def test_a_path_has_a_root():
    assert rooted_path("in") == "in"
    assert rooted_path("/out/a/b.txt/") == "out/a/b.txt"
    assert folders_of("out/a/b/c.txt") == ["out/a", "out/a/b"]
    with pytest.raises(ValueError, match="invalid root 'tmp'"):
        rooted_path("tmp/a.txt")
