"""Hosts: where the process that executes a service's runs can be reached."""

import hashlib
from pathlib import Path

LINE_BYTES = 24 * 1024 * 1024  # the longest line either side may send: a step result of 16 MiB and its frame
ENTER = "enter"  # the step under which a host keeps what a flow's handler made of the inputs
SOCKET_NAME_CHARACTERS = 16  # a unix socket's path must stay under 108 bytes


def socket_path(folder: Path, tenant_id: str, service_id: str) -> Path:
    """The socket of a service's host on this machine; the same after every restart."""
    name = hashlib.sha256(f"{tenant_id}/{service_id}".encode()).hexdigest()[:SOCKET_NAME_CHARACTERS]
    return folder / f"{name}.sock"
