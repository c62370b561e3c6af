"""Hosts: where the processes that execute a service's runs can be reached, one for each of its replicas."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

LINE_BYTES = 24 * 1024 * 1024  # the longest line either side may send: a step result of 16 MiB and its frame
ENTER = "enter"  # the step under which a host keeps what a flow's handler made of the inputs
STOPPING = "the host is stopping"  # nothing of the question was begun: another host is asked
MOST_REPLICAS = 8
MEMORY_VARIABLE = "WINDLASS_HOST_MEMORY_MIB"  # in the environment of a service; without it half of the machine
MEMORY_DIGITS = 9  # what has more is no size of a machine
SOCKET_NAME_CHARACTERS = 16  # a unix socket's path must stay under 108 bytes


def memory_mib(environment: Mapping[str, str]) -> int | None:
    """What its variable says of the memory of a process; None where that is no number of MiB."""
    given = environment.get(MEMORY_VARIABLE, "")
    return int(given) if given.isdecimal() and len(given) <= MEMORY_DIGITS else None


def socket_path(folder: Path, tenant_id: str, service_id: str, replica: int = 1) -> Path:
    """The socket of a replica's host on this machine; the same after every restart."""
    key = f"{tenant_id}/{service_id}" if replica == 1 else f"{tenant_id}/{service_id}/{replica}"
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:SOCKET_NAME_CHARACTERS]}.sock"


def sockets_from(turn: int, folder: Path, tenant_id: str, service_id: str) -> list[Path]:
    """The sockets of a service that are there now, another one first at every turn; who was killed leaves its own."""
    places = [socket_path(folder, tenant_id, service_id, n) for n in range(1, MOST_REPLICAS + 1)]
    found = [place for place in places if place.exists()] or places[:1]  # nobody: who tries is told why
    first = turn % len(found)
    return found[first:] + found[:first]
