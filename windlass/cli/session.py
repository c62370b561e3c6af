"""Where the command talks to, as whom, and where it keeps that: a file only its owner can read."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import typer

from windlass.client import Client, Credentials

DEFAULT_PORT = "8700"
FILE = "credentials.json"


@dataclass(frozen=True, slots=True)
class Options:
    """The address, the folder of the credentials, and a key from the environment, if there is one."""

    url: str
    folder: Path
    api_key: str | None = None

    @classmethod
    def load(cls, url: str | None) -> "Options":
        """What was asked for, else what was signed in to last, else this machine."""
        given = os.environ.get("WINDLASS_CONFIG")
        config_home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        folder = Path(given) if given else Path(config_home) / "windlass"
        port = os.environ.get("WINDLASS_PORT") or DEFAULT_PORT
        address = url or CredentialFile(folder).current or f"http://127.0.0.1:{port}"
        if not address.startswith(("http://", "https://")):
            raise typer.BadParameter(
                f"{address!r} is no address: begin it with http:// or https://.", param_hint="--url"
            )
        return cls(address.rstrip("/"), folder, os.environ.get("WINDLASS_API_KEY") or None)


class CredentialFile:
    """Credentials by address; written whole, so that another process never reads half of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    @property
    def current(self) -> str | None:
        """The address that was signed in to last."""
        return self._read().get("current")

    def get(self, url: str) -> Credentials | None:
        """The credentials for an address."""
        entry = cast(dict[str, Any] | None, self._read().get("servers", {}).get(url))
        return Credentials(**entry) if entry else None

    def put(self, url: str, credentials: Credentials | None) -> None:
        """Keep the credentials for an address, or forget them."""
        known = self._read()
        servers = cast(dict[str, Any], known.get("servers", {}))
        servers.pop(url, None)
        current = known.get("current")
        if credentials is not None:
            servers[url] = asdict(credentials)
            current = url
        elif current == url:
            current = None
        self._write({"current": current, "servers": servers})

    def _read(self) -> dict[str, Any]:
        try:
            return json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return {}

    def _write(self, known: dict[str, Any]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.path.parent)  # mode 0600
        with os.fdopen(handle, "w") as file:
            json.dump(known, file, indent=2)
        Path(temporary).replace(self.path)


class ServerStore:
    """The credentials of one address, for the client to renew."""

    def __init__(self, file: CredentialFile, url: str) -> None:
        self._file, self._url = file, url

    def load(self) -> Credentials | None:
        """The newest credentials."""
        return self._file.get(self._url)

    def save(self, credentials: Credentials | None) -> None:
        """Keep them, or forget them."""
        self._file.put(self._url, credentials)


def options(context: typer.Context) -> Options:
    """The options of this command line."""
    return context.ensure_object(Options)


def connect(context: typer.Context) -> Client:
    """A client for the chosen gateway: the key of the environment wins over a sign-in."""
    chosen = options(context)
    store = ServerStore(CredentialFile(chosen.folder), chosen.url)
    return Client(chosen.url, api_key=chosen.api_key, store=store)
