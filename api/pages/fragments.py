"""Fragments: pieces of HTML with the place where the page puts them."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from api.pages.shell import Counts


@dataclass(frozen=True, slots=True)
class Fragment:
    """One piece; `how` is "" (make the element with its id equal to it), row, lines, write, drop or say."""

    target: str
    html: str = ""
    how: str = ""
    after: str = ""

    def __str__(self) -> str:
        attributes = Markup(' data-target="{}"').format(self.target) if self.target else Markup()
        if self.how:
            attributes += Markup(' data-how="{}"').format(self.how)
        if self.after:
            attributes += Markup(' data-after="{}"').format(self.after)
        return f"<template{attributes}>{self.html}</template>"


def live_count(counts: Counts) -> Fragment:
    """The number of live runs in the rail."""
    return Fragment("n-runs", f'<span class="count" id="n-runs">{counts.live_runs or ""}</span>')


def needs_count(counts: Counts) -> Fragment:
    """The number of questions that wait for the one who looks."""
    return Fragment("n-home", f'<span class="count mine" id="n-home">{counts.needs or ""}</span>')


def say(sentence: str) -> Fragment:
    """A sentence for those who listen to the page."""
    return Fragment("", str(escape(sentence)), "say")


def fragments_event(fragments: Sequence[Fragment], cursor: str) -> bytes:
    """The fragments as one server-sent event, with the place in the logs as its id."""
    return event("html", "".join(map(str, fragments)), cursor)


def event(name: str, data: str = "{}", identity: str = "") -> bytes:
    """A server-sent event. A carriage return would end a line of it, so it travels as a reference."""
    lines = data.replace("\r", "&#13;").replace("\n", "\ndata: ")
    id_line = f"id: {identity}\n" if identity else ""
    return f"{id_line}event: {name}\ndata: {lines}\n\n".encode()
