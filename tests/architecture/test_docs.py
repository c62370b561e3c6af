"""The reference says what the code says: settings, routes, permissions, events, problems, protocol, dependencies."""

import asyncio
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute

import windlass
from api.app import ROUTERS
from api.dependencies import Requires
from api.errors import slug
from windlass import ServeAPI, TracerMock
from windlass.cli.codes import INTERRUPTED, REFUSED, UNREACHABLE
from windlass.cli.watching import OUTCOMES
from windlass.contracts.events import EventKind
from windlass.contracts.hosts import LINE_BYTES
from windlass.core.errors import WindlassError
from windlass.core.permissions import OPERATOR_OF_PLATFORM, PERSONAL, ROLES, Permission, Role
from windlass.core.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
LINK = re.compile(r"(?:\]\(|src=\"|srcset=\")([^)\"\s]+)[)\"]")
NAME = re.compile(r"[\w-]+")
OP = re.compile(r'"op": ?"([a-z]+)"')


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text()


def rows(text: str) -> list[list[str]]:
    """The cells of every table row but heads and rules."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line] for line in lines]


def section(text: str, start: str, end: str = "\n## ") -> str:
    """The part of a page from a heading to the next."""
    begun = text.index(start) + len(start)
    ended = text.find(end, begun)
    return text[begun : ended if ended >= 0 else None]


def test_every_setting_is_described_with_its_default():
    known = {str(field.alias): shown(field) for field in Settings.model_fields.values()}

    servers = page("settings.md").split("## Of the command line")[0]
    described = {name.strip("`"): default for name, default, *_ in rows(servers)}

    assert described.keys() == known.keys()
    assert {name: default for name, default in described.items() if not default.startswith("*")} == {
        name: default for name, default in known.items() if default is not None
    }


def shown(field: Any) -> str | None:
    """A default as the table shows it; None where words describe it."""
    default = field.default
    if field.default_factory is not None or default in (None, "", ()):
        return None
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_matrix_of_permissions_is_the_one_in_force():
    wanted = [
        [f"`{permission}`", *(yes(permission in ROLES[role]) for role in Role), yes(permission not in PERSONAL)]
        for permission in Permission
        if permission not in OPERATOR_OF_PLATFORM
    ]

    lines = [line for line in page("permissions.md").splitlines() if line.startswith("| `")]
    found = [[cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")] for line in lines]

    assert found == wanted


def yes(answer: bool) -> str:
    return "yes" if answer else ""


def test_every_route_is_listed_with_its_permission():
    wanted = {
        f"`{method} {route.path.replace(':path', '')}`": needed(route.dependant)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute | APIWebSocketRoute)
        for method in ((route.methods or ()) if isinstance(route, APIRoute) else ("WS",))
    }

    found = {route: needs for route, needs, *_ in rows(section(page("http-api.md"), "\n## Routes", "\x00"))}

    assert found == wanted


def needed(dependant: Dependant) -> str:
    """The permission a route asks for."""
    return next((f"`{each.permission}`" for each in requirements(dependant)), "nobody")


def requirements(dependant: Dependant) -> Iterator[Requires]:
    if isinstance(dependant.call, Requires):
        yield dependant.call
    for part in dependant.dependencies:
        yield from requirements(part)


def test_every_kind_of_event_is_described():
    text = page("events.md")

    described = {kind.strip("`") for kind, *_ in rows(section(text, "## Kinds that runs write today"))}
    reserved = set(re.findall(r"`([a-z.]+)`", section(text, "## Reserved kinds")))

    assert described | reserved == {str(kind) for kind in EventKind}
    assert not described & reserved


def test_every_problem_is_described_with_its_status():
    wanted = {f"`{slug(kind.__name__)}`": str(kind.status) for kind in (WindlassError, *below(WindlassError))}

    table = page("problems.md").split("## Errors of runs")[0]

    assert {name: status for name, status, *_ in rows(table)} == wanted


def below(kind: type[WindlassError]) -> Iterator[type[WindlassError]]:
    """Every domain error of our own."""
    for each in kind.__subclasses__():
        if not each.__module__.startswith("tests"):
            yield each
        yield from below(each)


def test_the_words_of_the_host_protocol_are_those_of_the_host():
    sources = [*(ROOT / "windlass" / "host").glob("*.py"), *(ROOT / "activities" / "adapters").glob("*.py")]
    spoken = {word for source in sources for word in OP.findall(source.read_text())}
    connection = (ROOT / "windlass" / "host" / "server.py").read_text()
    obeyed = set(re.findall(r'^            "([a-z]+)": ', section(connection, "_operations", "\n        }"), re.M))

    text = page("host-protocol.md")
    to_host = {row[0].strip("`") for row in rows(section(text, "## To the host"))}
    from_host = {row[0].strip("`") for row in rows(section(text, "## From the host"))}

    assert to_host == obeyed
    assert spoken - obeyed == from_host - obeyed
    assert f"{LINE_BYTES // 2**20} MiB a line" in text


def test_the_exit_codes_are_those_of_the_programs():
    text = page("exit-codes.md")
    ours, hosts = section(text, "## `windlass`"), section(text, "## A service's host")

    for code in {0, 2, REFUSED, UNREACHABLE, INTERRUPTED, *OUTCOMES.values()}:
        assert f"| {code} |" in ours
    for source in (ROOT / "windlass" / "host").glob("*.py"):
        for code in re.findall(r"^EXIT_\w+ = (\d+)", source.read_text(), re.MULTILINE):
            assert f"| {code} |" in hosts


def test_every_dependency_is_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["platform"],
        *project["dependency-groups"]["dev"],
    ]
    names = {f"`{NAME.findall(requirement)[0]}`" for requirement in listed}

    assert {row[0] for row in rows((DOCS / "dependencies.md").read_text())} == names


def test_every_decision_is_in_the_index_and_short():
    index = (DOCS / "decisions" / "README.md").read_text()

    for note in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        assert f"({note.name})" in index
        assert len([line for line in note.read_text().splitlines() if line.strip()]) <= 14, note.name


async def test_the_example_of_the_readme_runs():
    (example,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"search": str.split, "read": str.upper, "write": " ".join}
    names |= {"asyncio": asyncio, "Request": Request}
    names |= {name: getattr(windlass, name) for name in ("Launch", "Tracer", "forms")} | {"app": ServeAPI()}

    exec(compile(example, "README.md", "exec"), names)  # noqa: S102 - our own page
    tracer = TracerMock()
    answer = await names["report"]({"topic": "white whales"}, tracer)

    assert answer == "WHITE WHALES"
    assert [payload["name"] for _, payload in tracer.events] == ["search", "read", "read", "sleep", "write"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path):
    for link in LINK.findall(path.read_text()):
        target, _, heading = link.partition("#")
        if "://" in link or target.startswith("mailto:"):
            continue
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), link
        assert not heading or heading in anchors(found.read_text()), link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_holds_the_marks_of_a_merge(path: Path):
    marks = [line for line in path.read_text().splitlines() if re.match(r"(<{7}|>{7}|\|{7}) ", line)]

    assert not marks


def anchors(text: str) -> set[str]:
    """The headings of a page as links name them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
