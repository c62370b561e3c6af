"""`make bench`: what a run costs beside raw Temporal on the same server, in the same minutes.

Each figure is min / median / max over the repetitions. Ratios bind; absolute times depend on the machine.
`python -m tests.bench [--quick] [NAME …]` measures all, or only the named figures, whose place in the kept results is
renewed; each says the commit it was measured on.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from temporalio.client import Client

from tests.bench import (
    bench_stream,
    dashboard,
    desktops,
    figures,
    files,
    idle_streams,
    report,
    schedules,
    services,
    sessions,
)
from tests.bench.figures import Bench
from tests.bench.stack import ROOT, running
from tests.parts import short_folder, stop

PAGE = ROOT / "docs" / "explanation" / "figures.md"
RESULTS = Path(__file__).parent / "results" / "latest.json"
FIGURES: dict[str, Callable[[Bench], Awaitable[dict[str, Any]]]] = {
    "idle": figures.idle,
    "sequential": figures.sequential,
    "parallel": figures.parallel,
    "history": figures.history,
    "cancelling": figures.cancelling,
    "attached": figures.attached,
    "sleeping": figures.sleeping,
    "idle streams": idle_streams.idle_streams,
    "exactly once": figures.exactly_once,
    "soak": figures.soak,
    "schedules": schedules.schedules,
}


class Alone(Protocol):
    """A figure on a stack of its own."""

    async def __call__(self, home: Path, *, is_quick: bool) -> dict[str, Any]:
        """Measure it."""
        ...


ALONE: dict[str, Alone] = {
    "stream": bench_stream.stream,
    "sessions": sessions.sessions,
    "desktops": desktops.desktops,
    "dashboard": dashboard.dashboard,
    "services": services.services,
    "files": files.files,
}


async def main(names: list[str], *, is_quick: bool) -> list[str]:
    """Measure, print and keep; answers the promises that do not hold."""
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if names and RESULTS.exists() else {}
    results["machine"] = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    commit = await _commit()

    def keep(name: str, result: dict[str, Any]) -> None:
        """Show a figure and keep it at once: the whole is long, and may end early."""
        results[name] = _say(name, result | {"commit": commit})
        if not is_quick:
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
            PAGE.write_text(report.page(results))

    with short_folder() as home:
        if not names or "start" in names:
            keep("start", await figures.start(home))
        async with running(home) as stack:
            raw = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bench.raw", stack.temporal, cwd=ROOT
            )
            try:
                bench = Bench(stack, await Client.connect(stack.temporal), is_quick=is_quick)
                for name, figure in FIGURES.items():
                    if not names or name in names:
                        keep(name, await figure(bench))
            finally:
                await stop(raw)
    for name, figure in ALONE.items():
        if not names or name in names:
            with short_folder() as home:
                keep(name, await figure(home, is_quick=is_quick))
    return report.broken(results)


async def _commit() -> str:
    """What is measured, with a `+` when files differ from it."""
    git = ("git", "describe", "--always", "--exclude=*", "--dirty=+")
    process = await asyncio.create_subprocess_exec(*git, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return said.decode().strip()


def _say(name: str, result: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.write(f"{name}\n" + "".join(f"  {key}: {value}\n" for key, value in result.items()))
    sys.stdout.flush()
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*FIGURES, "start", *ALONE, []])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to see that it runs")
    options = parser.parse_args()
    broken = asyncio.run(main(options.names, is_quick=options.quick))
    sys.exit("".join(f"does not hold: {name}\n" for name in broken) or 0)
