"""The command line in the process of a test: a process of its own for each command would mostly load modules."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.api.people import Gateway, Person
from windlass.cli import screen
from windlass.cli.app import app


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class Terminal:
    """Somebody's command line: what the gateway in this process logs meanwhile is not taken for its answer."""

    def __init__(self, patch: pytest.MonkeyPatch, *noun: str) -> None:
        self._patch, self._noun = patch, noun

    @classmethod
    def of(cls, gateway: Gateway, person: Person, patch: pytest.MonkeyPatch, config: Path, *noun: str) -> "Terminal":
        """The commands of a noun for a person who is signed in at a gateway."""
        for name, text in (("URL", gateway.url), ("API_KEY", person.token), ("CONFIG", str(config))):
            patch.setenv(f"WINDLASS_{name}", text)
        return cls(patch, *noun)

    async def run(self, *words: str, say: str = "") -> Ran:
        """Run a command."""
        return await asyncio.to_thread(self._run, words, say)

    async def say(self, *words: str, say: str = "") -> str:
        """Run a command that must succeed; what it printed."""
        ran = await self.run(*words, say=say)
        assert ran.code == 0, ran
        return ran.out

    async def read(self, *words: str) -> Any:
        """Run a command that must succeed and read its JSON."""
        return json.loads(await self.say(*words, "--json"))

    def _run(self, words: Sequence[str], say: str) -> Ran:
        out, err, code = StringIO(), StringIO(), 0
        with self._patch.context() as patch:
            patch.setattr(screen.console, "_file", out)
            patch.setattr(screen.errors, "_file", err)
            patch.setattr(sys, "stdin", StringIO(say))
            try:
                code = app([*self._noun, *words], standalone_mode=False) or 0
            except typer.BadParameter as wrong:
                code = wrong.exit_code
                err.write(wrong.format_message())
        return Ran(code, out.getvalue(), err.getvalue())
