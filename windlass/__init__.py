"""Windlass runs AI agents so that no crash loses their work.

Names load on first use: importing `windlass.contracts` imports neither FastAPI nor httpx.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from windlass.version import __version__

if TYPE_CHECKING:
    from windlass import forms, response
    from windlass.client import AsyncClient, Client
    from windlass.errors import InputsError, KodosumiError, StepFailed, StepUnknown, WindlassError
    from windlass.launch import Launch
    from windlass.service import ServeAPI
    from windlass.templates import Templates
    from windlass.testing import TracerMock
    from windlass.tracer import Tracer

__all__ = [
    "AsyncClient",
    "Client",
    "InputsError",
    "KodosumiError",
    "Launch",
    "ServeAPI",
    "StepFailed",
    "StepUnknown",
    "Templates",
    "Tracer",
    "TracerMock",
    "WindlassError",
    "__version__",
    "forms",
    "response",
]

_HOMES = {
    "AsyncClient": "windlass.client",
    "Client": "windlass.client",
    "InputsError": "windlass.errors",
    "KodosumiError": "windlass.errors",
    "StepFailed": "windlass.errors",
    "StepUnknown": "windlass.errors",
    "WindlassError": "windlass.errors",
    "Launch": "windlass.launch",
    "ServeAPI": "windlass.service",
    "Templates": "windlass.templates",
    "Tracer": "windlass.tracer",
    "TracerMock": "windlass.testing",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module the first time it is used."""
    if name in {"forms", "response"}:
        return import_module(f"windlass.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'windlass' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
