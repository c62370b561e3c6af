"""The conversation of a prompt task, as its log holds it and as a model reads it."""

import base64
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from windlass.contracts.desktops import Template
from windlass.contracts.events import Event, EventKind, Payload

Json = dict[str, Any]  # the Messages API is JSON
Picture = Callable[[UUID], Awaitable[bytes | None]]

COMPUTER, BASH, EDITOR = "computer", "bash", "str_replace_based_edit_tool"
BETA = "computer-use-2025-11-24"
SHOWN_PICTURES = 4
LEFT_OUT = "(an earlier screenshot, left out)"
SYSTEM = " ".join(
    (
        "You work in a desktop of your own: a Linux container with an X screen, a window manager, a terminal",
        "(xterm) and, where it is installed, a browser (chromium --no-sandbox). You are the user worker; your",
        "home is /home/worker, and it stays. The computer tool answers",
        "every action with the screen as it is afterwards. Every bash command runs in a shell of its own that",
        "begins in the home; start what should stay, such as a browser, with setsid, in the background and",
        "without output. An answer that says that an action may have happened means that the worker was",
        "interrupted: look at the screen before you do it again. When the task is done, answer in words,",
        "without a tool.",
    )
)

NO_WAY = "There is no way out of the desktop's network."
WAYS = (
    "Out of the desktop's network there is a proxy, named in http_proxy and https_proxy, and nothing else. It leads to "
    "these and to nowhere else: {}. Names are resolved there, not in the desktop."
)


def tools(made_of: Template) -> tuple[Json, ...]:
    """What the model may use: the provider's own tools, whose forms it knows."""
    screen = {"display_width_px": made_of.width, "display_height_px": made_of.height, "display_number": 1}
    return (
        {"type": "computer_20251124", "name": COMPUTER, **screen},
        {"type": "bash_20250124", "name": BASH},
        {"type": "text_editor_20250728", "name": EDITOR},
    )


def calls(message: Payload) -> list[Json]:
    """The tools that a message wants used, in their order."""
    return [block for block in message.get("content") or () if block.get("type") == "tool_use"]


async def conversation(prompt: str, events: Iterable[Event], picture: Picture) -> tuple[Json, ...]:
    """What was said and done, for the model; of its pictures the last ones."""
    events = list(events)
    pictured = [event.seq for event in events if event.payload.get("screenshot")]
    shown = frozenset(pictured[-SHOWN_PICTURES:])
    messages: list[Json] = [{"role": "user", "content": prompt}]
    for event in events:
        if event.kind is EventKind.MESSAGE:
            messages.append({"role": "assistant", "content": event.payload["content"]})
        else:
            block = await _result(event, event.seq in shown, picture)
            if messages[-1]["role"] == "user":
                messages[-1]["content"].append(block)
            else:
                messages.append({"role": "user", "content": [block]})
    return tuple(messages)


async def _result(event: Event, is_shown: bool, picture: Picture) -> Json:
    """What one use of a tool came to."""
    said = event.payload
    content: list[Json] = [{"type": "text", "text": said["text"]}] if said.get("text") else []
    if said.get("screenshot"):
        webp = await picture(UUID(said["screenshot"])) if is_shown else None
        content.append(_image(webp) if webp else {"type": "text", "text": LEFT_OUT})
    return {
        "type": "tool_result",
        "tool_use_id": said["id"],
        "content": content or [{"type": "text", "text": "(nothing)"}],
        "is_error": said["outcome"] == "failed",
    }


def _image(webp: bytes) -> Json:
    source = {"type": "base64", "media_type": "image/webp", "data": base64.b64encode(webp).decode()}
    return {"type": "image", "source": source}


def instructions(events: Iterable[Event], made_of: Template) -> str:
    """What the model is told before all else: where it can go, and the skills, the organisation's first."""
    skills = [str(event.payload["skills"]) for event in events if event.payload.get("skills")]
    return "\n\n".join((SYSTEM, WAYS.format(", ".join(made_of.egress)) if made_of.egress else NO_WAY, *skills))


def texts(message: Payload) -> str:
    """What a message says in words."""
    return str(message.get("text") or "")


def turn_of(events: Sequence[Event], turn: int) -> Event | None:
    """The message of a turn, if it is on record."""
    return next((e for e in events if e.kind is EventKind.MESSAGE and e.payload.get("turn") == turn), None)
