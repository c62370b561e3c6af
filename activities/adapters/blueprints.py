"""What the engine is asked to make of a blueprint: names, labels, a network, and a container with walls."""

import hashlib
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from activities.adapters import firewall
from activities.adapters.gates import PORT
from activities.containers import Blueprint
from windlass.core.egress import DESKTOPS

LABEL = "windlass"
TRIES = 20
MiB = 1 << 20


def container_name(desktop_id: str) -> str:
    """The container of a desktop: there can only be one."""
    return f"windlass-{desktop_id}"


def network_name(desktop_id: str) -> str:
    """The network of a desktop."""
    return f"windlass-{desktop_id}"


def volume_name(desktop_id: str) -> str:
    """The home of a desktop; it outlives its containers."""
    return f"windlass-home-{desktop_id}"


def bridge_name(desktop_id: str) -> str:
    """The network's interface on this machine: all of them begin alike, so that one firewall rule holds for all."""
    return f"{firewall.PREFIX}{hashlib.sha256(desktop_id.encode()).hexdigest()[:10]}"


def ownership(blueprint: Blueprint) -> dict[str, str]:
    """Whose a thing in the engine is, and where it may go if anywhere."""
    ways = blueprint.template.egress
    return {
        **({f"{LABEL}.egress": ",".join(ways)} if ways else {}),
        f"{LABEL}.managed": "true",
        f"{LABEL}.installation": blueprint.installation,
        f"{LABEL}.tenant": blueprint.tenant_id,
        f"{LABEL}.desktop": blueprint.desktop_id,
        f"{LABEL}.owner": blueprint.owner,
        f"{LABEL}.generation": str(blueprint.generation),
    }


def subnets(desktop_id: str) -> Iterator[str]:
    """Some networks of eight addresses, in an order of the desktop's own; the engine refuses what is taken."""
    start = int.from_bytes(hashlib.sha256(desktop_id.encode()).digest()[:4], "big")
    count = 1 << (29 - DESKTOPS.prefixlen)
    for turn in range(TRIES):
        place = (start + turn * 7919) % count
        yield f"{DESKTOPS.network_address + place * 8}/29"


def network(blueprint: Blueprint, subnet: str) -> dict[str, Any]:
    """A network without a way out, for one container."""
    return {
        "Name": network_name(blueprint.desktop_id),
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": True,
        "IPAM": {"Config": [{"Subnet": subnet}]},
        "Options": {"com.docker.network.bridge.name": bridge_name(blueprint.desktop_id)},
        "Labels": ownership(blueprint),
    }


def environment(subnet: IPv4Network, blueprint: Blueprint) -> list[str]:
    """What programs in the desktop are told: the size of its screen, and the gate where there is one."""
    template = blueprint.template
    told = [f"GEOMETRY={template.width}x{template.height}"]
    if template.egress:
        gate = f"http://{subnet[1]}:{PORT}"
        told += [f"{name}={gate}" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")]
        told += [f"{name}=localhost,127.0.0.1" for name in ("no_proxy", "NO_PROXY")]
    return told


def container(image: str, subnet: IPv4Network, blueprint: Blueprint) -> dict[str, Any]:
    """The container of a desktop: no capability, a root it cannot write to, limits on everything, nothing published."""
    template = blueprint.template
    memory = template.memory_bytes
    return {
        "Image": image,
        "Hostname": "desktop",
        "User": "1000:1000",
        "Env": environment(subnet, blueprint),
        "Labels": ownership(blueprint),
        "HostConfig": {
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "ReadonlyRootfs": True,
            "Tmpfs": {
                "/tmp": "rw,nosuid,nodev,size=256m,mode=1777",  # noqa: S108 - in the container
                "/run": "rw,nosuid,nodev,noexec,size=16m",
            },
            "Mounts": [{"Type": "volume", "Source": volume_name(blueprint.desktop_id), "Target": "/home/worker"}],
            "Memory": memory,
            "MemorySwap": memory,
            "NanoCpus": int(template.cpus * 1e9),
            "PidsLimit": template.processes,
            "ShmSize": 256 * MiB,
            "Dns": ["192.0.2.53"],  # nobody answers there; the engine would ask on the machine otherwise
            "DnsOptions": ["timeout:1", "attempts:1"],
            "NetworkMode": network_name(blueprint.desktop_id),
            "RestartPolicy": {"Name": "no"},
            "Privileged": False,
            "PublishAllPorts": False,
            "Ulimits": [
                {"Name": "core", "Soft": 0, "Hard": 0},
                {"Name": "fsize", "Soft": 2048 * MiB, "Hard": 2048 * MiB},
                {"Name": "nofile", "Soft": 4096, "Hard": 4096},
            ],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "2"}},
        },
    }
