"""A real S3 server of one's own, for tests and the demonstration of desktops: it checks every signature and expiry."""

import socket
from dataclasses import dataclass, field
from pathlib import Path

from stack import golang
from stack.processes import Command, program_environment

MODULE, VERSION = "github.com/versity/versitygw/cmd/versitygw", "v1.7.0"
REGION, BUCKET = "us-east-1", "windlass"


def built() -> Path:
    """The server's program, built from the Go module proxy when it is not there yet. Raises NotBuilt."""
    return golang.built("versitygw", MODULE, VERSION)


@dataclass(frozen=True, slots=True)
class Server:
    """A server on a port of this machine that keeps what it is given in a folder, and the one bucket it is for."""

    program: Path
    folder: Path
    port: int
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def root(self) -> Path:
        """Where the objects of the bucket are files."""
        return self.folder / "buckets" / BUCKET

    @property
    def command(self) -> Command:
        """How it is started; the folder is made."""
        places = self.folder / "buckets", self.folder / "about"
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        words = ("--port", f"127.0.0.1:{self.port}", "--region", REGION, "--quiet", "posix", "--sidecar")
        keys = {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
        argv = (str(self.program), *words, str(places[1]), str(places[0]))
        return Command(argv, env={**program_environment(), **keys})

    def variables(self, prefix: str) -> dict[str, str]:
        """The settings of an installation whose files are in its bucket."""
        return {
            "WINDLASS_STORAGE_URL": f"s3://{BUCKET}/{prefix}",
            "WINDLASS_S3_ENDPOINT": self.endpoint,
            "WINDLASS_S3_ACCESS_KEY": self.access_key,
            "WINDLASS_S3_SECRET_KEY": self.secret_key,
        }

    def answers(self) -> bool:
        """Whether somebody listens on its port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
