"""Boots: what workflow, activities and readers tell each other about bringing all services up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Durable names: they live in histories, renaming one is a migration.
NOUN = "boots"
WORKFLOW = "BootWorkflow"
BEGIN = "begin_boot"
BRING_UP = "bring_up_service"
SETTLE = "settle_boot"

AT_ONCE = 4  # services that are brought up side by side

PHASES = ("prepare", "start", "probe", "register", "retrieve", "update")
STEPS = {
    "prepare": "DEPLOY",
    "start": "DEPLOY",
    "probe": "HEALTH",
    "register": "REGISTER",
    "retrieve": "RETRIEVE",
    "update": "UPDATE",
}
SIGNS = {
    "start": "▶ [{step}] {message}",
    "end": "✓ {message}",
    "complete": "✔ {message}",
    "error": "✗ {target}{message}",
    "activity": "  • {target}{message}{result}",
    "result": "  {target}{message}{result}",
    "info": "\u2139 {target}{message}",
    "warning": "⚠ {target}{message}",
}


@dataclass(frozen=True, slots=True)
class BootInput:
    """What a boot's workflow starts with."""

    tenant_id: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class BootService:
    """A service that is to be brought up."""

    service_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Begun:
    """What is to be brought up; nothing when the boot is over already."""

    services: tuple[BootService, ...] = ()


@dataclass(frozen=True, slots=True)
class BringUpInput:
    """One service of a boot."""

    tenant_id: str
    boot_id: str
    service_id: str
    name: str


@dataclass(frozen=True, slots=True)
class BroughtUp:
    """What became of a service: `running`, `failed`, or `gone`."""

    name: str
    state: str
    reason: str = ""


def line(payload: Mapping[str, Any]) -> str:
    """A boot's message as a line of text, with what belongs to it in lines of its own; empty for what only begins."""
    if payload.get("type") not in SIGNS:
        return ""
    target, result = payload.get("target"), payload.get("result")
    first = SIGNS[str(payload["type"])].format(
        step=STEPS.get(str(payload.get("step")), ""),
        message=payload.get("message", ""),
        target=f"[{target}] " if target else "",
        result=f" → {result}" if result else "",
    )
    more = str(payload.get("detail") or "")
    return "\n".join([first, *(f"      {each}" for each in more.splitlines())])
