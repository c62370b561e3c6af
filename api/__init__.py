"""The gateway: HTTP, streams and pages over the core."""

import windlass.core  # noqa: F401 - first of all: it settles what structlog loads  # pyright: ignore[reportUnusedImport]
