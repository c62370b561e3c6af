"""What files cost on their way through the gateway, beside a plain server that writes what comes and sends what is.

Both are sent the same bytes in the same minutes, one after the other; then 2 GB go through the gateway while its memory
is watched. The plain server counts no hash and makes nothing safe on the disk before it answers: the gateway does.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from stack import postgres
from stack.readiness import wait_until
from tests.bench.figures import Row
from tests.bench.machine import family, pss_mib
from tests.bench.stack import ROOT, Stack, running
from tests.owner import as_owner
from tests.parts import free_ports, stop
from windlass.contracts.ids import new_id

MIB = 1 << 20
SENT_MIB, LARGE_MIB, ROUNDS = 256, 2048, 3
WATCH_S = 0.1
ADDED = """
with mine as (select tenant_id, person_id from membership limit 1), made as (
  insert into run (id, tenant_id, agent, title, root_id, created_by)
  select $1, tenant_id, 'a', 'files', $1, person_id from mine returning tenant_id)
insert into run_file (run_id, path, tenant_id, digest, size_bytes) select $1, 'in/file.bin', tenant_id, $2, $3 from made
"""


@dataclass(frozen=True, slots=True)
class Server:
    """Where files are sent to and read from."""

    port: int
    token: str = ""

    async def send(self, path: str, size_mib: int) -> bytes:
        """PUT so much; answers what is said to it."""
        block = bytes(range(256)) * (MIB // 256)
        reader, writer = await self._asked(f"PUT {path}", f"content-length: {size_mib * MIB}\r\n")
        for number in range(size_mib):
            writer.write(number.to_bytes(8) + block[8:])
            await writer.drain()
        return await _answer(reader, writer, keep=True)

    async def read(self, path: str) -> int:
        """GET all of it; answers how many bytes came."""
        reader, writer = await self._asked(f"GET {path}", "")
        return int(await _answer(reader, writer, keep=False))

    async def _asked(self, what: str, more: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=4 * MIB)
        head = f"{what} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {self.token}\r\nconnection: close\r\n"
        writer.write(f"{head}{more}\r\n".encode())
        return reader, writer


async def files(home: Path, *, is_quick: bool) -> Row:
    """Upload and download beside a plain server's, and what 2 GB add to the gateway's memory."""
    sent_mib, large_mib = (SENT_MIB, LARGE_MIB) if not is_quick else (SENT_MIB // 10, LARGE_MIB // 10)
    ups: list[tuple[float, float]] = []
    downs: list[tuple[float, float]] = []
    async with running(home, service=False) as stack, plain(home / "plain.bin") as bare:
        gateway = Server(stack.port, stack.token)
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await bare.send("/", sent_mib)
            bare_s = time.perf_counter() - began
            address, ours_s = await _upload(home, stack, gateway, sent_mib)
            ups.append((bare_s, ours_s))
            began = time.perf_counter()
            assert await bare.read("/") == sent_mib * MIB
            middle = time.perf_counter()
            assert await gateway.read(address) == sent_mib * MIB
            downs.append((middle - began, time.perf_counter() - middle))
        growth = await _growth(home, stack, gateway, large_mib)
    return {
        "upload, MB/s": _rates(ups, sent_mib),
        "upload, ratio to plain": _ratios(ups),
        "download, MB/s": _rates(downs, sent_mib),
        "download, ratio to plain": _ratios(downs),
        f"{round(large_mib / 1024, 1):g} GiB up and down, growth MiB": growth,
    }


async def _upload(home: Path, stack: Stack, gateway: Server, size_mib: int) -> tuple[str, float]:
    """Send a file as a form would, make it a run's; answers where it is read, and the seconds of sending it."""
    wire = await stack.wire()
    wish = {"files": [{"path": "file.bin", "size_bytes": size_mib * MIB}]}
    upload = await wire.ask("POST", "/v1/artifacts/uploads", wish)
    upload_id, file_id = upload["upload_id"], upload["files"][0]["file_id"]
    began = time.perf_counter()
    await gateway.send(f"/v1/artifacts/uploads/{upload_id}/{file_id}", size_mib)
    whole = await wire.ask("POST", f"/v1/artifacts/uploads/{upload_id}/complete")
    took_s = time.perf_counter() - began
    await wire.close()
    run_id = new_id()
    async with as_owner(postgres.lay_out(home, postgres.find_binaries()).url) as owner:
        await owner.execute(ADDED, run_id, whole["files"][0]["sha256"], size_mib * MIB)
    return f"/v1/runs/{run_id}/files/in/file.bin", took_s


async def _growth(home: Path, stack: Stack, gateway: Server, size_mib: int) -> float:
    """How much more memory the gateway has at its highest, while so much goes in and out."""
    pids = [pid for pid, name in family(stack.pid).items() if name == "gateway"]
    before = highest = pss_mib(pids)

    async def watch() -> None:
        nonlocal highest
        while True:
            highest = max(highest, pss_mib(pids))
            await asyncio.sleep(WATCH_S)

    watching = asyncio.create_task(watch())
    try:
        address, _ = await _upload(home, stack, gateway, size_mib)
        assert await gateway.read(address) == size_mib * MIB
    finally:
        watching.cancel()
    return round(highest - before, 1)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, keep: bool) -> bytes:
    """What comes until the end, or how many bytes it is. Raises RuntimeError with what a refusal says."""
    head = await reader.readuntil(b"\r\n\r\n")
    kept, count = [b""], 0
    while piece := await reader.read(MIB):
        count += len(piece)
        if keep or not head.startswith(b"HTTP/1.1 2"):
            kept.append(piece)
    writer.close()
    if not head.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(f"{head[:30]!r} {b''.join(kept)[:300]!r}")
    return b"".join(kept) if keep else str(count).encode()


def _rates(times: list[tuple[float, float]], size_mib: int) -> str:
    return _spread([size_mib * MIB / 1e6 / ours for _, ours in times])


def _ratios(times: list[tuple[float, float]]) -> str:
    return _spread([bare / ours for bare, ours in times])


def _spread(values: list[float]) -> str:
    """Min / median / max."""
    low, middle, high = sorted(values)
    return f"{low:.2f} / {middle:.2f} / {high:.2f}"


@asynccontextmanager
async def plain(place: Path) -> AsyncGenerator[Server]:
    """The plain server, in a process of its own."""
    (port,) = free_ports(1)
    command = (sys.executable, "-m", "tests.bench.files", str(port), str(place))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    server = Server(port)

    async def answers() -> bool:
        try:
            return await server.send("/", 1) == b"ok"
        except OSError:
            return False

    try:
        await wait_until(answers, "the plain server", 30)
        yield server
    finally:
        await stop(process)


def serve(port: int, place: Path) -> None:
    """Write what is sent, and send what was written."""

    async def write(request: Request) -> Response:
        with place.open("wb") as file:
            async for piece in request.stream():
                file.write(piece)
        return Response("ok")

    def send(_request: Request) -> Response:
        async def pieces() -> AsyncGenerator[bytes]:
            with place.open("rb") as file:
                while piece := file.read(64 * 1024):
                    yield piece

        return StreamingResponse(pieces(), headers={"content-length": str(place.stat().st_size)})

    app = Starlette(routes=[Route("/", write, methods=["PUT"]), Route("/", send, methods=["GET"])])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", http="httptools")


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
