"""The commands of the tutorial, run as they stand on the page, print what the page says."""

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.parts import free_ports, short_folder

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "first-agent.md"
BLOCK = re.compile(r"^```(console|python) (\S+)=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"
VARYING = {  # what differs from one reader to the next
    r"\d\d:\d\d:\d\d": r"\d\d:\d\d:\d\d",
    r"[0-9a-f-]{36}": r"[0-9a-f-]{36}",
    r"\d+ ms": r"[\d.]+ m?s",
    r"Started in [\d.]+": r"Started in [\d.]+",
    r"process \d+": r"process \d+",
    r"/home/you": r"\S+",
    r"1 leg": r"[12] leg",  # which one is interrupted, nobody knows
    r" {2,}": r" +",
}
PATIENCE_S = 60.0
NOT_THE_READERS = ("WINDLASS_", "TEMPORAL_", "MAKE", "MFLAGS")  # under `make test`, make talks of its level


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the page, in which terminal, and the lines it is said to print."""

    terminal: str
    words: str
    output: tuple[str, ...]

    @property
    def stays(self) -> bool:
        """Whether it keeps its terminal."""
        return self.words == "make up"

    @property
    def looks(self) -> bool:
        """Whether it only looks: a reader who is too early looks again."""
        return " show " in self.words


@dataclass(slots=True)
class Terminal:
    """A shell that keeps its folder and variables from one command to the next."""

    environment: dict[str, str]
    process: asyncio.subprocess.Process | None = None

    async def type(self, command: Command) -> list[str]:
        """Run a command and answer what it printed; one that stays is waited for until it prints its last line."""
        if self.process is None:
            self.process = await self._open()
        assert self.process.stdin
        self.process.stdin.write(f"{command.words}\necho end-of-command $?\n".encode())
        lines: list[str] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (line := await self._line()).startswith("end-of-command"):
                    lines.append(line)
                    if command.stays and fits(command.output, lines):
                        return lines
        except TimeoutError:
            raise AssertionError(f"$ {command.words}\ndid not end; it printed:\n{chr(10).join(lines)}") from None
        assert line == "end-of-command 0", f"$ {command.words}\nended with {line}:\n{chr(10).join(lines)}"
        return lines

    async def close(self) -> None:
        """Interrupt what runs in it, and end the shell."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGINT)
            assert self.process.stdin
            self.process.stdin.close()
            await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    async def _open(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *("bash", "--norc"),
            cwd=ROOT,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def _line(self) -> str:
        assert self.process
        assert self.process.stdout
        line = await self.process.stdout.readline()
        assert line, "the shell has ended"
        return line.decode().rstrip()


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """The blocks that do something: kind, where, text."""
    for kind, _, where, text in BLOCK.findall(page):
        yield kind, where, text


def commands(terminal: str, text: str) -> Iterator[Command]:
    """The commands of a console block."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        words, *output = part.splitlines()
        yield Command(terminal, words, tuple(output))


def fits(expected: tuple[str, ...], printed: list[str]) -> bool:
    """Whether the lines are those of the page; `…` stands for anything."""
    lines = [r"(?:.*\n)*?" if line == ANYTHING else pattern(line) + r" *\n" for line in expected]
    return re.fullmatch("".join(lines), "".join(f"{line}\n" for line in printed)) is not None


def pattern(line: str) -> str:
    """A line of the page, with what varies left open."""
    pieces = re.split(f"({'|'.join(VARYING)})", line)
    kinds = (
        (piece, next((open_ for shape, open_ in VARYING.items() if re.fullmatch(shape, piece)), None))
        for piece in pieces
    )
    return "".join(open_ or re.escape(piece) for piece, open_ in kinds)


@pytest.fixture
def home() -> Generator[Path]:
    """The empty home of a person."""
    with short_folder() as folder:
        yield folder


@pytest.fixture
async def terminals(home: Path) -> AsyncGenerator[dict[str, Terminal]]:
    """Two terminals of a person whose ports are free."""
    gateway, temporal, pages = free_ports(3)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(NOT_THE_READERS)},
        "HOME": str(home),
        "WINDLASS_HOME": str(home / "windlass"),
        "WINDLASS_PORT": str(gateway),
        "WINDLASS_TEMPORAL_PORT": str(temporal),
        "WINDLASS_TEMPORAL_UI_PORT": str(pages),
    }
    made = {name: Terminal(environment) for name in ("1", "2")}
    yield made
    for terminal in made.values():
        await terminal.close()


async def look(terminal: Terminal, command: Command) -> list[str]:
    """Run a command, again if it only looks and was too early."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not fits(command.output, printed := await terminal.type(command)):
        in_vain = not command.looks or asyncio.get_running_loop().time() > deadline
        assert not in_vain, f"$ {command.words}\nprinted:\n{chr(10).join(printed)}"
    return printed


def write(path: Path, text: str) -> None:
    path.write_text(text)


async def test_the_tutorial_does_what_it_says(terminals: dict[str, Terminal]):
    environment = terminals["2"].environment
    page = PAGE.read_text().replace("8700", environment["WINDLASS_PORT"])

    printed: dict[str, list[str]] = {}
    for kind, where, text in blocks(page):
        if kind == "python":
            write(Path(where.replace("~", environment["HOME"])), text)
            continue
        for command in commands(where, text):
            printed[command.words] = await look(terminals[command.terminal], command)

    done = Counter(re.findall(r"leg (\d+) done", "\n".join(printed["windlass run watch last"])))
    assert done == {str(leg): 1 for leg in range(1, 21)}
    twice = [line for line in printed["uniq -c ~/voyage/log.txt"] if line.split()[0] == "2"]
    assert len(twice) <= 1, twice


def test_a_line_that_differs_does_not_fit():
    expected = ("11:32:29  status    finished", ANYTHING, "610 miles in 20 legs")

    assert fits(expected, ["09:00:01  status    finished", "x", "y", "610 miles in 20 legs"])
    assert fits(expected, ["09:00:01  status    finished", "610 miles in 20 legs"])
    assert not fits(expected, ["09:00:01  status    finished", "611 miles in 20 legs"])
    assert not fits(expected, ["09:00:01  status    failed", "610 miles in 20 legs"])
