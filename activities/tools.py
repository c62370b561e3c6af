"""The tools that every session may use: each says what it takes, whether it only reads, and does it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from activities.editor import MOST_BYTES, MOST_PATH, BadEdit, create, replace, text_of, view
from activities.shell import cut
from activities.workspaces import Workspace, contained

Json = dict[str, Any]
Given = Mapping[str, Any]
Work = Callable[[Workspace, Given], Awaitable[str]]

MOST_HITS = 200
LINE_CHARACTERS = 300
SEARCH_S = 20.0
PATH: Json = {"type": "string", "description": "Within the workspace, such as notes/plan.md."}


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool; one that only reads may work beside others like it. One that is not brief may have a lot to read."""

    name: str
    description: str
    takes: Mapping[str, Json]
    work: Work
    only_reads: bool
    required: tuple[str, ...] = ()
    is_brief: bool = True

    @property
    def described(self) -> Json:
        """The tool as the provider wants it described."""
        schema: Json = {"type": "object", "properties": dict(self.takes), "required": list(self.required)}
        return {"name": self.name, "description": self.description, "input_schema": schema}

    async def use(self, workspace: Workspace, given: Given) -> tuple[str, str]:
        """What a call came to: the outcome, and what to say. What it changes is in the workspace's changes."""
        try:
            return "done", cut(await self.work(workspace, given))
        except BadEdit as bad:
            return "failed", str(bad)


async def _read(workspace: Workspace, given: Given) -> str:
    path = text_of(given, "path", MOST_PATH)
    if contained(path) not in workspace.files:
        raise BadEdit(f"There is no file {path}.")
    return await view(workspace, path, given) or "(the file is empty)"


async def _list(workspace: Workspace, given: Given) -> str:
    path = text_of(given, "path", MOST_PATH, may_be_empty=True)
    listed = await workspace.listing("" if path == "." else path)
    if listed is None:
        raise BadEdit(f"{path} is a file.")
    return listed


async def _write(workspace: Workspace, given: Given) -> str:
    path = text_of(given, "path", MOST_PATH)
    return await create(workspace, path, text_of(given, "content", MOST_BYTES, may_be_empty=True))


async def _edit(workspace: Workspace, given: Given) -> str:
    return await replace(workspace, text_of(given, "path", MOST_PATH), given)


async def _search(workspace: Workspace, given: Given) -> str:
    pattern, folder = text_of(given, "pattern", 1000), text_of(given, "path", MOST_PATH, may_be_empty=True)
    hits: list[str] = []
    try:
        async with asyncio.timeout(SEARCH_S):
            for path in sorted(workspace.below(contained("" if folder == "." else folder))):
                file = workspace.files[path]
                if file.size_bytes <= MOST_BYTES:
                    hits += _hits(path, (await workspace.bytes_of(file)).decode(errors="replace"), pattern)
                if len(hits) >= MOST_HITS:
                    return "\n".join([*hits[:MOST_HITS], f"… more than {MOST_HITS} lines"])
    except TimeoutError:
        hits.append(f"… stopped after {SEARCH_S:.0f} s")
    return "\n".join(hits) or "(no line has it)"


def _hits(path: str, text: str, wanted: str) -> list[str]:
    """The lines that have it, whatever the case: as it stands, so that no pattern can take for ever."""
    has = re.compile(re.escape(wanted), re.IGNORECASE)
    lines = enumerate(text.splitlines(), 1)
    return [f"{path}:{number}: {line.strip()[:LINE_CHARACTERS]}" for number, line in lines if has.search(line)]


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "read",
            "Read a text file of the workspace, with line numbers.",
            {
                "path": PATH,
                "view_range": {"type": "array", "items": {"type": "integer"}, "description": "[first, last]"},
            },
            _read,
            only_reads=True,
            required=("path",),
        ),
        Tool("list", "List the files of the workspace, or of a folder in it.", {"path": PATH}, _list, only_reads=True),
        Tool(
            "search",
            "Find the lines of the workspace's files that contain a text, whatever its case.",
            {"pattern": {"type": "string"}, "path": PATH},
            _search,
            only_reads=True,
            required=("pattern",),
            is_brief=False,
        ),
        Tool(
            "write",
            "Write a text file of the workspace whole, with its folders.",
            {"path": PATH, "content": {"type": "string"}},
            _write,
            only_reads=False,
            required=("path", "content"),
        ),
        Tool(
            "edit",
            "Replace a text that is in a file once. Fails, changing nothing, when it is not there or there more often.",
            {"path": PATH, "old_str": {"type": "string"}, "new_str": {"type": "string"}},
            _edit,
            only_reads=False,
            required=("path", "old_str", "new_str"),
        ),
    )
}
