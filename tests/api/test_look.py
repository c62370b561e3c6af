"""The look as it is shipped: contrast of every pair, sizes, and nothing that the content policy would refuse."""

import gzip
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from api.pages.assets import FOLDER as STATIC
from api.pages.assets import SCRIPTS, STYLES, Assets
from api.pages.templates import FOLDER as TEMPLATES

GROUNDS = ("bg", "panel", "raised", "hover")
STATES = ("queued", "starting", "running", "awaiting", "finished", "failed", "cancelled", "paused", "lost")
TEXTS = ("fg", "fg-2", "fg-3", "brass", *STATES)
BARS = ("k-model", "k-tool", "k-step", "k-wait", "line-strong")
TEXT, SHAPE = 4.5, 3.0


def themes() -> dict[str, dict[str, str]]:
    """The colours of each block of tokens.css, by its selector."""
    css = (STATIC / "tokens.css").read_text()
    blocks = re.findall(
        r"(:root(?::not\(\[data-theme\]\))?|\[data-theme=light\]) \{ color-scheme: \w+;(.*?)\n\}", css, re.S
    )
    return {selector: dict(re.findall(r"--([\w-]+):(#[0-9A-F]{6})", body)) for selector, body in blocks}


def luminance(colour: str) -> float:
    """The relative luminance of WCAG."""
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of WCAG, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def pairs(tokens: dict[str, str]) -> Iterator[tuple[str, str, float]]:
    """Every pair that is drawn somewhere, with the contrast it needs."""
    yield from ((text, ground, TEXT) for text, ground in product(TEXTS, GROUNDS))
    yield from ((state, f"{state}-wash", TEXT) for state in STATES)
    yield from (("fg", f"{state}-wash", TEXT) for state in STATES)
    yield from (("fg", "brass-wash", TEXT), ("fg-2", "brass-wash", TEXT), ("brass", "brass-wash", TEXT))
    yield from (("on-brass", "brass", TEXT), ("on-brass", "brass-strong", TEXT))
    yield from (("add", "add-wash", TEXT), ("del", "del-wash", TEXT))
    yield from ((bar, ground, SHAPE) for bar, ground in product(BARS, GROUNDS))
    assert tokens


def sources(*suffixes: str) -> list[Path]:
    """Every file of ours that ends so; vendored files are somebody else's."""
    found = [*STATIC.glob("*"), *TEMPLATES.rglob("*")]
    return [path for path in found if path.suffix in suffixes]


@pytest.mark.parametrize("selector", [":root", "[data-theme=light]"])
def test_every_pair_of_colours_can_be_read(selector: str):
    tokens = themes()[selector]

    weak = {
        f"{front} on {ground}": round(contrast(tokens[front], tokens[ground]), 2)
        for front, ground, needed in pairs(tokens)
        if contrast(tokens[front], tokens[ground]) < needed
    }

    assert weak == {}


def test_a_colour_that_is_too_weak_would_be_found():
    assert contrast("#0B0E11", "#3A424A") < TEXT
    assert round(contrast("#000000", "#FFFFFF"), 1) == 21.0


def test_without_a_choice_light_systems_get_the_same_light():
    known = themes()

    assert known[":root:not([data-theme])"] == known["[data-theme=light]"]
    assert known[":root"].keys() == known["[data-theme=light]"].keys()


def test_components_use_no_colour_but_the_tokens():
    css = "".join((STATIC / name).read_text() for name in STYLES if name != "tokens.css")
    known = set(re.findall(r"--([\w-]+):", (STATIC / "tokens.css").read_text()))
    own = set(re.findall(r"(?<![\w-])--([\w-]+):", css))

    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b(?!-)", css)) <= {"#fff"}  # the ground of an agent's own HTML
    assert set(re.findall(r"var\(--([\w-]+)", css)) - known - own == set()


def test_the_first_page_stays_small():
    styles = b"\n".join((STATIC / name).read_bytes() for name in STYLES)
    scripts = b"".join((STATIC / name).read_bytes() for name in SCRIPTS)

    assert len(gzip.compress(styles, 9)) <= 14_000
    assert len(gzip.compress(scripts, 9)) <= 28_000
    assert len(gzip.compress((STATIC / "icons.svg").read_bytes(), 9)) <= 6_000


def test_no_source_grows_past_a_reading():
    lines = {path.name: path.read_text().count("\n") for path in sources(".css", ".js", ".html", ".svg")}

    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_templates_hold_no_style_no_handler_and_no_script_of_their_own():
    for path in sources(".html"):
        text = path.read_text()
        assert not re.search(r"\sstyle\s*=", text), path.name
        assert not re.search(r"<style|<script(?![^>]*\ssrc=)", text), path.name
        assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text), path.name
        assert "|safe" not in text, path.name
        assert "autoescape false" not in text, path.name


def test_nothing_is_fetched_from_elsewhere():
    for path in sources(".html", ".css", ".js", ".svg"):
        found = set(re.findall(r"https?://[\w./-]+|//[\w-]+\.[\w.]+/", path.read_text()))
        assert found <= {"http://www.w3.org/2000/svg"}, path.name
        assert "@import" not in path.read_text(), path.name


def test_every_icon_that_a_template_names_is_drawn():
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text()))
    text = "".join(path.read_text() for path in sources(".html"))

    assert {f"i-{name}" for name in re.findall(r'icon\("([\w-]+)"', text)} <= drawn
    assert set(re.findall(r'\bstate\("([\w-]+)"\)', text)) <= drawn
    assert set(STATES) <= drawn


def test_an_address_changes_with_the_content(tmp_path: Path):
    for path in STATIC.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = Assets(tmp_path).url("app.js")
    (tmp_path / "log.js").write_text("// another log")

    assert Assets(tmp_path).url("app.js") != before
    assert before.endswith("/app.js")
