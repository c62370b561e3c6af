"""The gateway: HTTP, streams and pages over the core."""

import windlass.core  # noqa: F401  # pyright: ignore[reportUnusedImport] - first: it settles what structlog loads
