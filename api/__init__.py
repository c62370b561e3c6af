"""The gateway: HTTP, streams and pages over the core."""
