"""Markdown of a form as HTML that can do no harm; headings can be linked to."""

import re
from itertools import pairwise

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

TAGS = {
    *(
        "p",
        "br",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "blockquote",
        "pre",
        "code",
        "em",
        "strong",
    ),
    *("s", "a", "table", "thead", "tbody", "tr", "th", "td"),
}
HEADINGS = {f"h{level}": {"id"} for level in range(1, 7)}
_parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


def markdown(text: str) -> str:
    """Safe HTML: no scripts, styles or images, links only to the web and to mail."""
    tokens = _parser.parse(text)
    for heading, content in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", _slug(content))
    return nh3.clean(
        _parser.renderer.render(tokens, _parser.options, {}),
        tags=TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}, **HEADINGS},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def _slug(content: Token) -> str:
    return re.sub(r"[\s_-]+", "-", re.sub(r"[^\w\s-]", "", content.content.lower())).strip("-")
