"""Markdown that an agent wrote, as HTML that can do no harm."""

import html

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

TAGS = {
    "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong",
    "s", "a", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
LONGEST = 400_000  # characters; what is longer is shown as text

_parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


def markdown(text: str) -> Markup:
    """Safe HTML: no scripts, styles, images or ids, links only to the web and to mail."""
    if len(text) > LONGEST:
        return Markup("<pre>{}</pre>").format(text)
    clean = nh3.clean(
        _parser.render(text),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(clean)  # noqa: S704 - cleaned by nh3 just above


def cleaned(text: str) -> Markup:
    """The harmless part of somebody's HTML: what Markdown can say, and boxes around it; no forms, no styles."""
    if len(text) > LONGEST:
        return Markup("<pre>{}</pre>").format(text)
    tags = TAGS | {"div", "span", "section", "small", "b", "i", "u", "dl", "dt", "dd"}
    clean = nh3.clean(
        text, tags=tags, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel="noopener noreferrer nofollow"
    )
    return Markup(clean)  # noqa: S704 - cleaned by nh3 just above


def words(text: str) -> str:
    """What Markdown says, without its marks."""
    return html.unescape(nh3.clean(_parser.render(text[:LONGEST]), tags=set()))
