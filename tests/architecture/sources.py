"""The sources of the repository, as the gates read them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("windlass", "workflows", "activities", "workers", "api", "stack", "examples", "tests")
WRITTEN = frozenset({".py", ".sql", ".js", ".css", ".html"})
FOREIGN = frozenset({"vendor", "histories", "results", "__pycache__"})  # kept as they came


@dataclass(frozen=True, slots=True)
class Function:
    """One function, by its place and length."""

    place: str
    lines: int


def written(*rooms: str) -> Iterator[Path]:
    """Every file of these rooms, or of all, that somebody of ours has written."""
    for room in rooms or ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in WRITTEN and not FOREIGN & set(path.parts):
                yield path


def shown(path: Path) -> str:
    """The path as people name it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def functions(path: Path) -> Iterator[Function]:
    """Every function of a Python file, nested ones and methods too."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            end = node.end_lineno or node.lineno
            yield Function(f"{shown(path)}:{node.lineno} {node.name}", end - node.lineno + 1)
