"""What agents made, as HTML: sanitised, framed or escaped; and the pawl strip."""

from typing import Any

import pytest

from api.pages.addresses import RunAddress
from api.pages.markdown import markdown, words
from api.pages.rendering import local_path, zone
from api.pages.run_page import filled
from api.pages.strip import draw_strip
from api.pages.typed import plain
from api.pages.values import one_line, value
from tests.api.runs_made_up import RUN, record


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", "[a](javascript:alert(1))", "![x](https://evil.example/pixel.png)",
        "<img src=x onerror=alert(1)>", "<a href='data:text/html,x'>a</a>", "<svg onload=alert(1)>",
        "<style>*{}</style>", "[a](JaVaScRiPt:alert(1))", "<iframe src=//evil></iframe>",
        "```\n</code><script>alert(1)</script>\n```",
    ],
)  # fmt: skip
def test_markdown_can_do_no_harm(text: str):
    html = markdown(text)

    for danger in ("<script", 'href="j', "<img", "<svg", "<style", "<iframe", 'href="d'):
        assert danger not in html.lower()


def test_markdown_keeps_what_people_write():
    html = markdown("# A\n\n**b** [c](https://example.org)\n\n| x | y |\n|---|---|\n| 1 | 2 |")

    for kept in ("<h1>A</h1>", "<strong>b</strong>", 'rel="noopener noreferrer nofollow"', "<td>1</td>"):
        assert kept in html
    assert words("**38 of 42** match, `x` &lt;b&gt;") == "38 of 42 match, x <b>\n"


@pytest.mark.parametrize(
    ("payload", "look"),
    [
        ({"Markdown": {"body": "# a"}}, "prose"), ({"HTML": {"body": "<p>"}}, "frame"),
        ({"Text": {"body": "a"}}, "text"), ({"str": "a"}, "text"), ({"dict": {"a": 1}}, "json"),
        ({"int": 3}, "json"), ({"NoneType": None}, "json"),
        ({"__list__": [{"dict": {"a": 1}}, {"dict": {"a": 2, "b": [1]}}]}, "table"), ("loose", "json"),
        ({"Markdown": "not a body"}, "json"),
    ],
)  # fmt: skip
def test_every_value_has_a_look(payload: Any, look: str):
    assert value(payload).look == look


def test_a_list_of_flat_objects_is_a_table():
    table = value({"__list__": [{"dict": {"a": 1}}, {"dict": {"a": "x", "b": None}}]})

    assert (table.columns, table.rows) == (("a", "b"), (("1", "\u2013"), ("x", "\u2013")))
    assert one_line({"str": "a\n b" + "c" * 200}).startswith("a bccc")
    assert plain({"__list__": [{"int": 1}, {"Text": {"body": "t"}}]}) == [1, "t"]


def test_the_strip_says_in_words_what_it_shows():
    steps = [record("collect"), record("match"), record("review", "started", None)]

    strip = draw_strip(steps, "running")

    assert strip.text == "2 of 3 steps kept, review is running"
    assert [block.look for block in strip.blocks] == ["k-step", "k-step", "live", "ahead"]
    assert strip.blocks[-1].x + strip.blocks[-1].width == strip.width


def test_the_strip_of_a_failure_breaks_where_it_broke():
    steps = [record("collect"), record("post", "failed")]

    strip = draw_strip(steps, "failed")

    assert [block.look for block in strip.blocks] == ["k-step", "bad", "ahead"]
    assert strip.text == "1 of 2 steps kept, post failed"


@pytest.mark.parametrize("width", [116, 168])
@pytest.mark.parametrize("count", [1, 13, 14, 15, 20, 21, 24, 25, 500])
@pytest.mark.parametrize("status", ["finished", "running", "failed"])
def test_any_number_of_steps_fits_the_strip(width: int, count: int, status: str):
    steps = [record(f"step {n}", ("done", "failed")[n % 2]) for n in range(count)]

    strip = draw_strip(steps, status, width=width)

    assert all(block.width > 0 for block in strip.blocks)
    assert strip.blocks[-1].x + strip.blocks[-1].width <= strip.width + 0.2


def test_an_address_holds_the_whole_view():
    query = {"span": "sabc", "open": "s1.s2", "fold": "off", "kinds": "errors", "from": "1.5", "to": "9"}
    address = RunAddress.read(RUN, query)

    assert str(address) == f"/runs/{RUN}?span=sabc&open=s1.s2&fold=off&from=1.5&to=9&kinds=errors"
    assert RunAddress.read(RUN, {"tab": "nonsense", "from": "x", "after": "-1"}) == RunAddress(RUN)


@pytest.mark.parametrize(
    "url", ["//evil.example", "https://evil.example", "/\\evil", "javascript:alert(1)", "/a\nb", ""]
)
def test_a_form_never_sends_people_elsewhere(url: str):
    assert local_path(url) == "/"
    assert local_path("/runs?status=failed") == "/runs?status=failed"


@pytest.mark.parametrize("name", ["Nowhere/Land", "../../etc/passwd", "/etc/passwd", "a\0b"])
def test_an_unknown_zone_is_utc(name: str):
    assert zone(name).key == "UTC"
    assert zone("Europe%2FBerlin").key == "Europe/Berlin"


def test_inputs_stand_under_the_labels_and_in_the_order_of_the_form():
    elements = [{"type": "markdown", "text": "Hello"}, {"name": "b", "label": "Bee"}, {"name": "a"}]

    found = filled({"c": 1, "a": None, "b": "x"}, elements)

    assert [(label, name, it.text) for label, name, it in found] == [
        ("Bee", "b", "x"), ("a", "a", "\u2013"), ("c", "c", "1"),
    ]  # fmt: skip
