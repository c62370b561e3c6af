"""The containers of docker-compose.yml: built, started, asked, killed, removed."""

import asyncio
import os
import secrets
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from tests import buckets
from tests.compose.program import compose

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SHELL = str(ROOT / "stack" / "compose" / "shell.yml")
EMAIL, PASSWORD = "compose@localhost", "a password only for compose"
TAG = "test"


@dataclass(frozen=True, slots=True)
class Ship:
    """One system of containers under a name of its own."""

    program: Path
    name: str
    port: int
    secret: str

    @property
    def url(self) -> str:
        """The balancer's address."""
        return f"http://127.0.0.1:{self.port}"

    async def compose(self, *words: str) -> str:
        """Run compose on the two files; answers what it said."""
        files = ("--file", str(ROOT / "docker-compose.yml"), "--file", str(HERE / "override.yml"))
        return await run(
            *(str(self.program), "--project-name", self.name, "--project-directory", str(ROOT), *files, *words),
            environment={
                "WINDLASS_VERSION": TAG,
                "WINDLASS_PORT": str(self.port),
                "WINDLASS_SECRET_KEY": self.secret,
                "WINDLASS_S3_ACCESS_KEY": "windlass",
                "WINDLASS_S3_SECRET_KEY": self.secret,
                "POSTGRES_PASSWORD": self.secret,
                "WINDLASS_ADMIN_EMAIL": EMAIL,
                "WINDLASS_ADMIN_PASSWORD": PASSWORD,
            },
        )

    async def kill(self, service: str) -> None:
        """`kill -9` the first process of a service's first container, as the kernel would: the engine restarts it."""
        container = (await self.compose("ps", "--quiet", service)).split()[0]
        pid = await run("docker", "inspect", "--format", "{{.State.Pid}}", container)
        os.kill(int(pid), signal.SIGKILL)


async def built(folder: Path) -> Path:
    """Build every image from Debian's packages and our own files; answers the program of compose.

    Raises NoCompose, NotBuilt.
    """
    program = await asyncio.to_thread(compose)
    server = await asyncio.to_thread(buckets.built)
    await run(str(HERE / "images.sh"))
    for name in ("Dockerfile", "postgres.sh"):
        shutil.copy(HERE / name, folder)
    shutil.copy(server, folder / "versitygw")
    await run("docker", "build", "--target", "parts", "--tag", "windlass-parts", str(folder))
    return program


def afloat(program: Path, port: int) -> Ship:
    """A system that is not started yet."""
    return Ship(program, f"windlass-{secrets.token_hex(4)}", port, secrets.token_urlsafe(36))


async def run(*words: str, environment: dict[str, str] | None = None) -> str:
    """Run a program to its end; answers what it said on stdout."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=ROOT,
        env={**os.environ, "DOCKER_BUILDKIT": "0", **(environment or {})},
        stdout=pipe,
        stderr=pipe,
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, f"{' '.join(words[:3])}…:\n{(said + complained).decode()[-4000:]}"
    return said.decode()
